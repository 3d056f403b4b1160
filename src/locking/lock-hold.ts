import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import { offerLock, revokeLock } from './hand-over.js';
import type { Host } from './host.js';
import type { LockFiles } from './lock-files.js';
import type { LockHold, LockOwner } from './lock.js';
import { readOwnerRecord, writeOwnerRecord } from './owner.js';
import { removed, removeLater, type HeldDirectory } from './proper-lockfile.js';
import { readSeatOwner, type Seat } from './seat.js';
import type { Turn, WaitingRoom } from './waiting-room.js';

export type FileLockHoldOptions = {
  readonly owner: LockOwner;
  /** The lock directory that was made for this hold, or passed on to it. */
  readonly directory: HeldDirectory;
  readonly files: LockFiles;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly host: Host;
  readonly room: WaitingRoom;
  /** Whether this process made no lock before it. */
  readonly isFirst: boolean;
  /** Whether the lock was passed on for so long that it is given back once, for those who wait without a seat. */
  readonly isOverdue: () => boolean;
  readonly onReleased: (how: Release) => Promise<void>;
};

/** What became of the lock: `'yielded'` is given back although somebody waits; `'cleanly'`, that nothing of it may be left in the folder. */
export type Release = 'passed on' | 'yielded' | 'given back' | 'cleanly';

/** `lost` looks at the directory when the last look is so long ago: a loss follows a stall, which is far longer. */
const lookEveryMs = 50;
/** Within this time a seat that is being made is whole. */
const madeMs = 5000;

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

  othersWait(): boolean {
    return this.#options.room.isAnybodyWaiting();
  }

  async release({ cleanly = false }: { readonly cleanly?: boolean } = {}): Promise<void> {
    const { directory, files, onReleased } = this.#options;
    if (!this.#released) {
      this.#released = true;
      // What cannot be removed goes stale, and then others take it over.
      const how = await this.#letGo().catch(() => 'given back' as const);
      await directory.release().catch(() => undefined);
      await onReleased(how);
    }
    if (!cleanly) return;
    await onReleased('cleanly');
    await removed(files.lock);
  }

  /** Passes the lock on, or frees its name, unless the lock is somebody else's by now. */
  async #letGo(): Promise<Release> {
    const { owner, directory, files, disk, room } = this.#options;
    await room.list().catch(() => undefined);
    const next = await room.next().catch(() => undefined);
    const passed = next && (await this.#passOn(next).catch(() => undefined));
    if (passed) return passed;
    const record = await readOwnerRecord(disk, files);
    const namesUs = record?.owner.token === owner.token;
    // Where inodes alone tell directories apart, the file of a new owner may be the only sign of a loss.
    this.#lost ||= !directory.isOurs() || (record?.lock === directory.identity && !namesUs);
    if (this.#lost) return 'given back';
    await this.#free(namesUs);
    if (!next) return 'given back';
    if (!this.#canReach(next.seat)) await room.yieldTo(next).catch(() => undefined);
    return 'yielded';
  }

  /** Returns undefined when the lock must be given back: it is lost, or whose turn it is cannot be told, or has no seat. */
  async #passOn({ seat, wait }: Turn): Promise<Release | undefined> {
    const { owner, directory, files, disk, clock, isOverdue } = this.#options;
    if (!this.#canReach(seat) || isOverdue() || this.#lost || !directory.isOurs()) return undefined;
    const offer = { owner: { ...seat.owner, token: seat.tokenOf(wait) }, since: new Date(clock.now()).toISOString(), lock: directory.identity, offered: true };
    // An exit behind the next line must not take away what is another's.
    directory.disown();
    if (!(await offerLock(disk, files, owner.token, offer))) return undefined;
    try {
      await seat.setPassed(wait);
      // Whoever stops waiting says so first and looks then for an offer: one of both sees the other.
      const isOver = (await seat.read()).wait !== wait;
      if (isOver && (await revokeLock(disk, files, offer, () => this.#takeDown()))) return 'yielded';
    } catch {
      // The lock is the other's, which finds that out by itself when it is not told.
    }
    return 'passed on';
  }

  /** Of a process on another host it is not known whether it lives, nor is its disk known to show it at once what is written here. */
  #canReach(seat: Seat): boolean {
    return seat.isWritable && seat.owner.host === this.#options.owner.host;
  }

  async #takeDown(): Promise<boolean> {
    if (!this.#options.directory.isOurs()) return false;
    await this.#free(true);
    return true;
  }

  async #free(namesUs: boolean): Promise<void> {
    const { owner, files, disk } = this.#options;
    // First the file, then the directory: the other way round it could be the file of the next owner.
    if (namesUs) await disk.removeFile(files.owner);
    const aside = `${files.lock}.${owner.token}`;
    await disk.rename(files.lock, aside);
    removeLater(aside);
  }

  /** What processes left that died while they waited for the lock, took it, or took it over. */
  async #removeLeftovers(): Promise<void> {
    const { files, disk, clock, host } = this.#options;
    const directory = path.dirname(files.lock);
    const prefix = `${path.basename(files.lock)}.`;
    for (const name of (await disk.list(directory)) ?? []) {
      const file = path.join(directory, name);
      if (!name.startsWith(prefix) || file === files.owner) continue;
      if (file.startsWith(files.waiting)) {
        const owner = await readSeatOwner(file, disk);
        // One that is not whole is being made, or its maker died over it.
        const isLeft = owner ? (await host.stateOf(owner)) === 'dead' : clock.now() - ((await disk.stat(file))?.modifiedMs ?? Infinity) >= madeMs;
        if (!isLeft) continue;
      }
      await disk.removeTree(file);
    }
  }
}
