/*
 * Keeps the cross-process lock while appends keep coming, since taking it costs more than an append, and lets go soon:
 * after a slice of time when another process waits, and a few milliseconds after the last append when none does.
 */
import type { Clock } from '../disk/clock.js';
import type { ContextLock, LockHold } from '../locking/lock.js';
import { publishLock } from './channels.js';

export type LockKeeperOptions = {
  /** Folder of the context, for messages. */
  readonly directory: string;
  readonly lock: ContextLock;
  readonly clock: Clock;
  /** Called when the lock was taken, before anything is done under it. */
  readonly onTaken: (hold: LockHold) => Promise<void>;
  /** Called when the lock is held with nothing to do; releases it unless appends came. */
  readonly onIdle: () => void;
};

/** How long appends may keep the lock while another process waits. */
const sliceMs = 20;
const lookMs = 1;
/** How long the lock is kept with nothing to do. */
const idleMs = 3;

export class LockKeeper {
  readonly #options: LockKeeperOptions;
  #hold: LockHold | undefined;
  #heldSinceMs = 0;
  #usedMs = 0;
  #lookedMs = 0;
  #othersWait = false;
  #watching = false;
  #takings = 0;

  constructor(options: LockKeeperOptions) {
    this.#options = options;
  }

  /** Whether the lock is held, as far as is known. */
  get isHeld(): boolean {
    return this.#hold !== undefined && !this.#hold.lost;
  }

  /** How often the lock was taken: while this stays the same and the lock is held, nobody else held it, as far as is known. */
  get takings(): number {
    return this.#takings;
  }

  /** Takes the lock unless it is held. @throws LockTimeoutError after `timeoutMs`, `signal.reason`, and what `onTaken` throws. */
  async take(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.isHeld) return;
    await this.release();
    const { lock, clock, directory, onTaken } = this.#options;
    const startMs = clock.monotonic();
    const hold = await lock.acquire(timeoutMs, signal);
    this.#hold = hold;
    this.#takings++;
    const owner = hold.takenFrom;
    publishLock(() => ({
      kind: hold.takenOver ? 'takenOver' : 'acquired',
      directory,
      waitedMs: clock.monotonic() - startMs,
      ...(owner ? { owner } : {}),
    }));
    try {
      await onTaken(hold);
    } catch (error) {
      await this.release();
      throw error;
    }
    this.#heldSinceMs = this.#usedMs = clock.monotonic();
    this.#lookedMs = -Infinity;
    this.#watchIdle();
  }

  /** Notes that the lock was used just now. */
  touch(): void {
    this.#usedMs = this.#options.clock.monotonic();
  }

  /** Whether another process waits for the lock; looked at once a millisecond, since many appends fit into one. */
  othersWait(): boolean {
    const now = this.#options.clock.monotonic();
    if (this.#hold && now - this.#lookedMs >= lookMs) {
      this.#lookedMs = now;
      this.#othersWait = this.#hold.othersWait();
    }
    return this.#hold !== undefined && this.#othersWait;
  }

  /** Whether the slice is used up while somebody waits. */
  shouldYield(): boolean {
    return this.#hold !== undefined && this.#options.clock.monotonic() - this.#heldSinceMs > sliceMs && this.othersWait();
  }

  async release(): Promise<void> {
    const hold = this.#hold;
    this.#hold = undefined;
    if (!hold) return;
    await hold.release();
    publishLock(() => ({ kind: hold.lost ? 'lost' : 'released', directory: this.#options.directory }));
  }

  #watchIdle(): void {
    if (this.#watching) return;
    this.#watching = true;
    const { clock, onIdle } = this.#options;
    clock.timer(
      idleMs,
      () => {
        this.#watching = false;
        if (!this.#hold) return;
        if (clock.monotonic() - this.#usedMs >= idleMs) onIdle();
        this.#watchIdle();
      },
      false,
    );
  }
}
