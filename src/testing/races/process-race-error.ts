import type { SequencedEvent } from '../../core/event.js';
import { describeError } from '../explore/entry.js';
import { describeOperation } from '../history/contradiction.js';
import type { History } from '../history/history.js';
import { fateOf, type AppendOperation } from '../history/operation.js';
import type { RaceResult } from './options.js';

/** What was broken. */
export type ProcessRaceFault =
  /** The invariant does not hold for the events in the end. */
  | 'invariant'
  /** No order of commits explains what the processes were told. */
  | 'history'
  /** A handler ended with an error that it may not end with. */
  | 'handler'
  /** A process could not begin, or ended by itself. */
  | 'worker'
  /** The race took longer than `timeoutMs`. */
  | 'timeout';

export type FailedRace = {
  readonly fault: ProcessRaceFault;
  readonly words: string;
  readonly history?: History;
  readonly events?: readonly SequencedEvent[];
  readonly results?: readonly RaceResult<unknown>[];
  readonly cause?: unknown;
};

/** A race of processes that went wrong. Its message names processes and what they did, and says where store and histories are kept. */
export class ProcessRaceError extends Error {
  override readonly name = 'ProcessRaceError';
  readonly fault: ProcessRaceFault;
  /** The folder with the histories of the processes, and the store if it was made for this race. Remove it when you have seen enough. */
  readonly keptIn: string;
  /** What all processes asked and were answered; undefined when the race did not come to its end. */
  readonly history: History | undefined;
  /** All events in the end; undefined like `history`. */
  readonly events: readonly SequencedEvent[] | undefined;
  /** How each command ended; undefined like `history`. */
  readonly results: readonly RaceResult<unknown>[] | undefined;

  constructor({ fault, words, history, events, results, cause }: FailedRace, keptIn: string, seed: number | undefined) {
    const kills = seed === undefined ? '' : `\nProcesses were killed by seed ${seed}: give it as "kill.seed" to choose the same victims.`;
    super(`${words}\n${kills}\nHistories, and a store made for this race, are kept in ${keptIn}.`, cause === undefined ? undefined : { cause });
    this.fault = fault;
    this.keptIn = keptIn;
    this.history = history;
    this.events = events;
    this.results = results;
  }
}

/** The last appends that stored something, or may have, in order of position: who did what. */
export function lastAppends({ operations }: History, most = 12): string {
  const zero = operations.reduce((least, { start }) => Math.min(least, start), Infinity);
  const place = ({ answer }: AppendOperation): number => answer?.first ?? Infinity;
  const appends = operations.filter((operation) => operation.call === 'append' && ['stored', 'unknown'].includes(fateOf(operation))) as AppendOperation[];
  const shown = appends.sort((a, b) => place(a) - place(b) || a.start - b.start).slice(-most);
  const left = appends.length - shown.length;
  return [...(left > 0 ? [`(${left} earlier appends)`] : []), ...shown.map((append) => describeOperation(append, zero))].map((line) => `  ${line}`).join('\n');
}

/** A command on one line, however long it is. */
export function briefCommand(command: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(command);
  } catch (error) {
    return `a command that is no JSON (${describeError(error)})`;
  }
  const whole = text ?? String(command);
  return whole.length <= 120 ? whole : `${whole.slice(0, 120).toWellFormed()}…`;
}
