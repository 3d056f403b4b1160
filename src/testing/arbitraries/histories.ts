import type { EventStore } from '../../core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import { openMemoryStore } from '../../memory/memory-event-store.js';
import type { FastCheck } from '../explore/fast-check.js';

export type HistoryOptions<Command, Result> = {
  commands: FastCheck.Arbitrary<Command>;
  /** The handler. What it throws comes out of `play`: a command that makes it throw belongs to no valid history. */
  act: (store: EventStore, command: Command) => Result | Promise<Result>;
  /** Events that are there before; none when absent. */
  given?: readonly NewEvent[];
  /** How many commands at the most; 10 when absent. */
  maxCommands?: number;
};

export type PlayedHistory<Result> = {
  /** Holds the history; close it when it is no longer needed. */
  readonly store: EventStore;
  /** All of it, what was given included. */
  readonly events: readonly SequencedEvent[];
  /** What the handler returned, for each command. */
  readonly results: readonly Result[];
};

/** A history that has yet to be played: fast-check generates at once, and handlers answer later. */
export class PlayableHistory<Command, Result> {
  readonly commands: readonly Command[];
  readonly #options: Omit<HistoryOptions<Command, Result>, 'commands' | 'maxCommands'>;

  constructor(commands: readonly Command[], options: Omit<HistoryOptions<Command, Result>, 'commands' | 'maxCommands'>) {
    this.commands = commands;
    this.#options = options;
  }

  /** Runs the handler on the commands, one after another, on a store of its own in memory, or on the empty one that is given. */
  async play(store: EventStore = openMemoryStore()): Promise<PlayedHistory<Result>> {
    const { act, given = [] } = this.#options;
    if (given.length > 0) await store.append(given);
    const results: Result[] = [];
    for (const command of this.commands) results.push(await act(store, command));
    return { store, events: await store.read().toArray(), results };
  }

  /** What a report of fast-check shows. */
  toString(): string {
    return `history of ${JSON.stringify(this.commands)}`;
  }
}
