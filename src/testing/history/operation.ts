/* What a history is made of: plain data, so that it can be written as lines of JSON and read by another process. */
import type { AppendCondition } from '../../core/condition.js';
import type { AppendResult } from '../../core/event-store.js';
import type { Query } from '../../core/query.js';

/** An event as it was handed to `append`. */
export type RecordedEvent = {
  /** Absent when the store was to make one. */
  readonly id?: string;
  readonly type: string;
  /** Sorted, without duplicates: their order is no part of what an event states. */
  readonly tags: readonly string[];
  /** The data as JSON with sorted keys; its length and checksum when that is long. */
  readonly data: string;
};

/** An event as a store handed it out. */
export type SeenEvent = RecordedEvent & {
  readonly position: number;
  readonly id: string;
  /** Checksum of the whole event, metadata and time stamp included. */
  readonly sum: number;
};

/** How a call failed. */
export type RecordedError = {
  /** The error's code; `'ABORTED'` by the caller's signal; `'OTHER'` for what is no error of this library. */
  readonly code: string;
  /** Of a STORAGE_FAILED. */
  readonly outcome?: 'not-committed' | 'unknown';
  /** Of the event that stood in the way, and what the error told of it. */
  readonly position?: number;
  readonly type?: string;
  readonly tags?: readonly string[];
  readonly eventId?: string;
  /** Of a POSITION_AHEAD. */
  readonly head?: number;
};

type Call = {
  /** Unique among all histories that are merged: the name of the recorder and a number. */
  readonly id: string;
  /** The name of the recorder. */
  readonly process: string;
  /** When it was called: milliseconds on the machine's monotonic clock. */
  readonly start: number;
  /** When its answer was there; absent when none came. */
  end?: number;
  error?: RecordedError;
};

export type AppendOperation = Call & {
  readonly call: 'append';
  readonly events: readonly RecordedEvent[];
  readonly condition?: AppendCondition;
  answer?: AppendResult;
};

/** One use of a stream: a pass through it, `first()` or `head()`. */
export type ReadOperation = Call & {
  readonly call: 'read';
  /** All uses of one stream have the same: they share a snapshot. */
  readonly stream: string;
  readonly query: Query;
  readonly options: { readonly after?: number; readonly before?: number; readonly limit?: number; readonly backwards?: boolean };
  /** When its first answer was there: by then the snapshot was fixed. */
  answered?: number;
  /** Positions of what it gave, in the order in which they came. */
  readonly positions: number[];
  /** What this recorder had not seen before, or saw otherwise. */
  readonly seen: SeenEvent[];
  /** Whether it came to its end by itself: nobody stopped it, and it did not fail. */
  complete?: boolean;
  /** What `stream.head()` answered. */
  head?: number;
};

export type HeadOperation = Call & { readonly call: 'head'; head?: number };

export type SubscribeOperation = Call & {
  readonly call: 'subscribe';
  readonly query: Query;
  readonly options: { readonly after?: number };
  readonly positions: number[];
  readonly seen: SeenEvent[];
  /** The head that `onCaughtUp` told, and how many events had been handed out by then. */
  caughtUp?: { readonly head: number; readonly count: number };
};

export type Operation = AppendOperation | ReadOperation | HeadOperation | SubscribeOperation;

/** What became of an append: `'unknown'` may have stored its events or not. */
export function fateOf({ answer, error, end }: AppendOperation): 'stored' | 'repeated' | 'refused' | 'unknown' {
  if (answer) return answer.duplicate ? 'repeated' : 'stored';
  if (end === undefined || error === undefined) return 'unknown';
  return refusals.has(error.code) || error.outcome === 'not-committed' ? 'refused' : 'unknown';
}

/** Of these codes the interface says that nothing was appended. */
const refusals = new Set(['ABORTED', 'APPEND_CONDITION_FAILED', 'EVENT_ID_CONFLICT', 'INVALID_INPUT', 'LOCK_TIMEOUT', 'POSITION_AHEAD', 'STORE_CLOSED', 'UNSUPPORTED_FORMAT']);
