/*
 * Checks what callers hand in, in about a microsecond an event; every backend uses it, so all refuse the same things
 * with the same words. Throws InvalidInputError with the path of the value and what to do about it.
 */
import { checkFields, checkFunctions, checkList, checkPosition, checkSignal, hasOnlyFields, isText, refuseText } from './check-values.js';
import type { AppendCondition } from './condition.js';
import { InvalidInputError } from './errors.js';
import type { AppendOptions, ReadOptions, SubscribeOptions } from './event-store.js';
import type { NewEvent, PreparedEvent } from './event.js';
import { checkJson, checkJsonObject, describe, type SizeBound } from './json.js';
import { limits } from './limits.js';
import type { Query, QueryItem } from './query.js';
import { timeText } from './time-text.js';

/** Where defaults come from: injected, so that a simulation can replay them. */
export type EventDefaults = { newId(): string; now(): number };

/** Checks a batch, copies it and fills in ids, time stamps, tags and metadata. */
export function prepareEvents(events: NewEvent | readonly NewEvent[], defaults: EventDefaults): PreparedEvent[] {
  const batch: readonly unknown[] = Array.isArray(events) ? events : [events];
  const count = batch.length;
  if (count === 0) throw new InvalidInputError('events', 'is empty. Append at least one event.');
  if (count > limits.batchEvents) {
    throw new InvalidInputError('events', `holds ${count} events; a batch may hold ${limits.batchEvents}. Split it.`);
  }
  const timestamp = timeText(defaults.now());
  // Lists of the right length from the start: growing ones take several times the memory.
  const prepared = new Array<PreparedEvent>(count);
  let given: Set<string> | undefined;
  let bytesMost = 0;
  for (let i = 0; i < count; i++) {
    const size: SizeBound = { least: 0, most: 0 };
    const event = prepareEvent(batch[i], i, defaults, timestamp, size);
    if (size.most > limits.eventBytes) checkEventBytes(event, size, `events[${i}]`);
    if (event.ownId && count > 1) {
      given ??= new Set();
      if (given.has(event.id)) throw new InvalidInputError(`events[${i}].id`, `is ${describe(event.id)}, which an earlier event of this batch has too.`);
      given.add(event.id);
    }
    bytesMost += size.most;
    prepared[i] = event;
  }
  if (bytesMost > limits.batchBytes) checkBatchBytes(prepared);
  return prepared;
}

const eventKeys = new Set(['type', 'data', 'tags', 'id', 'metadata', 'timestamp']);

/** What the JSON of an event takes besides its texts and values, rounded up; the time stamp and a UUID are in it. */
const frameBytesMost = 250;

function prepareEvent(input: unknown, index: number, defaults: EventDefaults, now: string, size: SizeBound): PreparedEvent {
  const { type, data, tags, id, metadata, timestamp } = checkEventFields(input, index);
  if (!isText(type, limits.typeBytes)) refuseText(type, `events[${index}].type`, limits.typeBytes);
  if (data === undefined) throw new InvalidInputError(`events[${index}].data`, 'is missing. Use null for an event without data.');
  const checkedTags = tags === undefined ? noTags : checkTags(tags, index, size);
  if (id !== undefined && !isText(id, limits.idBytes)) refuseText(id, `events[${index}].id`, limits.idBytes);
  if (timestamp !== undefined) checkTimestamp(timestamp, `events[${index}].timestamp`);
  size.most += frameBytesMost + type.length * 6 + (id === undefined ? 0 : id.length * 6);
  return {
    type,
    data: checkJson(data, `events[${index}].data`, size),
    tags: checkedTags,
    id: id ?? defaults.newId(),
    metadata: metadata === undefined ? noMetadata : checkJsonObject(metadata, `events[${index}].metadata`, size),
    timestamp: timestamp ?? now,
    ownId: id !== undefined,
  };
}

const noTags: readonly string[] = Object.freeze([]);
const noMetadata = Object.freeze({});

type EventFields = { readonly [Field in keyof NewEvent]?: unknown };

function checkEventFields(input: unknown, index: number): EventFields {
  return hasOnlyFields(input, eventKeys) ? input : checkFields(input, `events[${index}]`, eventKeys, 'an event');
}

