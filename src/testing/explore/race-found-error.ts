import type { SequencedEvent } from '../../core/event.js';
import type { CommandResult } from './options.js';

export type RaceFound<Command, Result> = {
  readonly words: string;
  readonly timeline: string;
  readonly commands: readonly Command[];
  readonly results: readonly CommandResult<Command, Result>[];
  readonly history: readonly SequencedEvent[];
  readonly given: number;
  readonly switches: number;
  readonly runs: number;
  /** Whether the run failed again when it was repeated. */
  readonly repeats: boolean;
  readonly seed: number;
  readonly path: string;
  readonly cause: unknown;
};

/** An order of calls that breaks the handler, or its invariant; the message shows the smallest one found, as a timeline. */
export class RaceFoundError<Command = unknown, Result = unknown> extends Error {
  /** What happened when, one column for each handler. */
  readonly timeline: string;
  /** The commands that it takes. */
  readonly commands: readonly Command[];
  /** How each of them ended. */
  readonly results: readonly CommandResult<Command, Result>[];
  /** What was stored in the end, with what was given. */
  readonly history: readonly SequencedEvent[];
  /** With `path`: repeats exactly this run. */
  readonly seed: number;
  readonly path: string;
  /** How many runs were tried until it was found, this one included; those that made it smaller do not count. */
  readonly runs: number;

  constructor({ words, timeline, commands, results, history, given, switches, runs, repeats, seed, path, cause }: RaceFound<Command, Result>) {
    super(
      `${words}\n\n${timeline}\n\n` +
        `Found with ${count(commands.length, 'command')} ${switches === 0 ? 'one after another: it takes no race' : `and ${count(switches, 'switch', 'switches')} between them`}, ` +
        `on ${count(given, 'given event')}.\n` +
        (repeats ? '' : unlikeItself) +
        `To repeat exactly this run: SEED=${seed} SEED_PATH=${path} in the environment, or "seed" and "path" as options of explore.`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'RaceFoundError';
    this.timeline = timeline;
    this.commands = commands;
    this.results = results;
    this.history = history;
    this.seed = seed;
    this.path = path;
    this.runs = runs;
  }
}

const unlikeItself =
  'It did not fail again when it was repeated: the handlers or the invariant depend on something besides the store and the context, ' +
  'such as a variable that outlives the run, or real time. A replay may differ too.\n';

function count(number: number, one: string, several = `${one}s`): string {
  return `${number} ${number === 1 ? one : several}`;
}
