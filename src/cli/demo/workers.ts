import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Application } from './enrolment.js';
import type { FromWorker, Tally, ToWorker } from './messages.js';

export type WorkerResult = { readonly pid: number; readonly tally: Tally; readonly latenciesMs: readonly number[] };

export type Race = {
  readonly results: readonly WorkerResult[];
  /** From the common start until the last process was done. */
  readonly ms: number;
};

type Task = { readonly directory: string; readonly context: string; readonly shares: readonly (readonly Application[])[] };

/** Starts a process for each share, lets all begin at the same moment, and waits until all have ended. Ends them when something fails. */
export async function race(task: Task, signal: AbortSignal, onProgress: (tallies: readonly Tally[]) => void): Promise<Race> {
  const workers: Worker[] = [];
  const abort = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  abort.catch(() => undefined);
  try {
    signal.throwIfAborted();
    for (const applications of task.shares) {
      const worker = new Worker(() => onProgress(workers.map(({ tally }) => tally)));
      workers.push(worker);
      worker.tell({ kind: 'prepare', directory: task.directory, context: task.context, applications });
    }
    await Promise.race([Promise.all(workers.map((worker) => worker.ready)), abort]);
    const started = performance.now();
    for (const worker of workers) worker.tell({ kind: 'begin' });
    const results = await Promise.race([Promise.all(workers.map((worker) => worker.done)), abort]);
    const ms = performance.now() - started;
    await Promise.race([Promise.all(workers.map((worker) => worker.ended)), abort]);
    return { results, ms };
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
  }
}

const noTally: Tally = { decided: 0, enrolled: 0, conflicts: 0, triesMax: 0 };

class Worker {
  readonly #process: ChildProcess;
  readonly ready: Promise<void>;
  readonly done: Promise<WorkerResult>;
  readonly ended: Promise<unknown>;
  tally: Tally = noTally;

  constructor(onProgress: () => void) {
    this.#process = fork(new URL('./worker.js', import.meta.url), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.ended = once(this.#process, 'exit');
    const ready = deferred<void>();
    const done = deferred<WorkerResult>();
    const failed = (error: Error): void => {
      ready.reject(error);
      done.reject(error);
    };
    this.ready = ready.promise;
    this.done = done.promise;
    for (const promise of [this.ready, this.done, this.ended]) promise.catch(() => undefined);
    this.#process.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') return ready.resolve();
      if (message.kind === 'failed') return failed(Object.assign(new Error(`Process ${this.#process.pid}: ${message.message}`), { code: message.code }));
      this.tally = message.tally;
      onProgress();
      if (message.kind === 'done') done.resolve({ pid: this.#process.pid ?? 0, tally: message.tally, latenciesMs: message.latenciesMs });
    });
    this.#process.on('error', failed);
    this.#process.on('exit', (code, killedBy) => failed(new Error(`Process ${this.#process.pid} ended early (${killedBy ?? `exit code ${code}`}).`)));
  }

  tell(message: ToWorker): void {
    this.#process.send(message);
  }

  /** Ends the process if it still runs, and waits for its end. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null || this.#process.pid === undefined) return;
    this.#process.kill('SIGKILL');
    await this.ended;
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let settle: { resolve: (value: T) => void; reject: (reason: unknown) => void } | undefined;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, resolve: (value) => settle?.resolve(value), reject: (reason) => settle?.reject(reason) };
}
