/*
 * How one lock waits in the queue: its own seat among those of others, and the lock that is passed on to it. Nothing of it is
 * on the disk before the first wait.
 */
import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import { isOutOfDescriptors } from '../disk/error-code.js';
import type { Random } from '../disk/random.js';
import { identityOf, type LockFiles } from './lock-files.js';
import type { LockOwner } from './lock.js';
import { readOpenRecord, type OwnerRecord } from './owner.js';
import { makeSeat, type Seat } from './seat.js';
import { WaitingRoom } from './waiting-room.js';

export type LockQueuePorts = { readonly disk: Disk; readonly clock: Clock; readonly random: Random };

/** A lock that was passed on. */
export type LockOffer = {
  /** What the owner file says. */
  readonly record: OwnerRecord;
  /** The owner file, open for writing over it; the queue closes it. */
  readonly ownerFile: DiskFile;
  /** When the lock's directory was last touched. */
  readonly touchedMs: number;
};

export class LockQueue {
  /** The seats of all others. */
  readonly room: WaitingRoom;
  readonly #files: LockFiles;
  readonly #ports: LockQueuePorts;
  readonly #token: string;
  readonly #path: string;
  #seat: Seat | undefined;
  #unwatch: (() => void) | undefined;
  #hears = false;
  /** Number of the last wait, and whether it goes on. */
  #wait = 0;
  #waiting = false;
  #ownerFile: DiskFile | undefined;
  #wake: () => void = () => undefined;

  constructor(files: LockFiles, ports: LockQueuePorts) {
    this.#files = files;
    this.#ports = ports;
    this.#token = ports.random.uuid();
    this.#path = `${files.waiting}${this.#token}`;
    this.room = new WaitingRoom({ ...ports, files, ownName: path.basename(this.#path) });
  }

  /** Whether the system tells when the seat is written to: that of one's own writing tells so. */
  get hears(): boolean {
    return this.#hears;
  }

  /** Says that this process waits, unless it has said so; without a free descriptor it waits for a lock that nobody wants. */
  async wait(self: Omit<LockOwner, 'token'>): Promise<void> {
    if (this.#waiting) return;
    try {
      this.#seat ??= await this.#takeSeat(self);
    } catch (error) {
      if (isOutOfDescriptors(error)) return;
      throw error;
    }
    await this.#seat.setWait(++this.#wait);
    this.#waiting = true;
  }

  /** Says that nobody waits here any more. Returns what was passed on before that was known: whoever does not want it passes it on. */
  async endWait(): Promise<LockOffer | undefined> {
    if (!this.#waiting || !this.#seat) return undefined;
    if (!this.#isAnswered) await this.#seat.setWait(0);
    const offer = await this.takeOffer();
    this.#waiting = false;
    return offer;
  }

  /** The lock if it was passed on to the wait that goes on. The wait is over then, also when that lock is no more. */
  async takeOffer(): Promise<LockOffer | undefined> {
    if (!this.#waiting || !this.#seat || !this.#isAnswered) return undefined;
    this.#waiting = false;
    const token = this.#seat.tokenOf(this.#wait);
    let record = this.#ownerFile && (await readOpenRecord(this.#ownerFile));
    if (record?.owner.token !== token) {
      // Whoever makes the lock anew makes the owner file anew.
      await this.#closeOwnerFile();
      this.#ownerFile = await this.#openOwnerFile();
      record = this.#ownerFile && (await readOpenRecord(this.#ownerFile));
    }
    if (!this.#ownerFile || !record?.offered || record.owner.token !== token) return undefined;
    const found = await this.#ports.disk.stat(this.#files.lock);
    return found && identityOf(found) === record.lock ? { record, ownerFile: this.#ownerFile, touchedMs: found.modifiedMs } : undefined;
  }

  /** Ends after `delayMs`, when the seat was written to, or when `signal` aborts. */
  sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting && this.#isAnswered) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal?.removeEventListener('abort', end);
        this.#wake = () => undefined;
        resolve();
      };
      const cancel = this.#ports.clock.timer(delayMs, end, true);
      this.#wake = end;
      signal?.addEventListener('abort', end, { once: true });
    });
  }

  /** Leaves nothing behind. The next wait begins with another seat. */
  async close(): Promise<void> {
    await this.room.close();
    await this.#closeOwnerFile();
    const seat = this.#seat;
    this.#seat = undefined;
    this.#waiting = false;
    this.#unwatch?.();
    if (!seat) return;
    await seat.close();
    try {
      await this.#ports.disk.removeFile(this.#path);
    } catch {
      // Whoever finds it sees that nobody waits, and removes it when this process has ended.
    }
  }

  get #isAnswered(): boolean {
    return (this.#seat?.look().passed ?? 0) >= this.#wait;
  }

  async #takeSeat(self: Omit<LockOwner, 'token'>): Promise<Seat> {
    const seat = await makeSeat(this.#path, { ...self, token: this.#token }, this.#ports.disk);
    this.#hears = false;
    this.#unwatch = this.#ports.disk.watch(this.#path, () => {
      this.#hears = true;
      if (this.#waiting && this.#isAnswered) this.#wake();
    });
    return seat;
  }

  /** Undefined when it is gone: then so is the lock that was passed on. */
  async #openOwnerFile(): Promise<DiskFile | undefined> {
    try {
      return await this.#ports.disk.open(this.#files.owner, 'update');
    } catch (error) {
      if (!isOutOfDescriptors(error)) return undefined;
    }
    // The seats are no longer needed, the lock is.
    await this.close();
    return this.#ports.disk.open(this.#files.owner, 'update');
  }

  async #closeOwnerFile(): Promise<void> {
    const file = this.#ownerFile;
    this.#ownerFile = undefined;
    await file?.close();
  }
}
