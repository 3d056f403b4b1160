import assert from 'node:assert/strict';
import { isOpossumError, type ErrorCode, type OpossumError } from '../../core/errors.js';
import type { AppendResult, EventStore, EventStream } from '../../core/event-store.js';
import type { JsonValue, NewEvent, SequencedEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';

/** An event as short as a case wants it. */
export function event(type: string, tags: readonly string[] = [], data: JsonValue = null): NewEvent {
  return { type, tags, data };
}

/** `count` events of one type, numbered from 1 in their data. */
export function events(count: number, type = 'Counted', tags: readonly string[] = []): NewEvent[] {
  return Array.from({ length: count }, (_, i) => event(type, tags, { n: i + 1 }));
}

export const tagged = (...tags: string[]): Query => ({ items: [{ tags }] });
export const typed = (...types: string[]): Query => ({ items: [{ types }] });

export async function positions(stream: EventStream): Promise<number[]> {
  return (await stream.toArray()).map(({ position }) => position);
}

/** The first `count` events of a stream, taken one by one. */
export async function take(stream: AsyncIterable<SequencedEvent>, count: number): Promise<SequencedEvent[]> {
  const taken: SequencedEvent[] = [];
  if (count === 0) return taken;
  for await (const one of stream) if (taken.push(one) === count) break;
  return taken;
}

/** Whole numbers from `from` to `to`, both inclusive. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

/** Waits for the refusal that is expected, and gives it back. */
export async function refusal(work: Promise<unknown>, code: ErrorCode): Promise<OpossumError> {
  const error = await work.then(
    (value) => assert.fail(`expected ${code}, but it succeeded with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  return opossumError(error, code);
}

/** Like `refusal`, for what throws at once. */
export function thrown(work: () => unknown, code: ErrorCode): OpossumError {
  try {
    work();
  } catch (error) {
    return opossumError(error, code);
  }
  return assert.fail(`expected ${code}, but nothing was thrown`);
}

function opossumError(error: unknown, code: ErrorCode): OpossumError {
  if (!isOpossumError(error)) throw error;
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 20, 'the message says what to do');
  return error;
}

export const appended = (first: number, last = first): AppendResult => ({ first, last, duplicate: false });
export const repeated = (first: number, last = first): AppendResult => ({ first, last, duplicate: true });

/** Asserts that exactly these positions match, forwards and backwards. */
export async function assertMatches(store: EventStore, query: Query, expected: readonly number[], message?: string): Promise<void> {
  assert.deepEqual(await positions(store.read(query)), expected, message);
  assert.deepEqual(await positions(store.read(query, { backwards: true })), [...expected].reverse(), message);
}

/** Appends them in order, in batches that every store takes. */
export async function fill(store: EventStore, batch: readonly NewEvent[]): Promise<void> {
  for (let at = 0; at < batch.length; at += 99) await store.append(batch.slice(at, at + 99));
}

/** A promise and how to settle it. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
