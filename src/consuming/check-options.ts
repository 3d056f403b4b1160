import { checkQuery } from '../core/check-input.js';
import { checkFields, checkFunctions, checkPosition, checkSignal } from '../core/check-values.js';
import { retryDefaults, systemDefaults } from '../core/defaults.js';
import { InvalidInputError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { checkName } from '../core/names.js';
import type { Query } from '../core/query.js';
import type { EventDefinition } from '../modelling/event-definition.js';
import { definitionsByType } from '../modelling/parse-events.js';
import type { RetryOptions } from '../modelling/retry.js';
import type { Awaitable } from '../modelling/schema-check.js';
import { query as queryOf } from '../modelling/typed-query.js';
import type { CommonConsumerOptions, HandleContext } from './consumer-options.js';

/** Options that were checked, their defaults filled in. */
export type Setup = {
  readonly name: string;
  readonly startAt: 'beginning' | 'end' | { readonly after: number };
  readonly onFailure: 'park' | 'stop';
  readonly checkpointEvery: number;
  readonly checkpointEveryMs: number;
  readonly retry: Required<Pick<RetryOptions, 'maxAttempts' | 'baseDelayMs' | 'maxDelayMs' | 'sleep' | 'random'>>;
  readonly now: () => number;
  readonly hooks: Pick<CommonConsumerOptions, 'onRetry' | 'onParked' | 'onError'>;
  readonly signal: AbortSignal | undefined;
} & Handler;

/** What a consumer does with which events; `event` is what its handler gets, which may be a parsed one. */
export type Handler = {
  readonly query: Query;
  /** Events for one call. */
  readonly batchSize: number;
  /** Calls at a time. */
  readonly concurrency: number;
  parse(stored: SequencedEvent): Awaitable<SequencedEvent>;
  /** Events of one partition are handled one after another; undefined belongs to none. */
  partitionOf(event: SequencedEvent): string | undefined;
  handle(events: readonly SequencedEvent[], context: HandleContext): unknown;
};

/** Options of any kind of consumer, before they were checked. */
export type AnyOptions = CommonConsumerOptions & {
  query?: Query | undefined;
  events?: readonly EventDefinition[] | undefined;
  tags?: readonly string[] | undefined;
  handle?: ((event: never, context: HandleContext) => unknown) | undefined;
  handleBatch?: ((events: readonly never[], context: HandleContext) => unknown) | undefined;
  batchSize?: number | undefined;
  concurrency?: number | undefined;
  partitionBy?: ((event: never) => string) | undefined;
};

/** @throws InvalidInputError */
export function checkConsumerOptions(options: AnyOptions): Setup {
  checkFields(options, 'consumer', optionKeys, 'a consumer');
  const { name, startAt = 'beginning', onFailure = 'park', checkpointEvery = 100, checkpointEveryMs = 1000, signal, onRetry, onParked, onError } = options;
  const { maxAttempts = 10, baseDelayMs = 100, maxDelayMs = 30_000, sleep = retryDefaults.sleep, random = retryDefaults.random, now = systemDefaults.now } = options;
  checkName(name, 'consumer.name');
  checkStart(startAt);
  if (onFailure !== 'park' && onFailure !== 'stop') refuse('onFailure', onFailure, "'park' or 'stop'");
  checkPosition(maxAttempts, 'consumer.maxAttempts', 1);
  checkPosition(checkpointEvery, 'consumer.checkpointEvery', 1);
  for (const [field, ms] of Object.entries({ baseDelayMs, maxDelayMs, checkpointEveryMs })) checkMs(field, ms);
  checkFunctions({ sleep, random, now, onRetry, onParked, onError }, 'consumer');
  checkSignal(signal, 'consumer.signal');
  return {
    ...checkHandler(options),
    name,
    startAt,
    onFailure,
    checkpointEvery,
    checkpointEveryMs,
    retry: { maxAttempts, baseDelayMs, maxDelayMs, sleep, random },
    now,
    hooks: { ...(onRetry && { onRetry }), ...(onParked && { onParked }), ...(onError && { onError }) },
    signal,
  };
}

const optionKeys = new Set([
  ...['name', 'query', 'events', 'tags', 'handle', 'handleBatch', 'batchSize', 'concurrency', 'partitionBy', 'startAt', 'onFailure'],
  ...['maxAttempts', 'baseDelayMs', 'maxDelayMs', 'checkpointEvery', 'checkpointEveryMs', 'signal', 'sleep', 'random', 'now', 'onRetry', 'onParked', 'onError'],
]);

/** The part of the options that says what is done with which events. */
export function checkHandler({ query, events, tags, handle, handleBatch, batchSize, concurrency, partitionBy }: AnyOptions): Handler {
  if ((handle === undefined) === (handleBatch === undefined)) {
    throw new InvalidInputError('consumer', `has ${handle === undefined ? 'neither' : 'both'} of handle and handleBatch; give one of them.`);
  }
  checkFunctions({ handle, handleBatch, partitionBy }, 'consumer');
  if (handle !== undefined && batchSize !== undefined) throw new InvalidInputError('consumer.batchSize', 'is given, but handle takes one event at a time. Use handleBatch.');
  for (const [field, value] of Object.entries({ concurrency, partitionBy })) {
    if (handleBatch !== undefined && value !== undefined) throw new InvalidInputError(`consumer.${field}`, 'is given, but batches are handled one after another. Use handle.');
  }
  checkPosition(batchSize, 'consumer.batchSize', 1);
  checkPosition(concurrency, 'consumer.concurrency', 1);
  // Each value was checked; from here on an event is whatever the handler takes.
  const one = handle as ((event: SequencedEvent, context: HandleContext) => unknown) | undefined;
  const many = handleBatch as ((events: readonly SequencedEvent[], context: HandleContext) => unknown) | undefined;
  const keyOf = partitionBy as ((event: SequencedEvent) => unknown) | undefined;
  return {
    ...checkSelection(query, events, tags),
    batchSize: many ? (batchSize ?? 100) : 1,
    concurrency: concurrency ?? 1,
    partitionOf: (event) => (keyOf === undefined ? undefined : checkPartition(keyOf(event), event)),
    handle: (batch, context) => (many ? many(batch, context) : one!(batch[0]!, context)),
  };
}

function checkSelection(query: Query | undefined, events: readonly EventDefinition[] | undefined, tags: readonly string[] | undefined): Pick<Handler, 'query' | 'parse'> {
  if ((query === undefined) === (events === undefined)) {
    throw new InvalidInputError('consumer', `has ${query === undefined ? 'neither' : 'both'} of query and events; give one of them.`);
  }
  if (events === undefined) {
    if (tags !== undefined) throw new InvalidInputError('consumer.tags', 'are given beside a query; put them into the query.');
    return { query: checkQuery(query!, 'consumer.query'), parse: (stored) => stored };
  }
  if (!Array.isArray(events)) refuse('events', events, 'an array of event definitions');
  const definitions = definitionsByType(events, 'consumer.events');
  return {
    query: queryOf<EventDefinition>(tags === undefined ? { events } : { events, tags }),
    parse: (stored) => definitions.get(stored.type)!['~definition'].parse(stored),
  };
}

function checkPartition(key: unknown, event: SequencedEvent): string {
  if (typeof key === 'string') return key;
  throw new InvalidInputError('consumer.partitionBy', `gave ${describe(key)} for event ${event.position}; it must give a string.`);
}

function checkStart(startAt: unknown): void {
  if (startAt === 'beginning' || startAt === 'end') return;
  if (typeof startAt !== 'object') refuse('startAt', startAt, "'beginning', 'end' or { after: position }");
  const { after } = checkFields(startAt, 'consumer.startAt', startKeys, "a start: 'beginning', 'end' or a position") as { after?: unknown };
  if (after === undefined) throw new InvalidInputError('consumer.startAt.after', 'is missing.');
  checkPosition(after, 'consumer.startAt.after', 0);
}

const startKeys = new Set(['after']);

/** A timer set for longer fires at once. */
const longestMs = 2 ** 31 - 1;

function checkMs(field: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0 && value <= longestMs)) refuse(field, value, `a number of milliseconds from 0 to ${longestMs}`);
}

function refuse(field: string, value: unknown, wanted: string): never {
  throw new InvalidInputError(`consumer.${field}`, `is ${describe(value)}; it must be ${wanted}.`);
}
