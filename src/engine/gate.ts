/** Counts work in progress, so that closing can wait for it: a descriptor must not be closed under a read. */
export class Gate {
  readonly #explain: (error: unknown) => unknown;
  #inside = 0;
  #waiting: (() => void)[] = [];

  /** `explain` makes of what the work throws what is thrown on. */
  constructor(explain: (error: unknown) => unknown = (error) => error) {
    this.#explain = explain;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    this.enter();
    try {
      return await work();
    } catch (error) {
      throw this.#explain(error);
    } finally {
      this.leave();
    }
  }

  /** Each needs one `leave`. */
  enter(): void {
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
    if (this.#inside === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when nothing is in progress. */
  empty(): Promise<void> {
    return this.#inside === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }
}
