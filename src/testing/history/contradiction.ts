/* How a history contradicts itself, in words for people. */
import type { Query } from '../../core/query.js';
import type { Operation, RecordedEvent } from './operation.js';

/** The promise that was broken. */
export type BrokenRule =
  /** Two events got one position, or one event got positions that do not fit its batch. */
  | 'one event per position'
  /** What was seen at a position, or appended there, is not what is there now. */
  | 'content never changes'
  /** An event id is at two positions, or a repetition was answered with other positions than the original. */
  | 'one position per event'
  /** A position belongs to no event. */
  | 'no gaps'
  /** An acknowledged event, or one that was seen, is gone. */
  | 'nothing is lost'
  /** An event was seen that no append stored. */
  | 'nothing is seen that is not stored'
  /** A part of a batch was stored, or seen without the rest. */
  | 'batches are whole'
  /** An append counts although an event matches its condition. */
  | 'accepted conditions held'
  /** An append was refused although no event matched its condition. */
  | 'refused conditions had a conflict'
  /** Positions, or answers, do not follow real time. */
  | 'positions follow real time'
  /** A read missed what was acknowledged or seen before it began. */
  | 'reads are up to date'
  /** A read gave a later event and not an earlier one. */
  | 'reads have no holes'
  /** A read gave something that was stored after its snapshot was fixed. */
  | 'reads are snapshots'
  /** A read gave what its query or its options exclude, or in the wrong order. */
  | 'reads give what was asked for';

export type Contradiction = {
  readonly rule: BrokenRule;
  /** What contradicts what, with the operations involved. */
  readonly text: string;
  /** The operations that contradict each other: one to three. */
  readonly operations: readonly Operation[];
};

/** A history that no order of commits explains. Its message tells the smallest contradiction that was found. */
export class HistoryContradictionError extends Error {
  override readonly name = 'HistoryContradictionError';
  readonly rule: BrokenRule;
  readonly operations: readonly Operation[];

  constructor({ rule, text, operations }: Contradiction, found: number, describe: (operation: Operation) => string) {
    const others = found > 1 ? `\n(${found} contradictions were found; this is the smallest.)` : '';
    super(`No order of commits explains this history: "${rule}" does not hold.\n${text}\n\n${operations.map((operation) => `  ${describe(operation)}\n`).join('')}${others}`.trimEnd());
    this.rule = rule;
    this.operations = operations;
  }
}

/** Keeps the smallest contradiction: the fewest operations, and of those the earliest. */
export class Findings {
  found = 0;
  smallest: Contradiction | undefined;

  add(rule: BrokenRule, text: string, ...involved: readonly (Operation | undefined)[]): void {
    this.found++;
    const operations = [...new Set(involved)].filter((operation) => operation !== undefined).sort((a, b) => a.start - b.start);
    const found: Contradiction = { rule, text, operations };
    if (this.smallest === undefined || compare(found, this.smallest) < 0) this.smallest = found;
  }
}

function compare(a: Contradiction, b: Contradiction): number {
  return sizeOf(a) - sizeOf(b) || lastStart(a) - lastStart(b);
}

/** One that names no operation helps the least. */
const sizeOf = ({ operations }: Contradiction): number => operations.length || Infinity;

const lastStart = ({ operations }: Contradiction): number => operations.at(-1)?.start ?? Infinity;

/** What the text calls an operation. */
export function nameOf(operation: Operation): string {
  return operation.call === 'read' && operation.head !== undefined ? `head of a read ${operation.id}` : `${operation.call} ${operation.id}`;
}

/** An operation on one line: when, what was asked, what was answered. `zero` is when the history begins. */
export function describeOperation(operation: Operation, zero: number): string {
  const time = (at: number): string => (at - zero).toFixed(3);
  const when = `${time(operation.start)}–${operation.end === undefined ? '…' : time(operation.end)} ms`;
  return `${nameOf(operation)} (${when}): ${askedOf(operation)} → ${answerOf(operation)}`;
}

function askedOf(operation: Operation): string {
  switch (operation.call) {
    case 'append': {
      const { events, condition } = operation;
      const condensed = condition ? `, fail if ${briefQuery(condition.failIfEventsMatch)} after ${condition.after ?? 0}` : '';
      return `${briefEvents(events)}${condensed}`;
    }
    case 'read':
    case 'subscribe': {
      const options = Object.entries(operation.options).map(([key, value]) => `, ${key} ${value}`);
      return `${briefQuery(operation.query)}${options.join('')}`;
    }
    case 'head':
      return 'the last position';
  }
}

function answerOf(operation: Operation): string {
  if (operation.error) {
    const { code, outcome, position } = operation.error;
    return `${code}${outcome === undefined ? '' : ` (${outcome})`}${position === undefined ? '' : ` because of event ${position}`}`;
  }
  switch (operation.call) {
    case 'append': {
      if (!operation.answer) return 'no answer';
      const { first, last, duplicate } = operation.answer;
      return `${spanText(first, last)}${duplicate ? ', stored by an earlier call' : ''}`;
    }
    case 'head':
      return operation.head === undefined ? 'no answer' : `${operation.head}`;
    case 'read':
      if (operation.head !== undefined) return `${operation.head}`;
      return `${briefPositions(operation.positions)}${operation.complete === true ? '' : ', and no more was taken'}`;
    case 'subscribe':
      return briefPositions(operation.positions);
  }
}

export function spanText(first: number, last: number): string {
  return first === last ? `position ${first}` : `positions ${first} to ${last}`;
}

export function briefEvent({ type, tags, id }: Partial<RecordedEvent>): string {
  const tagged = tags && tags.length > 0 ? ` [${brief(tags.join(' '))}]` : '';
  return `${type === undefined ? 'an event' : brief(type)}${tagged}${id === undefined ? '' : ` (id ${brief(id)})`}`;
}

function briefEvents(events: readonly RecordedEvent[]): string {
  const [first] = events;
  if (first === undefined) return 'events that are none';
  return `${briefEvent(first)}${events.length > 1 ? ` and ${events.length - 1} more` : ''}`;
}

function briefQuery(query: Query): string {
  if (query === 'all') return 'all';
  const items = query.items.slice(0, 3).map(({ types, tags }) => [...(types ? [brief(types.join('|'))] : []), ...(tags ? [`[${brief(tags.join(' '))}]`] : [])].join(' '));
  return `${items.join(' or ')}${query.items.length > 3 ? ` or ${query.items.length - 3} more` : ''}`;
}

function briefPositions(positions: readonly number[]): string {
  if (positions.length === 0) return 'nothing';
  const shown = positions.length <= 8 ? positions.join(', ') : `${positions.slice(0, 4).join(', ')}, …, ${positions.slice(-3).join(', ')}`;
  return `${positions.length === 1 ? 'event' : `${positions.length} events:`} ${shown}`;
}

const brief = (text: string): string => (text.length <= 60 ? text : `${text.slice(0, 60).toWellFormed()}…`);
