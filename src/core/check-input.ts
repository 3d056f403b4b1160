/*
 * Checks what callers hand in, in about a microsecond an event; every backend uses it, so all refuse the same things
 * with the same words. Throws InvalidInputError with the path of the value and what to do about it.
 */
import type { AppendCondition } from './condition.js';
import { InvalidInputError } from './errors.js';
import type { AppendOptions, ReadOptions, SubscribeOptions } from './event-store.js';
import type { NewEvent, PreparedEvent } from './event.js';
import { checkJson, checkJsonObject, describe, type SizeBound } from './json.js';
import { limits } from './limits.js';
import type { Query, QueryItem } from './query.js';

/** Where defaults come from: injected, so that a simulation can replay them. */
export type EventDefaults = { newId(): string; now(): number };

/** Checks a batch and fills in ids, time stamps, tags and metadata. */
export function prepareEvents(events: NewEvent | readonly NewEvent[], defaults: EventDefaults): PreparedEvent[] {
  const batch: readonly unknown[] = Array.isArray(events) ? events : [events];
  if (batch.length === 0) throw new InvalidInputError('events', 'is empty. Append at least one event.');
  if (batch.length > limits.batchEvents) {
    throw new InvalidInputError('events', `holds ${batch.length} events; a batch may hold ${limits.batchEvents}. Split it.`);
  }
  const timestamp = new Date(defaults.now()).toISOString();
  const prepared: PreparedEvent[] = new Array<PreparedEvent>(batch.length);
  const sizes: SizeBound = { bytes: 0 };
  let given: Set<string> | undefined;
  for (let i = 0; i < batch.length; i++) {
    const before = sizes.bytes;
    const event = prepareEvent(batch[i], `events[${i}]`, defaults, timestamp, sizes);
    if (sizes.bytes - before > limits.eventBytes) checkEventBytes(event, `events[${i}]`);
    if (event.ownId && batch.length > 1) {
      given ??= new Set();
      if (given.has(event.id)) throw new InvalidInputError(`events[${i}].id`, `is ${describe(event.id)}, which an earlier event of this batch has too.`);
      given.add(event.id);
    }
    prepared[i] = event;
  }
  if (sizes.bytes > limits.batchBytes) checkBatchBytes(prepared);
  return prepared;
}

const eventKeys = new Set(['type', 'data', 'tags', 'id', 'metadata', 'timestamp']);

function prepareEvent(input: unknown, path: string, defaults: EventDefaults, now: string, sizes: SizeBound): PreparedEvent {
  const event = checkFields(input, path, eventKeys, 'an event') as Partial<NewEvent>;
  const { type, data, tags, id, metadata, timestamp } = event;
  checkText(type, `${path}.type`, limits.typeBytes);
  if (data === undefined) throw new InvalidInputError(`${path}.data`, 'is missing. Use null for an event without data.');
  const checkedTags = tags === undefined ? noTags : checkTags(tags, `${path}.tags`);
  if (id !== undefined) checkText(id, `${path}.id`, limits.idBytes);
  if (timestamp !== undefined) checkTimestamp(timestamp, `${path}.timestamp`);
  sizes.bytes += 250 + type.length * 6;
  for (const tag of checkedTags) sizes.bytes += tag.length * 6 + 3;
  return {
    type,
    data: checkJson(data, `${path}.data`, sizes),
    tags: checkedTags,
    id: id ?? defaults.newId(),
    metadata: metadata === undefined ? noMetadata : checkJsonObject(metadata, `${path}.metadata`, sizes),
    timestamp: timestamp ?? now,
    ownId: id !== undefined,
  };
}

const noTags: readonly string[] = Object.freeze([]);
const noMetadata = Object.freeze({});

function checkTags(tags: unknown, path: string): readonly string[] {
  const list = checkList(tags, path);
  for (let i = 0; i < list.length; i++) checkText(list[i], `${path}[${i}]`, limits.tagBytes);
  const distinct = list.length < 2 ? [...list] : [...new Set(list)];
  if (distinct.length > limits.tags) throw new InvalidInputError(path, `holds ${distinct.length} tags; an event may have ${limits.tags}.`);
  return distinct as string[];
}

