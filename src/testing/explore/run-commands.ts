/* One run: a fresh store, the given events, all commands at once in the order of calls that a schedule says, and a look at what came of it. */
import { isOpossumError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import { SeededRandom } from '../simulation/seeded-random.js';
import { idsAfter, type Beginnings } from './beginnings.js';
import { describeError, oneLine, type Entry } from './entry.js';
import { Interleaving } from './interleaving.js';
import { noteModelAnswers } from './model-answers.js';
import type { ActContext, CommandResult, ExploreOptions } from './options.js';
import { nextTurn, type Patience } from './patience.js';
import type { Schedule } from './schedule.js';
import { ScheduledStore } from './scheduled-store.js';
import { runIn, type HandlerWorld } from './virtual-time.js';

export type Plan<Command> = {
  readonly given: readonly NewEvent[];
  readonly commands: readonly Command[];
  readonly schedule: Schedule;
  /** Seed of what is random to the handlers. */
  readonly chance: number;
};

export type Rules<Command, Result> = Pick<ExploreOptions<Command, Result>, 'act' | 'invariant' | 'mayFail' | 'checkEveryCommit'> & {
  readonly beginnings: Beginnings;
  readonly maxSteps: number;
  /** With handlers that wait for something that is neither the store nor a timer. */
  readonly patience: Patience;
  /** Writes down what the models of decisions answered. */
  readonly noteAnswers?: boolean;
};

/** What is wrong with a run. */
export type Failure = {
  readonly kind: 'invariant' | 'error' | 'stuck' | 'endless';
  /** On one line. */
  readonly words: string;
  readonly cause: unknown;
};

export type Run<Command, Result> = {
  readonly failure: Failure | undefined;
  readonly entries: readonly Entry[];
  readonly choices: readonly number[];
  readonly history: readonly SequencedEvent[];
  readonly results: readonly CommandResult<Command, Result>[];
};

export async function runCommands<Command, Result>(plan: Plan<Command>, rules: Rules<Command, Result>): Promise<Run<Command, Result>> {
  const { store, ids } = await rules.beginnings.begin(plan.given);
  try {
    return await new CommandRun(store, ids, plan, rules).run();
  } finally {
    await store.close();
  }
}

/** Whether both fail in the same way: with fewer commands a handler may well wait for ever, which is not what was found. */
export function failsAlike(a: Run<unknown, unknown>, b: Run<unknown, unknown>): boolean {
  return a.failure !== undefined && a.failure.kind === b.failure?.kind;
}

/** What is broken about the invariant; undefined when it holds. */
export async function checkInvariant<Command, Result>(
  { invariant }: Pick<Rules<Command, Result>, 'invariant'>,
  history: readonly SequencedEvent[],
  results: readonly CommandResult<Command, Result>[],
): Promise<Failure | undefined> {
  try {
    const verdict = await invariant(history, { results });
    // Anything else counts as nothing said: an assertion gives back what it likes.
    if (verdict !== false && typeof verdict !== 'string') return undefined;
    return { kind: 'invariant', words: verdict === false ? 'the invariant does not hold' : oneLine(verdict), cause: undefined };
  } catch (error) {
    return { kind: 'invariant', words: oneLine(error instanceof Error ? error.message : String(error)), cause: error };
  }
}

class CommandRun<Command, Result> {
  readonly #store: EventStore;
  readonly #newId: () => string;
  readonly #plan: Plan<Command>;
  readonly #rules: Rules<Command, Result>;
  readonly #interleaving: Interleaving;
  readonly #results: CommandResult<Command, Result>[];
  /** Made when a handler asks for its signal: most never do, and it is dear. */
  #givenUp: AbortController | undefined;
  #isGivenUp = false;
  readonly #worlds: readonly HandlerWorld[];
  #pending: number;
  #error: Failure | undefined;

  constructor(store: EventStore, ids: number, plan: Plan<Command>, rules: Rules<Command, Result>) {
    this.#store = store;
    this.#newId = idsAfter(ids);
    this.#plan = plan;
    this.#rules = rules;
    this.#interleaving = new Interleaving(plan.commands.length, plan.schedule);
    this.#results = plan.commands.map((command) => ({ command, status: 'pending' }));
    this.#worlds = plan.commands.map((_, handler) => this.#world(handler));
    this.#pending = plan.commands.length;
  }

  async run(): Promise<Run<Command, Result>> {
    const { commands } = this.#plan;
    const endNotes = this.#rules.noteAnswers ? noteModelAnswers(this.#worlds, this.#interleaving.entries) : undefined;
    for (let handler = 0; handler < commands.length; handler++) this.#start(handler);
    let failure: Failure | undefined;
    try {
      failure = await this.#goOn();
    } finally {
      endNotes?.();
      this.#interleaving.end();
      this.#isGivenUp = this.#pending > 0;
      if (this.#isGivenUp) this.#givenUp?.abort(new Error('The run was given up.'));
    }
    const history = await this.#store.read().toArray();
    failure ??= await checkInvariant(this.#rules, history, this.#results);
    const { entries, choices } = this.#interleaving;
    return { failure, entries, choices, history, results: this.#results };
  }

  /** Until every handler has ended, or something is wrong. */
  async #goOn(): Promise<Failure | undefined> {
    for (let steps = 0; ; steps++) {
      await nextTurn();
      if (!this.#hasEnded() && this.#isSomebodyBusy()) await this.#rules.patience.waitForOthers(() => this.#hasEnded() || !this.#isSomebodyBusy());
      if (this.#hasEnded()) return this.#error;
      if (steps === this.#rules.maxSteps) return { kind: 'endless', words: `not done after ${steps} calls: it may go on for ever`, cause: undefined };
      if (!this.#interleaving.hasNext() && !(await this.#rules.patience.waitForAny(() => this.#hasEnded() || this.#interleaving.hasNext()))) return this.#stuck();
      if (this.#hasEnded()) continue;
      const entry = await this.#interleaving.step();
      if (entry?.call.kind === 'wait' && entry.error !== undefined) this.#fail(entry.handler, entry.error);
      if (entry?.call.kind === 'append' && entry.error === undefined && this.#rules.checkEveryCommit) {
        const broken = await checkInvariant(this.#rules, await this.#store.read().toArray(), [...this.#results]);
        if (broken) return broken;
      }
    }
  }

  #start(handler: number): void {
    const command = this.#plan.commands[handler] as Command;
    const world = this.#worlds[handler]!;
    const store = new ScheduledStore(this.#store, this.#interleaving, handler, world);
    const context = contextIn(world, () => (this.#givenUp ??= new AbortController()).signal);
    const settle = (result: CommandResult<Command, Result>): void => {
      this.#results[handler] = result;
      this.#pending--;
    };
    runIn(world, async () => this.#rules.act(store, command, context)).then(
      (value) => settle({ command, status: 'fulfilled', value }),
      (reason: unknown) => {
        settle({ command, status: 'rejected', reason });
        if (!this.#isGivenUp && !this.#mayFail(reason, command)) this.#fail(handler, reason);
      },
    );
  }

  #world(handler: number): HandlerWorld {
    const random = new SeededRandom(this.#plan.chance * 31 + handler);
    return {
      now: () => this.#interleaving.nowMs,
      random: () => random.next(),
      newId: this.#newId,
      startTimer: (ms, fire) => this.#interleaving.startTimer(handler, ms, fire),
    };
  }

  #mayFail(error: unknown, command: Command): boolean {
    return this.#rules.mayFail ? this.#rules.mayFail(error, command) : isOpossumError(error) && error.retryable;
  }

  #fail(handler: number, error: unknown): void {
    this.#interleaving.entries.push({ handler, call: { kind: 'failure' }, error });
    this.#error ??= { kind: 'error', words: `${letterOf(handler)} fails: ${oneLine(describeError(error))}`, cause: error };
  }

  /** Calls that a handler did not wait for happen too, as they would in a program that lives on. */
  #hasEnded(): boolean {
    return this.#error !== undefined || (this.#pending === 0 && !this.#interleaving.hasCall());
  }

  /** Whether a handler has not ended, and asks nothing of the store or the clock: who knows what it does. */
  #isSomebodyBusy(): boolean {
    return this.#results.some(({ status }, handler) => status === 'pending' && !this.#interleaving.isWaiting(handler));
  }

  #stuck(): Failure {
    const stuck = this.#results.flatMap(({ status }, handler) => (status === 'pending' ? [letterOf(handler)] : []));
    const which = stuck.length === 1 ? `${stuck[0]} waits` : `${stuck.join(' and ')} wait`;
    return { kind: 'stuck', words: `${which} for something that never comes`, cause: undefined };
  }
}

/** How the timeline calls the handlers. */
export function letterOf(handler: number): string {
  return String.fromCharCode(65 + handler);
}

function contextIn(world: HandlerWorld, signal: () => AbortSignal): ActContext {
  const { now, random, newId } = world;
  const sleep = (ms: number, until?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (until?.aborted) return reject(until.reason as Error);
      const cancel = world.startTimer(ms, () => {
        until?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        cancel();
        reject(until?.reason as Error);
      };
      until?.addEventListener('abort', abort, { once: true });
    });
  return {
    now,
    random,
    newId,
    sleep,
    get signal() {
      return signal();
    },
  };
}
