import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import type { LockFiles } from './lock-files.js';
import type { LockHold, LockOwner } from './lock.js';
import { readOwnerRecord, writeOwnerRecord } from './owner.js';
import { removed, removeLater, type HeldDirectory } from './proper-lockfile.js';
import type { WaitingMark } from './waiting-mark.js';

export type FileLockHoldOptions = {
  readonly owner: LockOwner;
  /** The lock directory that was made for this hold. */
  readonly directory: HeldDirectory;
  readonly files: LockFiles;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly mark: WaitingMark;
  /** Whether no hold of this process came before it. */
  readonly isFirst: boolean;
  /** Called when the lock was given up while others waited. */
  readonly onYield: () => void;
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

  /** Says in the owner file who holds the lock. When that fails, the lock is given back. */
  async begin(): Promise<void> {
    const { owner, directory, files, disk, clock, mark, isFirst } = this.#options;
    try {
      // Owners remove their file before they let go: one that is still there was left by an owner that could not.
      this.#takenOver = (await disk.stat(files.owner)) !== undefined;
      if (this.#takenOver) this.#takenFrom = (await readOwnerRecord(disk, files))?.owner;
      await writeOwnerRecord(disk, files, { owner, since: new Date(clock.now()).toISOString(), lock: directory.identity });
      if (this.#takenOver || isFirst) await this.#removeLeftovers();
      await mark.clear();
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  othersWait(): boolean {
    return this.#options.mark.isSet();
  }

  async release({ cleanly = false }: { readonly cleanly?: boolean } = {}): Promise<void> {
    if (!this.#released) {
      this.#released = true;
      const keep = await this.#clearAway().catch(() => false);
      // What cannot be removed goes stale, and then others take it over.
      await this.#options.directory.release({ keep }).catch(() => undefined);
    }
    if (cleanly) await removed(this.#options.files.lock);
  }

  /** Frees the lock's name, unless the lock is somebody else's by now. */
  async #clearAway(): Promise<true> {
    const { owner, directory, files, disk, mark, onYield } = this.#options;
    const record = await readOwnerRecord(disk, files);
    const namesUs = record?.owner.token === owner.token;
    // Where inodes alone tell directories apart, the file of a new owner may be the only sign of a loss.
    this.#lost ||= !directory.isOurs() || (record?.lock === directory.identity && !namesUs);
    if (this.#lost) return true;
    // First the file, then the directory: the other way round it could be the file of the next owner.
    if (namesUs) await disk.removeFile(files.owner);
    if (mark.isSet()) {
      await mark.clear();
      onYield();
    }
    const aside = `${files.lock}.${owner.token}`;
    await disk.rename(files.lock, aside);
    removeLater(aside);
    return true;
  }

  /** What processes left that died while they took the lock, or took it over. */
  async #removeLeftovers(): Promise<void> {
    const { files, disk } = this.#options;
    const directory = path.dirname(files.lock);
    const prefix = `${path.basename(files.lock)}.`;
    const kept = [files.owner, files.waiting].map((file) => path.basename(file));
    for (const name of (await disk.list(directory)) ?? []) {
      if (name.startsWith(prefix) && !kept.includes(name)) await disk.removeTree(path.join(directory, name));
    }
  }
}