const rfc3339Utc = /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?Z$/;

function checkTimestamp(value: unknown, path: string): asserts value is string {
  const parts = typeof value === 'string' ? rfc3339Utc.exec(value) : null;
  const day = parts ? new Date(`${parts[1]}-${parts[2]}-${parts[3]}T00:00:00Z`) : undefined;
  if (!parts || !day || Number.isNaN(day.getTime()) || day.getUTCDate() !== Number(parts[3])) {
    throw new InvalidInputError(path, `is ${describe(value)}; it must be RFC 3339 in UTC, such as 2026-01-31T12:00:00.000Z.`);
  }
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function checkEventBytes({ ownId: _, ...event }: PreparedEvent, path: string): void {
  const bytes = jsonBytes(event);
  if (bytes > limits.eventBytes) {
    throw new InvalidInputError(path, `takes ${bytes} bytes as JSON; an event may take ${limits.eventBytes}. Store large content elsewhere and refer to it.`);
  }
}

function checkBatchBytes(events: readonly PreparedEvent[]): void {
  let bytes = 0;
  for (const { ownId: _, ...event } of events) bytes += jsonBytes(event);
  if (bytes > limits.batchBytes) {
    throw new InvalidInputError('events', `take ${bytes} bytes as JSON; a batch may take ${limits.batchBytes}. Split it.`);
  }
}

/** Returns the condition as it is stored: known fields only, lists without duplicates, and independent of the caller's objects. */
export function checkCondition(condition: AppendCondition): AppendCondition {
  const { failIfEventsMatch, after } = checkFields(condition, 'condition', conditionKeys, 'an append condition') as Partial<AppendCondition>;
  const query = checkQuery(failIfEventsMatch as Query, 'condition.failIfEventsMatch');
  checkPosition(after, 'condition.after', 0);
  const checked: AppendCondition = after === undefined ? { failIfEventsMatch: query } : { failIfEventsMatch: query, after };
  if (query !== 'all' && queryBound(query) > limits.conditionBytes) {
    const bytes = jsonBytes(checked);
    if (bytes > limits.conditionBytes) {
      throw new InvalidInputError('condition', `takes ${bytes} bytes as JSON; a condition may take ${limits.conditionBytes}.`);
    }
  }
  return checked;
}

const conditionKeys = new Set(['failIfEventsMatch', 'after']);

/** Returns a copy of the query without duplicates in its lists. */
export function checkQuery(query: Query, path = 'query'): Query {
  if (query === 'all') return query;
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    throw new InvalidInputError(path, `is ${describe(query)}; a query is 'all' or { items: [{ types?, tags? }] }.`);
  }
  const { items } = checkFields(query, path, queryKeys, 'a query') as { items?: unknown };
  const list = checkList(items, `${path}.items`);
  if (list.length === 0) throw new InvalidInputError(`${path}.items`, "is empty, which would match nothing. Use 'all' to match every event.");
  return { items: list.map((item, i) => checkItem(item, `${path}.items[${i}]`)) };
}

const queryKeys = new Set(['items']);
const itemKeys = new Set(['types', 'tags']);

function checkItem(input: unknown, path: string): QueryItem {
  const { types, tags } = checkFields(input, path, itemKeys, 'a query item') as QueryItem;
  if (types === undefined && tags === undefined) {
    throw new InvalidInputError(path, "has neither types nor tags. Give at least one, or use 'all' as the query.");
  }
  const item: QueryItem = {};
  if (types !== undefined) item.types = checkTexts(types, `${path}.types`, limits.typeBytes);
  if (tags !== undefined) item.tags = checkTexts(tags, `${path}.tags`, limits.tagBytes);
  return item;
}

