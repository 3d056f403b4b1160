import type { Clock } from '../../src/disk/clock.js';

/** Monotonic time passes only while somebody waits; the wall clock may be set. */
export class VirtualClock implements Clock {
  #elapsedMs = 0;
  wallOffsetMs = 0;
  /** How long the next wait takes longer than it should. */
  stallMs = 0;
  onPass: (elapsedMs: number) => void = () => undefined;

  now = (): number => Date.now() + this.#elapsedMs + this.wallOffsetMs;
  monotonic = (): number => this.#elapsedMs;
  turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  timer(delayMs: number, callback: () => void): () => void {
    const timer = setImmediate(() => {
      this.#elapsedMs += delayMs + this.stallMs;
      this.stallMs = 0;
      this.onPass(this.#elapsedMs);
      callback();
    });
    return () => clearImmediate(timer);
  }
}
