import type { Clock } from '../disk/clock.js';

/** On fast disks every call answers at once: whoever appends or reads in a loop would never let the event loop run. */
const everyMs = 8;

/** Lets the event loop take what waits for it, when it was not its turn for a while. */
export class Breather {
  readonly #clock: Clock;
  #lastMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it is time; spares a promise when it is not. */
  get isDue(): boolean {
    return this.#clock.monotonic() - this.#lastMs >= everyMs;
  }

  async breathe(): Promise<void> {
    if (!this.isDue) return;
    await this.#clock.turn();
    this.#lastMs = this.#clock.monotonic();
  }
}
