import { PositionAheadError, StorageFailedError, StoreClosedError } from '../core/errors.js';
import type { ReadOptions, SubscribeOptions } from '../core/event-store.js';
import type { EventSource } from '../core/event-stream.js';
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import type { Awaitable } from '../disk/disk.js';
import { whenReady } from '../disk/when-ready.js';
import type { Engine } from './engine.js';
import type { Durability } from './ledger-view.js';

/** What a read needs of the store that it was called on. */
export type Reader = {
  readonly engine: Engine;
  readonly durability: Durability;
  /** Aborted when the store closes. */
  readonly closed: AbortSignal;
};

/** So many events of one read stay in memory for a while: less than half of what does, so that a scan does not drive out all others. */
const keptEvents = 16_384;
/** So many events are handed on together at most: of more, the first would have left the processor's cache before they are used. */
const chunkEvents = 256;

/** Opens a read; all sources that it returns share one snapshot, fixed when the first of them is used. */
export function readSource(reader: Reader, query: Query, options: ReadOptions): () => EventSource {
  const { after = 0, before = Infinity, limit = Infinity, backwards = false } = options;
  let snapshot: Awaitable<number> | undefined;
  const head = (): Awaitable<number> => (snapshot ??= findHead());

  function findHead(): Awaitable<number> {
    checkOpen(reader);
    return whenReady(findHeadAfter(reader, after), (durable) => {
      if (after > durable) throw new PositionAheadError(after, durable);
      return Math.min(durable, before - 1);
    });
  }

  return () => {
    let events: EventCursor | undefined;
    let left = limit;
    const nextUpTo = (upTo: number, max: number): Awaitable<SequencedEvent[]> => {
      checkOpen(reader);
      const wanted = Math.min(max, left);
      if (wanted === 0) return [];
      events ??= new EventCursor(reader.engine, reader.engine.view.cursor(query, { after, upTo, backwards }), query === 'all' ? 0 : keptEvents);
      return whenReady(events.next(wanted), (chunk) => {
        left -= chunk.length;
        return chunk;
      });
    };
    return {
      head,
      next: (max) => whenReady(head(), (upTo) => nextUpTo(upTo, max)),
      close() {},
    };
  };
}

/** Opens a subscription: everything after `after`, then what comes, until it is closed or the store is. */
export function subscribeSource(reader: Reader, query: Query, options: SubscribeOptions): () => EventSource {
  const { after = 0, onCaughtUp } = options;
  return () => {
    const { engine } = reader;
    const tooLate = reader.closed.aborted;
    const stop = new AbortController();
    const end = AbortSignal.any([stop.signal, reader.closed]);
    let position = after;
    let cursor: EventCursor | undefined;
    let caughtUp = false;

    async function findHead(): Promise<number> {
      if (tooLate) throw new StoreClosedError();
      const head = await findHeadAfter(reader, after);
      if (after > head) throw new PositionAheadError(after, head);
      return head;
    }

    /** What came since the last cursor was made; undefined when nothing did. */
    async function nextCursor(): Promise<EventCursor | undefined> {
      const from = position;
      position = await findHead();
      if (position === from) return undefined;
      return new EventCursor(engine, engine.view.cursor(query, { after: from, upTo: position, backwards: false }), 0);
    }

    return {
      head: findHead,
      async next(max) {
        if (tooLate) throw new StoreClosedError();
        while (!end.aborted) {
          cursor ??= await nextCursor();
          if (end.aborted) break;
          if (cursor) {
            const events = await cursor.next(max);
            if (events.length > 0) return events;
            cursor = undefined;
            continue;
          }
          if (!caughtUp) {
            caughtUp = true;
            onCaughtUp?.(position);
          }
          await engine.tail.next(end);
        }
        return [];
      },
      close: () => stop.abort(),
    };
  };
}

/** Goes through the events at a cursor's positions. */
class EventCursor {
  readonly #engine: Engine;
  readonly #positions: ReturnType<Engine['view']['cursor']>;
  /** Positions that were found, but did not fit into the last chunk. */
  #left: readonly number[] = [];
  /** How many events more are kept in memory. */
  #keep: number;

  constructor(engine: Engine, positions: ReturnType<Engine['view']['cursor']>, keep: number) {
    this.#engine = engine;
    this.#positions = positions;
    this.#keep = keep;
  }

  /** At most `max` events, fewer when they are large; none at the end. */
  next(max: number): Awaitable<SequencedEvent[]> {
    return this.#engine.reads.run(() =>
      this.#left.length > 0
        ? this.#read(this.#left)
        : whenReady(this.#positions.next(Math.min(max, chunkEvents)), (positions) => this.#read(positions)),
    );
  }

  #read(positions: readonly number[]): Awaitable<SequencedEvent[]> {
    if (positions.length === 0) return [];
    return whenReady(this.#engine.view.read(positions, { keep: this.#keep > 0 }), (events) => {
      this.#keep -= events.length;
      this.#left = events.length < positions.length ? positions.slice(events.length) : [];
      return events;
    });
  }
}

/** The head, which is at least `after` if that event is in the ledger: somebody else may have synced it and passed it on. */
function findHeadAfter({ engine, durability }: Reader, after: number): Awaitable<number> {
  const { view } = engine;
  return engine.reads.run(() =>
    whenReady(view.refresh(durability, after), (head) => {
      if (after <= head || after > view.ledger.written || engine.isReadOnly) return head;
      throw new StorageFailedError(
        `Events up to position ${after} are in ${view.ledger.path}, but a sync failed and whether they are on the disk is not known. ` +
          'Look after the disk and read again: the next process that can write to the folder writes them again.',
        'not-committed',
        { position: after, head },
      );
    }),
  );
}

function checkOpen(reader: Reader): void {
  if (reader.closed.aborted) throw new StoreClosedError();
}
