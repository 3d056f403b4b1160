import { Semaphore } from 'async-mutex';

/** Lets one at a time in, in the order in which they came. Not re-entrant: never hold it while calling a user's code. */
export class Mutex {
  // The package's own `runExclusive` is compiled to a generator, which takes several times as long: every append comes here twice.
  readonly #semaphore = new Semaphore(1);

  async runExclusive<T>(work: () => T | Promise<T>): Promise<T> {
    const [, release] = await this.#semaphore.acquire();
    try {
      return await work();
    } finally {
      release();
    }
  }
}
