import { checkReadOptions } from '../core/check-input.js';
import { checkFields, checkPosition } from '../core/check-values.js';
import type { EventStore, EventStream, ReadOptions } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import { noMark, type StreamMark } from './stream-marks.js';
import type { StreamVersions } from './stream-versions.js';

/** A stored event and its rank in the stream, from 1. */
export type VersionedEvent = SequencedEvent & { readonly version: number };

export type StreamReadOptions = {
  /** Inclusive lower bound, at least 1. */
  fromVersion?: number;
  /** Inclusive upper bound, at least 1; below `fromVersion` nothing is read. */
  toVersion?: number;
  /** At most so many events; at least 1. */
  limit?: number;
  /** From the highest version to the lowest. */
  backwards?: boolean;
  /** Aborting rejects the read with `signal.reason`. */
  signal?: AbortSignal;
};

/** Events of one read of a stream: a snapshot, fixed when it is first used. Iterating it again reads the same snapshot again. */
export interface VersionedEvents extends AsyncIterable<VersionedEvent> {
  /** All events; they must fit into memory. */
  toArray(): Promise<VersionedEvent[]>;
  /** The first event that iterating would give; undefined when there is none. */
  first(): Promise<VersionedEvent | undefined>;
}

export function readStream(store: EventStore, versions: StreamVersions, options: StreamReadOptions = {}): VersionedEvents {
  const { fromVersion = 1, toVersion, ...rest } = checkFields(options, 'options', optionKeys, 'stream read options') as StreamReadOptions;
  checkPosition(fromVersion, 'options.fromVersion', 1);
  checkPosition(toVersion, 'options.toVersion', 1);
  const { limit = Infinity, backwards = false, signal } = checkReadOptions(rest);
  const range: Range = { from: fromVersion, to: toVersion ?? Infinity, limit, signal };
  return backwards ? collectable(readBackwards(store, versions, range)) : collectable(readForwards(store, versions, range));
}

/** `from` and `to` are inclusive; `to` and `limit` may be infinite. */
type Range = { readonly from: number; readonly to: number; readonly limit: number; readonly signal: AbortSignal | undefined };

const optionKeys = new Set(['fromVersion', 'toVersion', 'limit', 'backwards', 'signal']);

function readForwards(store: EventStore, versions: StreamVersions, { from, to, limit, signal }: Range): () => AsyncGenerator<VersionedEvent, void> {
  const known = versions.known();
  const start = known.version < from ? known : noMark;
  const most = Math.min(to, from - 1 + limit) - start.version;
  const events = store.read(versions.query, readOptions(start.position, most, signal));
  return async function* () {
    if (to < from) return;
    let mark = start;
    try {
      for await (const event of events) {
        mark = { version: mark.version + 1, position: event.position };
        if (mark.version >= from) yield { ...event, version: mark.version };
      }
    } finally {
      versions.remember(mark);
    }
  };
}

function readBackwards(store: EventStore, versions: StreamVersions, { from, to, limit, signal }: Range): () => AsyncGenerator<VersionedEvent, void> {
  let top: StreamMark | undefined;
  let events: EventStream | undefined;
  return async function* () {
    // Two passes that begin together must agree on the snapshot.
    const counted = await versions.count(signal);
    top ??= counted;
    const highest = Math.min(to, top.version);
    const wanted = Math.min(limit, highest - from + 1);
    if (wanted < 1) return;
    const most = top.version - highest + wanted;
    events ??= store.read(versions.query, { before: top.position + 1, limit: most, backwards: true, ...(signal && { signal }) });
    let version = top.version;
    for await (const event of events) {
      if (version <= highest) yield { ...event, version };
      version--;
    }
  };
}

/** What is beyond the safe integers cannot be reached, so it is no limit. */
function readOptions(after: number, most: number, signal: AbortSignal | undefined): ReadOptions {
  return { after, ...(most >= 1 && most <= Number.MAX_SAFE_INTEGER && { limit: most }), ...(signal && { signal }) };
}

function collectable(iterate: () => AsyncGenerator<VersionedEvent, void>): VersionedEvents {
  return {
    [Symbol.asyncIterator]: iterate,

    async toArray() {
      const events: VersionedEvent[] = [];
      for await (const event of iterate()) events.push(event);
      return events;
    },

    async first() {
      for await (const event of iterate()) return event;
      return undefined;
    },
  };
}
