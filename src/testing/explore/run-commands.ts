/* One run: a fresh store, the given events, all commands at once in the order of calls that a schedule says, and a look at what came of it. */
import { retryDefaults } from '../../core/defaults.js';
import { isOpossumError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import { openMemoryStore } from '../../memory/memory-event-store.js';
import { SeededRandom } from '../simulation/seeded-random.js';
import { describeError, oneLine, type Entry } from './entry.js';
import { Interleaving } from './interleaving.js';
import { noteModelAnswers } from './model-answers.js';
import type { ActContext, CommandResult, ExploreOptions } from './options.js';
import type { Schedule } from './schedule.js';
import { completeEvents, ScheduledStore } from './scheduled-store.js';
import { runIn, type HandlerWorld } from './virtual-time.js';

export type Plan<Command> = {
  readonly given: readonly NewEvent[];
  readonly commands: readonly Command[];
  readonly schedule: Schedule;
  /** Seed of what is random to the handlers. */
  readonly chance: number;
};

export type Rules<Command, Result> = Pick<ExploreOptions<Command, Result>, 'act' | 'invariant' | 'store' | 'mayFail' | 'checkEveryCommit'> & {
  readonly maxSteps: number;
  /** How long (real time) handlers may wait for something that is not the store nor a timer before they count as stuck. */
  patienceMs: number;
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
  const store = await (rules.store ?? openMemoryStore)();
  try {
    return await new CommandRun(store, plan, rules).run();
  } finally {
    await store.close();
  }
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

/** The real one, whatever a test put in its place meanwhile. */
const { setImmediate: nextTurn } = globalThis;

class CommandRun<Command, Result> {
  readonly #store: EventStore;
  readonly #plan: Plan<Command>;
  readonly #rules: Rules<Command, Result>;
  readonly #interleaving: Interleaving;
  readonly #results: CommandResult<Command, Result>[];
  /** Made when a handler asks for its signal: most never do, and it is dear. */
  #givenUp: AbortController | undefined;
  #isGivenUp = false;
  readonly #worlds: readonly HandlerWorld[];
  #ids = 0;
  #pending: number;
  #error: Failure | undefined;

  constructor(store: EventStore, plan: Plan<Command>, rules: Rules<Command, Result>) {
    this.#store = store;
    this.#plan = plan;
    this.#rules = rules;
    this.#interleaving = new Interleaving(plan.commands.length, plan.schedule);
    this.#results = plan.commands.map((command) => ({ command, status: 'pending' }));
    this.#worlds = plan.commands.map((_, handler) => this.#world(handler));
    this.#pending = plan.commands.length;
  }

  async run(): Promise<Run<Command, Result>> {
    const { given, commands } = this.#plan;
    if (given.length > 0) await this.#store.append(completeEvents(given, { now: () => this.#interleaving.nowMs, newId: this.#newId }));
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
      // After a turn of the event loop each handler has come to its next call, or waits for something else.
      await new Promise((resolve) => nextTurn(resolve));
      if (this.#error || this.#pending === 0) return this.#error;
      if (steps === this.#rules.maxSteps) return { kind: 'endless', words: `not done after ${steps} calls: it may go on for ever`, cause: undefined };
      if (!this.#interleaving.hasNext() && !(await this.#waitForLife())) return this.#stuck();
      if (this.#pending === 0) continue;
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

  readonly #newId = (): string => `00000000-0000-4000-8000-${(++this.#ids).toString(16).padStart(12, '0')}`;

  #mayFail(error: unknown, command: Command): boolean {
    return this.#rules.mayFail ? this.#rules.mayFail(error, command) : isOpossumError(error) && error.retryable;
  }

  #fail(handler: number, error: unknown): void {
    this.#interleaving.entries.push({ handler, call: { kind: 'failure' }, error });
    this.#error ??= { kind: 'error', words: `${letterOf(handler)} fails: ${oneLine(describeError(error))}`, cause: error };
  }

  /** Handlers may wait for something of the real world, such as a file. False when nothing came of it. */
  async #waitForLife(): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < this.#rules.patienceMs; waitedMs++) {
      await retryDefaults.sleep(1);
      if (this.#interleaving.hasNext() || this.#pending === 0) return true;
    }
    return false;
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
