import { PositionAheadError, StoreClosedError } from '../core/errors.js';
import type { ReadOptions, SubscribeOptions } from '../core/event-store.js';
import type { EventSource } from '../core/event-stream.js';
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import type { Engine } from './engine.js';
import type { Durability } from './ledger-view.js';

/** What a read needs of the store that it was called on. */
export type Reader = {
  readonly engine: Engine;
  readonly durability: Durability;
  /** Aborted when the store closes. */
  readonly closed: AbortSignal;
};

/** Opens a read; all sources that it returns share one snapshot, fixed when the first of them is used. */
export function readSource(reader: Reader, query: Query, options: ReadOptions): () => EventSource {
  const { after = 0, before = Infinity, limit = Infinity, backwards = false, signal } = options;
  let snapshot: Promise<number> | undefined;
  const head = (): Promise<number> => (snapshot ??= findHead());

  async function findHead(): Promise<number> {
    checkOpen(reader, signal);
    const durable = await reader.engine.reads.run(() => reader.engine.view.refresh(reader.durability));
    if (after > durable) throw new PositionAheadError(after, durable);
    return Math.min(durable, before - 1);
  }

  return () => {
    let cursor: ReturnType<Engine['view']['cursor']> | undefined;
    let left = limit;
    return {
      head,
      async next(max) {
        const upTo = await head();
        checkOpen(reader, signal);
        const wanted = Math.min(max, left);
        if (wanted === 0) return [];
        cursor ??= reader.engine.view.cursor(query, { after, upTo, backwards });
        const events = await nextEvents(reader, cursor, wanted);
        left -= events.length;
        return events;
      },
      close() {},
    };
  };
}

/** Opens a subscription: everything after `after`, then what comes, until it is aborted or the store closes. */
export function subscribeSource(reader: Reader, query: Query, options: SubscribeOptions): () => EventSource {
  const { after = 0, signal, onCaughtUp } = options;
  return () => {
    const { engine } = reader;
    const end = signal ? AbortSignal.any([signal, reader.closed]) : reader.closed;
    let position = after;
    let upTo = 0;
    let cursor: ReturnType<Engine['view']['cursor']> | undefined;
    let caughtUp = false;

    async function refresh(): Promise<void> {
      const head = await engine.reads.run(() => engine.view.refresh(reader.durability));
      if (after > head) throw new PositionAheadError(after, head);
      upTo = head;
    }

    return {
      async head() {
        await refresh();
        return upTo;
      },
      async next(max) {
        while (!end.aborted) {
          if (!cursor) {
            await refresh();
            if (end.aborted) break;
            if (upTo > position) cursor = engine.view.cursor(query, { after: position, upTo, backwards: false });
          }
          if (cursor) {
            const events = await nextEvents(reader, cursor, max);
            if (events.length > 0) return events;
            cursor = undefined;
            position = upTo;
            continue;
          }
          if (!caughtUp) {
            caughtUp = true;
            onCaughtUp?.(upTo);
          }
          await engine.tail.next(end);
        }
        return [];
      },
      close() {},
    };
  };
}

function nextEvents(reader: Reader, cursor: ReturnType<Engine['view']['cursor']>, max: number): Promise<SequencedEvent[]> {
  return reader.engine.reads.run(async () => {
    const positions = await cursor.next(max);
    return positions.length === 0 ? [] : reader.engine.view.read(positions);
  });
}

function checkOpen(reader: Reader, signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
  if (reader.closed.aborted) throw new StoreClosedError();
}
