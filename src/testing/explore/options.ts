import type { EventStore } from '../../core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';
import type { ArbitraryOf } from './fast-check.js';

export type ExploreOptions<Command, Result = unknown> = {
  /** What is stored before the commands begin; nothing when absent. */
  given?: readonly NewEvent[] | ArbitraryOf<readonly NewEvent[]>;
  /** What runs at once: these commands, or two to `concurrent` that an arbitrary of fast-check generates, one of them twice at times. */
  commands: readonly Command[] | ArbitraryOf<Command>;
  /** At most so many generated commands at once, 2 to 8 (inclusive); 3 when absent. */
  concurrent?: number;
  /** The handler under test. It must reach the world through `store` and `context` only, or a replay may differ. */
  act(store: EventStore, command: Command, context: ActContext): Promise<Result> | Result;
  /** What must hold when all commands have ended: it is broken when this throws, or gives false or a text that says what is wrong. */
  invariant(history: readonly SequencedEvent[], outcome: Outcome<Command, Result>): Verdict | Promise<Verdict>;
  /** Also checks the invariant after every append that stored something; false when absent. */
  checkEveryCommit?: boolean;
  /** Errors that a handler may end with. Lost races (errors of this library that are `retryable`) when absent; any other fails the run. */
  mayFail?: (error: unknown, command: Command) => boolean;
  /** Makes an empty store for each run; it is closed afterwards. A memory store when absent. */
  store?: () => EventStore | Promise<EventStore>;
  /** How many runs to try, at least 1; 1,000 when absent. */
  runs?: number;
  /** Milliseconds after which no more runs are begun; 2,000 when absent. */
  timeLimitMs?: number;
  /** How many calls and timers of a run may happen before it counts as endless, at least 1; 2,000 when absent. */
  maxSteps?: number;
  /** Repeats the same runs: a whole number. `SEED` in the environment when absent, else random. */
  seed?: number;
  /** With `seed`, repeats one run alone. `SEED_PATH` in the environment when absent. */
  path?: string;
  /** How a command is called in the timeline; its JSON when absent. */
  label?: (command: Command) => string;
  /** What a read means, in the timeline: `undefined` for how it is written without. */
  describeRead?: (read: DescribedRead<Command>) => string | undefined;
  /** Columns of the terminal for the timeline, at least 40; 120 when absent. */
  width?: number;
};

/** True or nothing: it holds. */
export type Verdict = void | undefined | boolean | string;

/** The handler's own world: the same again in a replay, and time passes only when nobody is busy. */
export type ActContext = {
  /** Milliseconds since 1970, on virtual time; `Date` tells the same. */
  now(): number;
  /** Waits on virtual time, as `setTimeout` does; rejects with `signal.reason`. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 (inclusive) to 1 (exclusive), as `Math.random`. */
  random(): number;
  /** A new UUID, as `crypto.randomUUID`. */
  newId(): string;
  /** Aborts when the run is given up. */
  readonly signal: AbortSignal;
};

export type CommandResult<Command, Result> =
  | { readonly command: Command; readonly status: 'fulfilled'; readonly value: Result }
  | { readonly command: Command; readonly status: 'rejected'; readonly reason: unknown }
  /** Only in checks after a commit. */
  | { readonly command: Command; readonly status: 'pending' };

export type Outcome<Command, Result> = {
  /** How each command ended, in their order. */
  readonly results: readonly CommandResult<Command, Result>[];
};

export type DescribedRead<Command> = {
  readonly command: Command;
  readonly query: Query;
  readonly events: readonly SequencedEvent[];
  readonly head: number;
};

export type ExploreReport = {
  /** How many runs were tried, all without finding anything. */
  readonly runs: number;
  /** What to give as `seed` to try the same runs again. */
  readonly seed: number;
};
