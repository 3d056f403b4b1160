/* One time for several processes, which passes only when a test says so. A process can stop: its waits end when it goes on. */

type Sleeper = { readonly due: number; readonly wake: () => void };

/** The ports that a store of this process is opened with. */
export class TimedProcess {
  readonly now: () => number;
  readonly sleepers = new Set<Sleeper>();
  isStopped = false;

  constructor(now: () => number) {
    this.now = now;
  }

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const end = (): void => {
        this.sleepers.delete(sleeper);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => (end(), reject(signal!.reason as Error));
      const sleeper: Sleeper = { due: this.now() + ms, wake: () => (end(), resolve()) };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', abort);
    });
}

export class Timeline {
  readonly #processes: TimedProcess[] = [];
  #ms = Date.UTC(2026, 0, 1);

  process(): TimedProcess {
    const process = new TimedProcess(() => this.#ms);
    this.#processes.push(process);
    return process;
  }

  /**
   * Lets `ms` pass. Whoever is due is woken in order, and has done what it woke up for when it sleeps again; `isOver` tells of one
   * that will not.
   */
  async pass(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.#ms + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const { process, sleeper } = next;
      const waiting = process.sleepers.size;
      this.#ms = Math.max(this.#ms, sleeper.due);
      sleeper.wake();
      while (process.sleepers.size < waiting && !isOver()) await new Promise(setImmediate);
    }
    this.#ms = end;
  }

  #next(end: number): { process: TimedProcess; sleeper: Sleeper } | undefined {
    const awake = this.#processes.filter(({ isStopped }) => !isStopped);
    const sleepers = awake.flatMap((process) => [...process.sleepers].map((sleeper) => ({ process, sleeper })));
    return sleepers.filter(({ sleeper }) => sleeper.due <= end).sort((a, b) => a.sleeper.due - b.sleeper.due)[0];
  }
}