function checkTags(tags: unknown, index: number, size: SizeBound): readonly string[] {
  const list = Array.isArray(tags) ? (tags as readonly unknown[]) : checkList(tags, `events[${index}].tags`);
  const count = list.length;
  const distinct: string[] = [];
  const known = count > 8 ? new Set<string>() : undefined;
  for (let i = 0; i < count; i++) {
    const tag = list[i];
    if (!isText(tag, limits.tagBytes)) refuseText(tag, `events[${index}].tags[${i}]`, limits.tagBytes);
    if (known ? known.has(tag) : distinct.includes(tag)) continue;
    known?.add(tag);
    distinct.push(tag);
    size.most += tag.length * 6 + 3;
    if (distinct.length > limits.tags) {
      throw new InvalidInputError(`events[${index}].tags`, `holds more than ${limits.tags} different tags, which is what an event may have.`);
    }
  }
  return distinct;
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

function checkEventBytes({ ownId: _, ...event }: PreparedEvent, { least }: SizeBound, path: string): void {
  // Text that is certainly too long is not measured: it may be longer than the longest string there can be.
  const bytes = least > limits.eventBytes ? least : jsonBytes(event);
  if (bytes > limits.eventBytes) {
    throw new InvalidInputError(path, `takes ${bytes} bytes or more as JSON; an event may take ${limits.eventBytes}. Store large content elsewhere and refer to it.`);
  }
}

function checkBatchBytes(events: readonly PreparedEvent[]): void {
  let bytes = 0;
  for (const { ownId: _, ...event } of events) {
    bytes += jsonBytes(event);
    if (bytes > limits.batchBytes) {
      throw new InvalidInputError('events', `take more than ${limits.batchBytes} bytes as JSON, which is what a batch may take. Split it.`);
    }
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
  const list = Array.isArray(items) ? (items as readonly unknown[]) : checkList(items, `${path}.items`);
  if (list.length === 0) throw new InvalidInputError(`${path}.items`, "is empty, which would match nothing. Use 'all' to match every event.");
  const checked: QueryItem[] = [];
  const count = list.length;
  for (let i = 0; i < count; i++) checked.push(checkItem(list[i], path, i));
  return { items: checked };
}

const queryKeys = new Set(['items']);
const itemKeys = new Set(['types', 'tags']);

function checkItem(input: unknown, queryPath: string, index: number): QueryItem {
  // Only a refusal needs it.
  const pathOf = (field: string): string => `${queryPath}.items[${index}]${field}`;
  const { types, tags } = (hasOnlyFields(input, itemKeys) ? input : checkFields(input, pathOf(''), itemKeys, 'a query item')) as QueryItem;
  if (types === undefined && tags === undefined) {
    throw new InvalidInputError(pathOf(''), "has neither types nor tags. Give at least one, or use 'all' as the query.");
  }
  const item: QueryItem = {};
  if (types !== undefined) item.types = checkTexts(types, () => pathOf('.types'), limits.typeBytes);
  if (tags !== undefined) item.tags = checkTexts(tags, () => pathOf('.tags'), limits.tagBytes);
  return item;
}

function checkTexts(texts: unknown, path: () => string, bytes: number): readonly string[] {
  const list = Array.isArray(texts) ? (texts as readonly unknown[]) : checkList(texts, path());
  if (list.length === 0) throw new InvalidInputError(path(), 'is empty. Leave it out if it should not restrict.');
  const count = list.length;
  const distinct: string[] = [];
  const known = count > 8 ? new Set<string>() : undefined;
  for (let i = 0; i < count; i++) {
    const text = list[i];
    if (!isText(text, bytes)) refuseText(text, `${path()}[${i}]`, bytes);
    if (known ? known.has(text) : distinct.includes(text)) continue;
    known?.add(text);
    distinct.push(text);
  }
  return distinct;
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
  const checked: AppendOptions = { ...checkFields(options, 'options', appendOptionKeys, 'append options') };
  checkSignal(checked.signal, 'options.signal');
  return checked;
}

const appendOptionKeys = new Set(['signal']);

export function checkReadOptions(options: ReadOptions | undefined): ReadOptions {
  if (options === undefined) return {};
  const checked: ReadOptions = { ...checkFields(options, 'options', readOptionKeys, 'read options') };
  checkPosition(checked.after, 'options.after', 0);
  checkPosition(checked.before, 'options.before', 1);
  checkPosition(checked.limit, 'options.limit', 1);
  if (checked.backwards !== undefined && typeof checked.backwards !== 'boolean') {
    throw new InvalidInputError('options.backwards', `is ${describe(checked.backwards)}; it must be true or false.`);
  }
  checkSignal(checked.signal, 'options.signal');
  return checked;
}

const readOptionKeys = new Set(['after', 'before', 'limit', 'backwards', 'signal']);

export function checkSubscribeOptions(options: SubscribeOptions | undefined): SubscribeOptions {
  if (options === undefined) return {};
  const checked: SubscribeOptions = { ...checkFields(options, 'options', subscribeOptionKeys, 'subscribe options') };
  checkPosition(checked.after, 'options.after', 0);
  checkFunctions({ onCaughtUp: checked.onCaughtUp }, 'options');
  checkSignal(checked.signal, 'options.signal');
  return checked;
}

const subscribeOptionKeys = new Set(['after', 'signal', 'onCaughtUp']);
