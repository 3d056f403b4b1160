import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { FromWorker, Job, ToWorker } from './messages.js';

export type WorkerEvents = {
  onMessage(message: FromWorker): void;
  /** Called once, after every message that it sent. */
  onGone(ending: Ending): void;
};

/** `how` goes on after the name of the process; clean is exit code 0. */
export type Ending = { readonly isClean: boolean; readonly how: string };

/** One process of a race. Whoever made it kills it. */
export class WorkerProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #complaints = '';

  constructor(program: URL, job: Job, execArgv: readonly string[], { onMessage, onGone }: WorkerEvents) {
    this.name = job.name;
    // Its errors are told with its end: they would drown in the output of a test runner.
    const child = fork(program, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], serialization: 'advanced', execArgv: [...execArgv] });
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#complaints = (this.#complaints + text).slice(-4000)));
    child.on('message', (message: FromWorker) => onMessage(message));
    let failure: Error | undefined;
    child.on('error', (error) => (failure = error));
    // `close` comes when its output has ended too, `disconnect` when every message was handed out.
    this.#gone = Promise.all([once(child, 'close'), child.connected ? once(child, 'disconnect') : undefined]).catch(() => undefined);
    void this.#gone.then(() => onGone(failure ? { isClean: false, how: `could not be started: ${failure.message}` } : this.#ending()));
    this.tell({ kind: 'prepare', job });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  tell(message: ToWorker): void {
    // It may be gone, which `onGone` tells.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Ends it at once, whatever it does; false when it had ended by itself. */
  kill(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.kill('SIGKILL');
  }

  /** Resolves when it is gone and `onGone` was called. */
  async gone(): Promise<void> {
    await this.#gone;
  }

  #ending(): Ending {
    const { exitCode, signalCode } = this.#child;
    const complaints = this.#complaints.trim();
    const how = `ended by itself (${signalCode ?? `exit code ${exitCode}`})${complaints === '' ? ' and said nothing' : `:\n${complaints}`}`;
    return { isClean: exitCode === 0, how };
  }
}
