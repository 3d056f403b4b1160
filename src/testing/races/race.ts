/*
 * Runs the commands of a race in processes of their own and kills some, until every command has ended. A process that was killed is
 * started again with the commands that it was not seen to finish.
 */
import { fileURLToPath } from 'node:url';
import { retryDefaults } from '../../core/defaults.js';
import { InvalidInputError } from '../../core/errors.js';
import type { OpenStoreOptions } from '../../engine/open-store.js';
import { nodeDisk } from '../../disk/node-disk.js';
import { SeededRandom } from '../simulation/seeded-random.js';
import type { RaceSettings } from './check-options.js';
import type { FromWorker, Task } from './messages.js';
import type { RaceResult, RemoteError } from './options.js';
import { briefCommand, type FailedRace } from './process-race-error.js';
import { WorkerProcess, type Ending } from './worker-process.js';

export type RaceSetting<Command> = RaceSettings<Command> & {
  readonly storeOptions: OpenStoreOptions;
  readonly execArgv: readonly string[];
  readonly mayFail: (error: RemoteError, command: Command) => boolean;
  /** Where the process of that name writes its history. */
  historyPathOf(name: string): string;
};

/** Why a race was given up. */
export class RaceFailure extends Error {
  readonly failed: FailedRace;

  constructor(failed: FailedRace) {
    super(failed.words);
    this.failed = failed;
  }
}

type Progress<Command, Result> = {
  readonly command: Command;
  readonly worker: number;
  readonly key: string;
  attempts: number;
  isUnderWay: boolean;
  result: RaceResult<Command, Result> | undefined;
};

type Seat = { readonly worker: number; process: WorkerProcess; processes: number; isReady: boolean; wasKilled: boolean };

