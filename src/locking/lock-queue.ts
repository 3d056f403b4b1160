/*
 * How one lock waits in the queue: its own seat among those of others. Nothing of it is on the disk before the first wait.
 */
import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import { isOutOfDescriptors } from '../disk/error-code.js';
import type { Random } from '../disk/random.js';
import { isNameTaken } from './lock-errors.js';
import type { LockFiles } from './lock-files.js';
import type { LockOwner } from './lock.js';
import { makeSeat, type Seat } from './seat.js';
import { WaitingRoom } from './waiting-room.js';

export type LockQueuePorts = { readonly disk: Disk; readonly clock: Clock; readonly random: Random };

export class LockQueue {
  /** The seats of all others. */
  readonly room: WaitingRoom;
  readonly #ports: LockQueuePorts;
  readonly #token: string;
  readonly #path: string;
  #seat: Seat | undefined;
  #unwatch: (() => void) | undefined;
  #hears = false;
  /** Number of the last wait, and whether it goes on. */
  #wait = 0;
  #waiting = false;
  #wake: () => void = () => undefined;

  constructor(files: LockFiles, ports: LockQueuePorts) {
    this.#ports = ports;
    this.#token = ports.random.uuid();
    this.#path = `${files.waiting}${this.#token}`;
    this.room = new WaitingRoom({ ...ports, files, ownName: path.basename(this.#path) });
  }

  /** Whether the system tells when the seat is written to: that of one's own writing tells so. */
  get hears(): boolean {
    return this.#hears;
  }

  get isSeated(): boolean {
    return this.#waiting;
  }

  /** The token by which the lock is offered to the wait that goes on; undefined when none does. */
  get token(): string | undefined {
    return this.#waiting ? this.#seat?.tokenOf(this.#wait) : undefined;
  }

  /** Whether a holder says that it offered the lock to the wait that goes on. */
  get isAnswered(): boolean {
    return this.#waiting && (this.#seat?.look().passed ?? 0) >= this.#wait;
  }

  /** Notes that what was offered to that wait is no more. */
  forget(): void {
    this.#waiting = false;
  }

  /** Says that this process waits, unless it has said so; where there is no seat to be had it waits for a lock that is free. */
  async wait(self: Omit<LockOwner, 'token'>): Promise<void> {
    if (this.#waiting) return;
    try {
      this.#seat ??= await this.#takeSeat(self);
    } catch (error) {
      if (isOutOfDescriptors(error) || isNameTaken(error)) return;
      throw error;
    }
    this.#wait = Math.max(this.#wait, (await this.#seat.read()).passed) + 1;
    await this.#seat.setWait(this.#wait);
    this.#waiting = true;
  }

  /** Says that nobody waits here any more. Never fails: at worst the lock is offered to nobody, and that is revoked. */
  async endWait(): Promise<void> {
    const isOpen = this.#waiting && !this.isAnswered;
    this.#waiting = false;
    if (isOpen) await this.#seat?.setWait(0).catch(() => undefined);
  }

  /** Ends after `delayMs`, when the seat was written to, or when `signal` aborts. */
  sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted || this.isAnswered) return Promise.resolve();
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

  async #takeSeat(self: Omit<LockOwner, 'token'>): Promise<Seat> {
    const seat = await makeSeat(this.#path, { ...self, token: this.#token }, this.#ports.disk);
    this.#hears = false;
    this.#unwatch = this.#ports.disk.watch(this.#path, () => {
      this.#hears = true;
      if (this.isAnswered) this.#wake();
    });
    return seat;
  }
}
