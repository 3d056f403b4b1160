import type { Awaitable } from '../disk/disk.js';

/** Counts work in progress, so that closing can wait for it: a descriptor must not be closed under a read. */
export class Gate {
  readonly #explain: (error: unknown) => unknown;
  #inside = 0;
  #waiting: (() => void)[] = [];

  /** `explain` makes of what the work throws what is thrown on. */
  constructor(explain: (error: unknown) => unknown = (error) => error) {
    this.#explain = explain;
  }

  /** What `work` answers at once is given back at once, and what it throws is thrown. */
  run<T>(work: () => Promise<T>): Promise<T>;
  run<T>(work: () => Awaitable<T>): Awaitable<T>;
  run<T>(work: () => Awaitable<T>): Awaitable<T> {
    this.enter();
    let answer: Awaitable<T>;
    try {
      answer = work();
    } catch (error) {
      this.leave();
      throw this.#explain(error);
    }
    if (answer instanceof Promise) return this.#runOn(answer);
    this.leave();
    return answer;
  }

  /** Each needs one `leave`. */
  enter(): void {
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
    if (this.#inside === 0 && this.#waiting.length > 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when nothing is in progress. */
  empty(): Promise<void> {
    return this.#inside === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #runOn<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.#explain(error);
    } finally {
      this.leave();
    }
  }
}