export class Race<Command, Result> {
  readonly #setting: RaceSetting<Command>;
  readonly #progress: readonly Progress<Command, Result>[];
  readonly #seats: Seat[] = [];
  /** How many commands must have begun for the next kills, rising. */
  readonly #killsDue: number[];
  readonly #random: SeededRandom;
  /** Kills that were decided and whose victims are not replaced yet. */
  #killsUnderWay = 0;
  #kills = 0;
  #begun = 0;
  #hasStarted = false;
  #isLeaving = false;
  #isOver = false;
  #resolve: () => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  constructor(setting: RaceSetting<Command>, key: string) {
    this.#setting = setting;
    this.#progress = setting.assignments.map(({ command, worker }, i) => ({ command, worker, key: `${key}-${i + 1}`, attempts: 0, isUnderWay: false, result: undefined }));
    this.#random = new SeededRandom(setting.kill?.seed ?? 0);
    this.#killsDue = drawKills(setting.kill?.times ?? 0, this.#progress.length, this.#random);
  }

  get kills(): number {
    return this.#kills;
  }

  get results(): RaceResult<Command, Result>[] {
    return this.#progress.flatMap(({ result }) => result ?? []);
  }

  /** Resolves when every command has ended and every process has left. @throws RaceFailure */
  async run(): Promise<void> {
    const program = await findProgram();
    const clock = new AbortController();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
        retryDefaults.sleep(this.#setting.timeoutMs, clock.signal).then(() => this.#fail({ fault: 'timeout', words: this.#lateness() }), () => undefined);
        for (let worker = 1; worker <= this.#setting.workers; worker++) this.#seats.push(this.#occupy(worker, program));
      });
    } finally {
      this.#isOver = true;
      clock.abort();
      for (const { process } of this.#seats) process.kill();
      await Promise.all(this.#seats.map(({ process }) => process.gone()));
    }
  }

  #occupy(worker: number, program: URL): Seat {
    const seat: Seat = { worker, process: undefined as never, processes: 0, isReady: false, wasKilled: false };
    const start = (): void => {
      const name = seat.processes++ === 0 ? `worker-${worker}` : `worker-${worker}.${seat.processes}`;
      const { storeOptions, module, exportName, atOnce, execArgv, historyPathOf } = this.#setting;
      const job = { name, storeOptions, module, exportName, atOnce, historyPath: historyPathOf(name), tasks: this.#tasksOf(worker) };
      seat.isReady = seat.wasKilled = false;
      seat.process = new WorkerProcess(program, job, execArgv, {
        onMessage: (message) => this.#hear(message, seat),
        onGone: (ending) => this.#lose(seat, ending, start),
      });
    };
    start();
    return seat;
  }

  #tasksOf(worker: number): Task[] {
    return this.#progress.flatMap(({ command, worker: owner, key, attempts, result }, index) =>
      owner === worker && !result ? [{ index, command, context: { worker, attempt: attempts + 1, key } }] : [],
    );
  }

  #hear(message: FromWorker, seat: Seat): void {
    if (this.#isOver) return;
    switch (message.kind) {
      case 'ready':
        seat.isReady = true;
        this.#beginWhenReady(seat);
        break;
      case 'begun': {
        const progress = this.#progress[message.index]!;
        progress.attempts++;
        progress.isUnderWay = true;
        if (++this.#begun >= (this.#killsDue[0] ?? Infinity)) this.#killSoon(seat);
        break;
      }
      case 'fulfilled':
        this.#end(message.index, { status: 'fulfilled', value: message.value as Result });
        break;
      case 'rejected':
        this.#end(message.index, { status: 'rejected', reason: message.reason });
        this.#judge(message.index, message.reason, seat);
        break;
      case 'broken':
        this.#fail({ fault: 'worker', words: `${nameOf(seat)} cannot go on. ${message.problem}` });
    }
    this.#leaveWhenDone();
  }

  /** All begin together; one that takes the place of a killed one begins at once. */
  #beginWhenReady(seat: Seat): void {
    if (this.#hasStarted) return seat.process.tell({ kind: 'begin' });
    if (this.#seats.length < this.#setting.workers || !this.#seats.every(({ isReady }) => isReady)) return;
    this.#hasStarted = true;
    for (const { process } of this.#seats) process.tell({ kind: 'begin' });
  }

  #end(index: number, outcome: { status: 'fulfilled'; value: Result } | { status: 'rejected'; reason: RemoteError }): void {
    const progress = this.#progress[index]!;
    const { command, worker, attempts } = progress;
    progress.isUnderWay = false;
    progress.result = { command, worker, attempts, ...outcome };
  }

  #judge(index: number, reason: RemoteError, seat: Seat): void {
    const { command } = this.#progress[index]!;
    try {
      if (this.#setting.mayFail(reason, command)) return;
      this.#fail({ fault: 'handler', words: `${nameOf(seat)} failed at ${briefCommand(command)}: ${reason.stack}` });
    } catch (error) {
      this.#fail({ fault: 'handler', words: `"mayFail" threw at ${briefCommand(command)} of ${nameOf(seat)}.`, cause: error });
    }
  }

  /** The victim is the one whose command made it due; a moment later, so that it may be anywhere in that command or behind it. */
  #killSoon(preferred: Seat): void {
    const victim = preferred.wasKilled ? this.#seats.find(({ isReady, wasKilled }) => isReady && !wasKilled) : preferred;
    // All are down already: it is done as soon as one is up again.
    if (!victim) return;
    this.#killsDue.shift();
    this.#killsUnderWay++;
    victim.wasKilled = true;
    const { process } = victim;
    const kill = (): void => {
      if (!this.#isOver && process.kill()) this.#kills++;
    };
    const delayMs = this.#random.below(3);
    if (delayMs === 0) kill();
    else void retryDefaults.sleep(delayMs).then(kill);
  }

  #lose(seat: Seat, { isClean, how }: Ending, startAgain: () => void): void {
    if (this.#isOver) return;
    if (!seat.wasKilled && !(this.#isLeaving && isClean)) {
      const doing = this.#progress.filter(({ worker, isUnderWay }) => worker === seat.worker && isUnderWay).map(({ command }) => briefCommand(command));
      return this.#fail({ fault: 'worker', words: `${nameOf(seat)} ${doing.length === 0 ? '' : `was at ${doing.join(', ')} and `}${how}` });
    }
    if (seat.wasKilled) {
      this.#killsUnderWay--;
      for (const progress of this.#progress) if (progress.worker === seat.worker) progress.isUnderWay = false;
      startAgain();
    } else {
      this.#seats.splice(this.#seats.indexOf(seat), 1);
      if (this.#seats.length === 0) this.#resolve();
    }
  }

  #leaveWhenDone(): void {
    if (this.#isLeaving || this.#isOver || this.#killsUnderWay > 0 || !this.#hasStarted) return;
    if (!this.#progress.every(({ result }) => result) || !this.#seats.every(({ isReady }) => isReady)) return;
    // A victim may have been spared because it was down already: those that are idle now have the store open still.
    if (this.#killsDue.length > 0) return this.#killSoon(this.#seats[0]!);
    this.#isLeaving = true;
    for (const { process } of this.#seats) process.tell({ kind: 'leave' });
  }

  #fail(failed: FailedRace): void {
    this.#isOver = true;
    this.#reject(new RaceFailure(failed));
  }

  #lateness(): string {
    const { timeoutMs } = this.#setting;
    const open = this.#progress.filter(({ result }) => !result);
    const doing = open.filter(({ isUnderWay }) => isUnderWay).map(({ worker, command }) => `worker-${worker} is at ${briefCommand(command)}`);
    const idle = this.#seats.filter(({ isReady }) => !isReady).map((seat) => `${nameOf(seat)} is not ready`);
    const where = [...doing, ...idle].map((line) => `\n  ${line}`).join('');
    return `The race was not over after ${timeoutMs} ms ("timeoutMs"): ${open.length} of ${this.#progress.length} commands had not ended.${where}`;
  }
}

const nameOf = ({ process }: Seat): string => `${process.name} (process ${process.pid ?? 'unknown'})`;

/** Different numbers from 1 to `commands`, rising: at each, that many commands have begun, and their last beginner is killed. */
function drawKills(times: number, commands: number, random: SeededRandom): number[] {
  const drawn = new Set<number>();
  while (drawn.size < times) drawn.add(1 + random.below(commands));
  return [...drawn].sort((a, b) => a - b);
}

async function findProgram(): Promise<URL> {
  const program = new URL('./worker-entry.js', import.meta.url);
  if (program.protocol === 'file:' && (await nodeDisk.stat(fileURLToPath(program)))) return program;
  throw new InvalidInputError('raceProcesses', `finds no program for its workers at ${program.href}. Import opossum-store/testing as it was installed, not from a bundle.`);
}
