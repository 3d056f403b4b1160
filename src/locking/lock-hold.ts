import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import type { Host } from './host.js';
import type { LockFiles } from './lock-files.js';
import type { LockHold, LockOwner } from './lock.js';
import { overwriteOwnerRecord, readOpenRecord, readOwnerRecord, writeOwnerRecord, type OwnerRecord } from './owner.js';
import { removed, removeLater, type HeldDirectory } from './proper-lockfile.js';
import { readSeatOwner } from './seat.js';
import type { WaitingRoom } from './waiting-room.js';

export type FileLockHoldOptions = {
  readonly owner: LockOwner;
  /** The lock directory that was made for this hold, or passed on to it. */
  readonly directory: HeldDirectory;
  readonly files: LockFiles;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly host: Host;
  readonly room: WaitingRoom;
  /** Whether no hold of this process came before it. */
  readonly isFirst: boolean;
  /** The owner file, open, of a lock that was passed on. */
  readonly ownerFile?: DiskFile;
  /** Called when the lock was given back or passed on, and when nothing of it may be left in the folder. */
  readonly onReleased: (how: 'passed on' | 'given back' | 'cleanly') => Promise<void>;
};

/** `lost` looks at the directory when the last look is so long ago: a loss follows a stall, which is far longer. */
const lookEveryMs = 50;

export class FileLockHold implements LockHold {
  readonly #options: FileLockHoldOptions;
  #lookedMs: number;
  #lost = false;
  #released = false;
  #takenOver = false;
  #takenFrom: LockOwner | undefined;

  constructor(options: FileLockHoldOptions) {
    this.#options = options;
    this.#lookedMs = options.clock.monotonic();
  }

  get lost(): boolean {
    const now = this.#options.clock.monotonic();
    if (!this.#released && !this.#lost && now - this.#lookedMs >= lookEveryMs) {
      this.#lookedMs = now;
      this.#lost = !this.#options.directory.isOurs();
    }
    return this.#lost;
  }

  get takenOver(): boolean {
    return this.#takenOver;
  }

  get takenFrom(): LockOwner | undefined {
    return this.#takenFrom;
  }

  lose(): void {
    this.#lost = true;
  }

  /** Says in the owner file who holds the lock whose directory was just made. When that fails, the lock is given back. */
  async begin(): Promise<void> {
    const { directory, files, disk, clock, owner, isFirst, host } = this.#options;
    try {
      // Owners remove their file before they let go: one that is still there was left by an owner that could not, or that
      // never noticed that the lock was passed on to it.
      const left = await disk.stat(files.owner);
      const record = left && (await readOwnerRecord(disk, files));
      this.#takenOver = left !== undefined && !(record?.offered && (await host.stateOf(record.owner)) !== 'dead');
      if (this.#takenOver) this.#takenFrom = record?.owner;
      await writeOwnerRecord(disk, files, { owner, since: new Date(clock.now()).toISOString(), lock: directory.identity });
      if (this.#takenOver || isFirst) await this.#removeLeftovers();
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /**
   * Says in the owner file that the lock, which was passed on, is held; returns false when somebody lost patience and took it
   * away meanwhile. `offer` is what the last holder wrote.
   */
  async accept(offer: OwnerRecord): Promise<boolean> {
    const { owner, directory, ownerFile } = this.#options;
    await overwriteOwnerRecord(ownerFile!, { owner, since: offer.since, lock: directory.identity });
    if (directory.isOurs()) return true;
    // It may be put back: nobody must wait then until it is stale.
    await overwriteOwnerRecord(ownerFile!, offer);
    this.#released = true;
    await directory.release({ keep: true });
    return false;
  }

  othersWait(): boolean {
    return this.#options.room.isAnybodyWaiting();
  }

  async release({ cleanly = false }: { readonly cleanly?: boolean } = {}): Promise<void> {
    const { directory, files, onReleased } = this.#options;
    if (!this.#released) {
      this.#released = true;
      const how = await this.#letGo().catch(() => 'not' as const);
      // What cannot be removed goes stale, and then others take it over.
      await directory.release({ keep: how !== 'not' }).catch(() => undefined);
      await onReleased(how === 'passed on' ? how : 'given back');
    }
    if (!cleanly) return;
    await onReleased('cleanly');
    await removed(files.lock);
  }

  /** Passes the lock on, or frees its name, unless the lock is somebody else's by now. */
  async #letGo(): Promise<'passed on' | 'given back'> {
    const { owner, directory, files, disk, ownerFile } = this.#options;
    const record = await (ownerFile ? readOpenRecord(ownerFile) : readOwnerRecord(disk, files));
    const namesUs = record?.owner.token === owner.token;
    // Where inodes alone tell directories apart, the file of a new owner may be the only sign of a loss.
    this.#lost ||= !directory.isOurs() || (record?.lock === directory.identity && !namesUs);
    if (this.#lost) return 'given back';
    if (namesUs && (await this.#passOn().catch(() => false))) return 'passed on';
    // First the file, then the directory: the other way round it could be the file of the next owner.
    if (namesUs) await disk.removeFile(files.owner);
    const aside = `${files.lock}.${owner.token}`;
    await disk.rename(files.lock, aside);
    removeLater(aside);
    return 'given back';
  }

  /**
   * Names the next owner in the owner file, and tells it. Returns false when nobody waits any more. The lock is never without
   * an owner, so that whoever dies in between is noticed.
   */
  async #passOn(): Promise<boolean> {
    const { directory, files, disk, clock, room } = this.#options;
    await room.list();
    let seat = room.next();
    if (!seat) return false;
    const file = this.#options.ownerFile ?? (await disk.open(files.owner, 'update'));
    try {
      for (; seat; seat = room.next()) {
        const { wait } = seat.look();
        const next = { ...seat.owner, token: seat.tokenOf(wait) };
        await overwriteOwnerRecord(file, { owner: next, since: new Date(clock.now()).toISOString(), lock: directory.identity, offered: true });
        await seat.setPassed(wait);
        // Whoever ends its wait says so first and looks then whether the lock was passed on to it. One that waits again has had it.
        if (seat.look().wait >= wait) return true;
        const record = await readOpenRecord(file);
        if (record?.owner.token !== next.token || !record.offered) return true;
      }
      return false;
    } finally {
      if (!this.#options.ownerFile) await file.close();
    }
  }

  /** What processes left that died while they waited for the lock, took it, or took it over. */
  async #removeLeftovers(): Promise<void> {
    const { files, disk, host } = this.#options;
    const directory = path.dirname(files.lock);
    const prefix = `${path.basename(files.lock)}.`;
    for (const name of (await disk.list(directory)) ?? []) {
      const file = path.join(directory, name);
      if (!name.startsWith(prefix) || file === files.owner) continue;
      if (file.startsWith(files.waiting)) {
        // One that is not whole is being made.
        const owner = await readSeatOwner(file, disk);
        if (!owner || (await host.stateOf(owner)) !== 'dead') continue;
      }
      await disk.removeTree(file);
    }
  }
}
