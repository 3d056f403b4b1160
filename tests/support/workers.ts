import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterEach } from 'vitest';

const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

/** A process of its own that runs a job of `tests/support/worker.mjs` on the built package. */
export type Worker = {
  readonly child: ChildProcess;
  /** Lets it begin, after every worker is ready. */
  go(): void;
  /** Asks a job that goes on and on to come to its end. */
  stop(): void;
  /** Resolves when the process is gone and everything that it reported is in `reports`. */
  readonly ended: Promise<void>;
  /** What the job returned; rejects with its message when it failed. */
  readonly result: Promise<unknown>;
  /** What the job reported so far. */
  readonly reports: unknown[];
};

/** Starts a process for each job and waits until all are ready; they begin together when `go` is called. */
export async function startWorkers(jobs: readonly { job: string; [option: string]: unknown }[]): Promise<Worker[]> {
  const workers = jobs.map(startWorker);
  await Promise.all(workers.map(({ ready }) => ready));
  return workers;
}

/** Runs the jobs in processes of their own, beginning together; returns what each returned. */
export async function runWorkers<T>(jobs: readonly { job: string; [option: string]: unknown }[]): Promise<T[]> {
  const workers = await startWorkers(jobs);
  for (const worker of workers) worker.go();
  return (await Promise.all(workers.map(({ result }) => result))) as T[];
}

/** Starts a process that begins at once; `ready` resolves when it did, or ended before. */
export function startAtOnce(job: { job: string; [option: string]: unknown }): Worker & { ready: Promise<void> } {
  const worker = startWorker(job);
  void worker.ready.then(() => worker.child.connected && worker.go());
  return worker;
}

function startWorker(job: object): Worker & { ready: Promise<void> } {
  const child = fork(path.join(import.meta.dirname, 'worker.mjs'), [JSON.stringify(job)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  running.add(child);
  const reports: unknown[] = [];
  const ended = Promise.all(['exit', 'disconnect'].map((event) => new Promise((resolve) => child.once(event, resolve)))).then(() => undefined);
  let isReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => (isReady = resolve));
  const result = new Promise((resolve, reject) => {
    child.on('message', (message: { kind: string; value: unknown }) => {
      if (message.kind === 'ready') isReady();
      else if (message.kind === 'report') reports.push(message.value);
      else if (message.kind === 'done') resolve(message.value);
      else reject(new Error(String(message.value)));
    });
    child.on('exit', (code, signal) => {
      running.delete(child);
      isReady();
      reject(new Error(`worker ended with ${signal ?? code}`));
    });
  });
  // A test that kills its worker does not ask for the result.
  result.catch(() => undefined);
  return { child, ready, ended, result, reports, go: () => child.send('go', () => undefined), stop: () => child.send('stop', () => undefined) };
}
