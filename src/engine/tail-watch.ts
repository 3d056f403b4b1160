import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';

/** Looks at the file this often right after something happened… */
const activePollMs = 2;
/** …and ever less often, down to this. */
const idlePollMs = 100;

/**
 * Wakes those who wait for new events: at once for appends of this process; for other processes by a watch on the file,
 * which is only a hint, and by polling, which is not.
 */
export class TailWatch {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #ledgerPath: string;
  #waiting = new Set<() => void>();
  #unwatch: (() => void) | undefined;
  #cancelPoll: (() => void) | undefined;
  #pollMs = activePollMs;
  #closed = false;

  constructor(ledgerPath: string, disk: Disk, clock: Clock) {
    this.#ledgerPath = ledgerPath;
    this.#disk = disk;
    this.#clock = clock;
  }

  /** Wakes everybody: something may have changed. */
  wake(): void {
    this.#pollMs = activePollMs;
    this.#wakeAll();
  }

  /** Resolves when it is worth looking again: after `wake`, a change of the file, a while, or when `signal` aborts. */
  next(signal: AbortSignal | undefined): Promise<void> {
    if (this.#closed || signal?.aborted) return Promise.resolve();
    this.#unwatch ??= this.#disk.watch(this.#ledgerPath, () => this.wake());
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener('abort', done, { once: true });
      this.#poll();
    });
  }

  close(): void {
    this.#closed = true;
    this.#unwatch?.();
    this.#cancelPoll?.();
    this.#wakeAll();
  }

  #poll(): void {
    if (this.#cancelPoll) return;
    const delayMs = this.#pollMs;
    this.#pollMs = Math.min(delayMs * 1.25, idlePollMs);
    // Keeps the process alive: somebody waits for events.
    this.#cancelPoll = this.#clock.timer(
      delayMs,
      () => {
        this.#cancelPoll = undefined;
        this.#wakeAll();
      },
      true,
    );
  }

  #wakeAll(): void {
    this.#cancelPoll?.();
    this.#cancelPoll = undefined;
    const waiting = [...this.#waiting];
    for (const done of waiting) done();
  }
}
