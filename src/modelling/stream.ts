/*
 * Streams for those who come from aggregates: the events with one tag, numbered from 1, and appends that expect a version.
 * Promises: no two batches get the same version, whichever process appends them, and a refused batch leaves no trace. An append
 * at a version carries a condition that no event of the stream came after it, so the store itself decides the race.
 */
import { checkStore } from '../core/check-values.js';
import { checkFields } from '../core/check-values.js';
import type { AppendCondition } from '../core/condition.js';
import { InvalidInputError, isOpossumError, StorageFailedError, WrongExpectedVersionError } from '../core/errors.js';
import type { AppendResult, EventStore } from '../core/event-store.js';
import type { NewEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { readStream, type StreamReadOptions, type VersionedEvents } from './stream-reading.js';
import { streamVersions, type StreamVersions } from './stream-versions.js';

/**
 * What must hold for an append: a number is the version of the stream's last event (0: none); `'none'`: the stream has no events;
 * `'exists'`: it has at least one; `'any'`: nothing.
 */
export type ExpectedVersion = number | 'none' | 'exists' | 'any';

export type StreamAppendOptions = {
  expectedVersion: ExpectedVersion;
  /** Aborting rejects with `signal.reason`, unless the events are written already. */
  signal?: AbortSignal;
};

export type StreamAppendResult = AppendResult & {
  /** Version of the batch's last event. Those of the others are the ones right below. */
  version: number;
};

export interface Stream {
  readonly id: string;

  /** The tag that every event of the stream carries: `stream:` and the id. */
  readonly tag: string;

  /**
   * Reads the events of the stream with their versions, 1, 2, 3 and so on without gaps. Both bounds are inclusive.
   *
   * @example for await (const event of stream(store, 'course-c1').read({ fromVersion: 5 })) console.log(event.version, event.type)
   * @throws InvalidInputError at once; while iterating what `EventStore.read` throws.
   */
  read(options?: StreamReadOptions): VersionedEvents;

  /**
   * Appends one event or a batch, all or nothing, each with the stream's tag added. Durable as `EventStore.append` says.
   * The same batch again (same ids and content) returns its original positions and version with `duplicate: true`, whatever
   * version is expected.
   *
   * @example await stream(store, 'course-c1').append({ type: 'CourseDefined', data: { seats: 10 } }, { expectedVersion: 'none' })
   * @throws WrongExpectedVersionError when the stream is not as expected, and nothing was appended; what `EventStore.append` throws
   *   but for AppendConditionFailedError. With `'any'` and `'exists'` also StorageFailedError with the outcome `'unknown'` and the
   *   positions in `details`, when the events were stored but their version could not be counted.
   */
  append(events: NewEvent | readonly NewEvent[], options: StreamAppendOptions): Promise<StreamAppendResult>;

  /** Version of the last event, 0 when there is none. */
  version(options?: { signal?: AbortSignal }): Promise<number>;

  /** Whether the stream has an event. */
  exists(options?: { signal?: AbortSignal }): Promise<boolean>;
}

/**
 * The stream of events that carry the tag `stream:<id>`, on any store. Makes nothing and reads nothing: a stream begins with its
 * first event. Its first use in a process counts its events; from then on only what is new is counted.
 *
 * @param id 1 to 1,000 bytes of UTF-8 (inclusive).
 * @example const course = stream(store, 'course-c1')
 * @throws InvalidInputError
 */
export function stream(store: EventStore, id: string): Stream {
  checkStore(store, 'store');
  const versions = streamVersions(store, id);
  return {
    id,
    tag: versions.tag,
    read: (options) => readStream(store, versions, options),
    append: (events, options) => appendTo(store, id, versions, events, options),
    version: async ({ signal } = {}) => (await versions.count(signal)).version,
    exists: async ({ signal } = {}) =>
      versions.known().version > 0 || (await store.read(versions.query, { limit: 1, ...(signal && { signal }) }).first()) !== undefined,
  };
}

async function appendTo(
  store: EventStore,
  id: string,
  versions: StreamVersions,
  events: NewEvent | readonly NewEvent[],
  options: StreamAppendOptions,
): Promise<StreamAppendResult> {
  const { expectedVersion, signal } = checkFields(options, 'options', optionKeys, 'stream append options') as StreamAppendOptions;
  checkExpected(expectedVersion);
  const { condition, before, wrong } = await plan(versions, expectedVersion, signal);
  // Nothing is stored at all, so neither is this batch.
  if (wrong !== undefined && condition === undefined) throw new WrongExpectedVersionError(id, expectedVersion, wrong);
  let result: AppendResult;
  try {
    result = await store.append(addTag(events, versions.tag), condition, signal && { signal });
  } catch (error) {
    if (!isOpossumError(error, 'APPEND_CONDITION_FAILED')) throw error;
    throw new WrongExpectedVersionError(id, expectedVersion, wrong ?? (await versions.count()).version, error);
  }
  const version = await versionAfter(versions, result, before);
  versions.remember({ version, position: result.last });
  return { ...result, version };
}

const optionKeys = new Set(['expectedVersion', 'signal']);

function checkExpected(expected: unknown): void {
  if (expected === 'none' || expected === 'exists' || expected === 'any') return;
  if (typeof expected === 'number' && Number.isSafeInteger(expected) && expected >= 0) return;
  const given = expected === undefined ? 'is missing' : `is ${describe(expected)}`;
  throw new InvalidInputError('options.expectedVersion', `${given}; it must be 'none', 'exists', 'any' or a whole number of at least 0.`);
}

type Plan = {
  readonly condition?: AppendCondition;
  /** How many events the stream has before the batch, if the condition holds. */
  readonly before?: number;
  /** The stream's version, which is not the expected one. */
  readonly wrong?: number;
};

/** How to ask the store. Streams only grow: what is known for sure never has to be read again. */
async function plan(versions: StreamVersions, expected: ExpectedVersion, signal: AbortSignal | undefined): Promise<Plan> {
  const failIfEventsMatch = versions.query;
  if (expected === 'none' || expected === 0) return { condition: { failIfEventsMatch }, before: 0 };
  let mark = versions.known();
  // Counted before the append, even for 'any': what can fail or be aborted should do so while nothing is stored.
  if (!fits(expected, mark.version) || mark.position === 0) mark = await versions.count(signal);
  if (typeof expected === 'number' && mark.version === expected) return { condition: { failIfEventsMatch, after: mark.position }, before: expected };
  if (fits(expected, mark.version)) return {};
  if (mark.position === 0) return { wrong: mark.version };
  // The store is asked all the same, with a condition that cannot hold: the batch may be stored already, and then it is a duplicate.
  return { condition: { failIfEventsMatch: 'all' }, wrong: mark.version };
}

function fits(expected: ExpectedVersion, version: number): boolean {
  if (typeof expected === 'number') return version === expected;
  return expected === 'any' || version > 0;
}

/** Version of the batch's last event. Its events lie together, and all of them are in the stream. */
async function versionAfter(versions: StreamVersions, { first, last, duplicate }: AppendResult, before: number | undefined): Promise<number> {
  const count = last - first + 1;
  if (before !== undefined && !duplicate) return before + count;
  try {
    return (await versions.versionAt(first - 1)) + count;
  } catch (error) {
    if (duplicate) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    throw new StorageFailedError(
      `The events are stored at positions ${first} to ${last}, but their version could not be counted: ${problem} Do not append them again, unless with the same ids.`,
      'unknown',
      { first, last },
      error,
    );
  }
}

/** What is no event is left for the store to refuse, by its path. */
function addTag(events: NewEvent | readonly NewEvent[], tag: string): NewEvent | readonly NewEvent[] {
  const add = (event: NewEvent): NewEvent => (canTakeTag(event) ? { ...event, tags: [...(event.tags ?? []), tag] } : event);
  return isList(events) ? events.map(add) : add(events);
}

function canTakeTag(event: NewEvent): boolean {
  return typeof event === 'object' && event !== null && !Array.isArray(event) && (event.tags === undefined || Array.isArray(event.tags));
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