function checkTexts(texts: unknown, path: string, bytes: number): readonly string[] {
  const list = checkList(texts, path);
  if (list.length === 0) throw new InvalidInputError(path, 'is empty. Leave it out if it should not restrict.');
  for (let i = 0; i < list.length; i++) checkText(list[i], `${path}[${i}]`, bytes);
  return [...new Set(list as readonly string[])];
}

function queryBound(query: Exclude<Query, 'all'>): number {
  let bytes = 100;
  for (const item of query.items) {
    bytes += 30;
    for (const text of item.types ?? []) bytes += text.length * 6 + 3;
    for (const text of item.tags ?? []) bytes += text.length * 6 + 3;
  }
  return bytes;
}

export function checkAppendOptions(options: AppendOptions | undefined): AppendOptions {
  if (options === undefined) return {};
  checkFields(options, 'options', appendOptionKeys, 'append options');
  checkSignal(options.signal);
  return options;
}

const appendOptionKeys = new Set(['signal']);

export function checkReadOptions(options: ReadOptions | undefined): ReadOptions {
  if (options === undefined) return {};
  checkFields(options, 'options', readOptionKeys, 'read options');
  checkPosition(options.after, 'options.after', 0);
  checkPosition(options.before, 'options.before', 1);
  checkPosition(options.limit, 'options.limit', 1);
  if (options.backwards !== undefined && typeof options.backwards !== 'boolean') {
    throw new InvalidInputError('options.backwards', `is ${describe(options.backwards)}; it must be true or false.`);
  }
  checkSignal(options.signal);
  return { ...options };
}

const readOptionKeys = new Set(['after', 'before', 'limit', 'backwards', 'signal']);

export function checkSubscribeOptions(options: SubscribeOptions | undefined): SubscribeOptions {
  if (options === undefined) return {};
  checkFields(options, 'options', subscribeOptionKeys, 'subscribe options');
  checkPosition(options.after, 'options.after', 0);
  if (options.onCaughtUp !== undefined && typeof options.onCaughtUp !== 'function') {
    throw new InvalidInputError('options.onCaughtUp', `is ${describe(options.onCaughtUp)}; it must be a function.`);
  }
  checkSignal(options.signal);
  return { ...options };
}

const subscribeOptionKeys = new Set(['after', 'signal', 'onCaughtUp']);

function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal)) {
    throw new InvalidInputError('options.signal', `is ${describe(signal)}; it must be an AbortSignal.`);
  }
}

function checkPosition(value: unknown, path: string, least: number): void {
  if (value === undefined) return;
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw new InvalidInputError(path, `is ${describe(value)}; it must be a whole number from ${least} to 2^53 - 1.`);
  }
}

/** Checks that `input` is an object with no other fields than `known`. */
export function checkFields(input: unknown, path: string, known: ReadonlySet<string>, what: string): object {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new InvalidInputError(path, `is ${describe(input)}; it must be ${what}, an object with ${[...known].join(', ')}.`);
  }
  for (const key in input) {
    if (!known.has(key)) {
      throw new InvalidInputError(`${path}.${key}`, `is not a field of ${what}; the fields are ${[...known].join(', ')}.`);
    }
  }
  return input;
}

function checkList(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidInputError(path, `is ${describe(value)}; it must be an array.`);
  return value as readonly unknown[];
}

function checkText(value: unknown, path: string, bytes: number): asserts value is string {
  if (value === undefined) throw new InvalidInputError(path, 'is missing.');
  if (typeof value !== 'string') throw new InvalidInputError(path, `is ${describe(value)}; it must be a string.`);
  if (value === '') throw new InvalidInputError(path, 'is empty; it must have at least one character.');
  if (!value.isWellFormed()) throw new InvalidInputError(path, 'holds a lone surrogate, which UTF-8 cannot store.');
  if (value.length * 3 > bytes && Buffer.byteLength(value) > bytes) {
    throw new InvalidInputError(path, `takes ${Buffer.byteLength(value)} bytes of UTF-8; at most ${bytes} are allowed.`);
  }
}
