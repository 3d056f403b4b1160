/** Runs so many pieces of work at a time, and those of one partition one after another, in the order in which they came. */
export class Lanes {
  /** For each partition, when its last piece of work is over. */
  readonly #lastOf = new Map<string, Promise<void>>();
  /** Who waits for a free slot, in turn. */
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(concurrency: number) {
    this.#free = concurrency;
  }

  /** Resolves when the work is over. `work` must not reject. */
  run(partition: string | undefined, work: () => Promise<void>): Promise<void> {
    if (partition === undefined) return this.#inSlot(work);
    const before = this.#lastOf.get(partition);
    const over = before === undefined ? this.#inSlot(work) : before.then(() => this.#inSlot(work));
    this.#lastOf.set(partition, over);
    return over.finally(() => {
      if (this.#lastOf.get(partition) === over) this.#lastOf.delete(partition);
    });
  }

  async #inSlot(work: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await work();
    const next = this.#waiting.shift();
    // The slot goes to the next in turn without being free in between.
    if (next) next();
    else this.#free++;
  }
}
