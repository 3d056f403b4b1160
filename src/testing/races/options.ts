import type { OpenStoreOptions } from '../../engine/open-store.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import type { Verdict } from '../explore/options.js';
import type { HistorySummary } from '../history/check-history.js';
import type { History } from '../history/history.js';

export type RaceOptions<Command, Result = unknown> = {
  /**
   * The module with the handler, which every worker imports: `new URL('./enrol.mjs', import.meta.url)`, or an absolute path. It exports
   * `act(store, command, context)` (see `RaceHandler`), which must reach the data through `store` only.
   */
  module: URL | string;
  /** Name of the handler among the module's exports; `'act'` when absent. */
  exportName?: string;
  /** Processes, 2 to 32 (inclusive); 4 when absent. */
  workers?: number;
  /** Commands that each process works on at the same time, 1 to 64 (inclusive); 1 when absent. */
  atOnce?: number;
  /**
   * What is done: a list that is dealt out to the workers in turn, or a function that gives each worker, from 1, commands of its own.
   * They are sent to the workers, so they must be what `structuredClone` can copy.
   */
  commands: readonly Command[] | ((worker: number) => readonly Command[]);
  /** What is stored before the workers begin; nothing when absent. */
  given?: readonly NewEvent[];
  /** What must hold in the end: it is broken when this throws, or gives false or a text that says what is wrong. */
  invariant(events: readonly SequencedEvent[], outcome: RaceOutcome<Command, Result>): Verdict | Promise<Verdict>;
  /** Errors that a handler may end with. Those that are `retryable`, such as lost races, when absent; any other fails the race. */
  mayFail?: (error: RemoteError, command: Command) => boolean;
  /** Kills processes at random (SIGKILL) while they work, and starts them again. Handlers must be idempotent then. */
  kill?: {
    /** How often: 1 to the number of commands (inclusive). */
    times: number;
    /** Chooses the victims and how far they are: a whole number, random when absent. The instant itself is up to the machine. */
    seed?: number;
  };
  /** Where the store is, or is to be made; it is kept. A temporary folder when absent, removed when nothing is wrong. */
  directory?: string;
  /** How each process opens the store. */
  storeOptions?: Pick<OpenStoreOptions, 'context' | 'durability' | 'eventFiles' | 'lockTimeout'>;
  /** Milliseconds for the whole race; 30,000 when absent. */
  timeoutMs?: number;
  /** Options of Node for the workers, such as `['--import', 'tsx']` for a module in TypeScript; none when absent. */
  execArgv?: readonly string[];
};

/** What a handler is told besides its command. */
export type RaceContext = {
  /** Number of the worker, from 1. */
  readonly worker: number;
  /** How often a process has begun this command, this time included: above 1 when one was killed before it was seen to finish. */
  readonly attempt: number;
  /** Names this command in this race, the same at each attempt: make event ids of it. */
  readonly key: string;
};

export type RaceResult<Command, Result = unknown> = { readonly command: Command; readonly worker: number; readonly attempts: number } & (
  | { readonly status: 'fulfilled'; readonly value: Result }
  | { readonly status: 'rejected'; readonly reason: RemoteError }
);

export type RaceOutcome<Command, Result = unknown> = {
  /** How each command ended: in the order of a list, or worker by worker. */
  readonly results: readonly RaceResult<Command, Result>[];
};

/** An error of another process. */
export type RemoteError = {
  readonly name: string;
  readonly message: string;
  /** Of errors that have one, such as those of this library. */
  readonly code: string | undefined;
  /** True when an error of this library says that the same call can succeed later. */
  readonly retryable: boolean;
  readonly stack: string;
};

export type RaceReport<Command, Result = unknown> = RaceOutcome<Command, Result> & {
  /** All events in the end, those included that were there before. */
  readonly events: readonly SequencedEvent[];
  /** What all processes asked and were answered, those included that were killed. */
  readonly history: History;
  /** What `checkHistory` found of it. */
  readonly checked: HistorySummary;
  /** How many processes were killed. */
  readonly kills: number;
};
