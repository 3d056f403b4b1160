/* What a handler did, and what came of it: one row of the timeline. */
import type { AppendCondition } from '../../core/condition.js';
import { isOpossumError, type AppendConditionFailedError } from '../../core/errors.js';
import type { AppendResult, ReadOptions } from '../../core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';

export type Call =
  | { readonly kind: 'read'; readonly query: Query; readonly options: ReadOptions }
  | { readonly kind: 'read head'; readonly query: Query }
  | { readonly kind: 'subscribe'; readonly query: Query }
  | { readonly kind: 'append'; readonly events: NewEvent | readonly NewEvent[]; readonly condition: AppendCondition | undefined }
  | { readonly kind: 'head' }
  | { readonly kind: 'state'; readonly what: string }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'failure' };

/** `answer` or `error` is set when it has happened; `answers` are those of named models, in words. */
export type Entry = { readonly handler: number; readonly call: Call; answer?: unknown; error?: unknown; answers?: string };

/** What a read, or a chunk of a long one, answered. */
export type ReadAnswer = { readonly events: readonly SequencedEvent[]; readonly head: number };

export function describeEntry({ call, answer, error, answers }: Entry): string {
  if (answers !== undefined) return `read ${answers}`;
  if (call.kind === 'wait') return `wait ${describeTime(call.ms)}`;
  if (call.kind === 'failure') return `fail: ${describeError(error)}`;
  return `${describeCall(call)} → ${error === undefined ? describeAnswer(call, answer) : refusal(error)}`;
}

export function describeQuery(query: Query): string {
  if (query === 'all') return 'all';
  const items = query.items.map(({ types, tags }) => [types?.join('|'), tags && `[${tags.join(', ')}]`].filter(Boolean).join(' ') || 'all');
  return items.join(' or ') || 'nothing';
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.message}`;
}

/** On one line, and without anything that a terminal would obey. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(/\s+/g, ' ').replace(/\p{Cc}/gu, '�').trim();
}

type StoreCall = Exclude<Call, { kind: 'wait' | 'failure' }>;

function describeCall(call: StoreCall): string {
  switch (call.kind) {
    case 'read':
      return `read ${describeQuery(call.query)}${describeBounds(call.options)}`;
    case 'read head':
      return `head of read ${describeQuery(call.query)}`;
    case 'subscribe':
      return `follow ${describeQuery(call.query)}`;
    case 'append':
      return `append ${typesOf(call.events)}`;
    case 'head':
      return 'head';
    case 'state':
      return call.what;
  }
}

function describeBounds({ after, before, limit, backwards }: ReadOptions): string {
  return [
    after === undefined ? '' : ` after ${after}`,
    before === undefined ? '' : ` before ${before}`,
    backwards ? ' backwards' : '',
    limit === undefined ? '' : ` limit ${limit}`,
  ].join('');
}

function describeAnswer(call: StoreCall, answer: unknown): string {
  switch (call.kind) {
    case 'read':
    case 'subscribe': {
      const { events, head } = answer as ReadAnswer;
      return `${events.length} ${events.length === 1 ? 'event' : 'events'}, head ${head}`;
    }
    case 'append': {
      const { first, last, duplicate } = answer as AppendResult;
      return `${first === last ? `position ${first}` : `positions ${first} to ${last}`}${duplicate ? ' (stored before)' : ''}`;
    }
    case 'state':
      return JSON.stringify(answer) ?? (call.what.startsWith('load ') ? 'nothing' : 'done');
    default:
      return String(answer);
  }
}

function refusal(error: unknown): string {
  if (!isOpossumError(error, 'APPEND_CONDITION_FAILED')) return describeError(error);
  const { position, type, details } = error as AppendConditionFailedError;
  return `refused: ${type} at ${position} is after ${String(details['after'])}`;
}

function typesOf(events: NewEvent | readonly NewEvent[]): string {
  const list = Array.isArray(events) ? (events as readonly NewEvent[]) : [events as NewEvent];
  return list.map((event) => String(event?.type)).join(', ');
}

function describeTime(ms: number): string {
  for (const [unit, size] of [['h', 3_600_000], ['min', 60_000], ['s', 1000]] as const) if (ms >= size) return `${Math.round((ms / size) * 10) / 10} ${unit}`;
  return `${Math.round(ms)} ms`;
}
