/* One pass through a query's events, forwards or backwards, up to a head that is fixed by the first answer. */
import { PositionAheadError } from '../core/errors.js';
import type { ReadOptions } from '../core/event-store.js';
import type { EventSource } from '../core/event-stream.js';
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import { wait, type Backoff } from './backoff.js';
import { toEvent } from './documents.js';
import { mostEvents, type Partition } from './partition.js';

export type Reading = {
  readonly partition: Partition;
  readonly backoff: Backoff;
  readonly query: Query;
  readonly options: ReadOptions;
  /** Throws when the store is closed. */
  readonly checkOpen: () => void;
  /** Shared by all passes of one stream; set by the first answer. */
  readonly snapshot: { head?: number };
};

export function openReading(reading: Reading): EventSource {
  return reading.options.backwards ? backwards(reading) : forwards(reading);
}

/**
 * The head that a reader may rely on: the ledger's, or what this store has seen already.
 * @throws PositionAheadError when `after` lies beyond it, and still does after looking again.
 */
export async function currentHead(partition: Partition, backoff: Backoff, after = 0): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const base = await partition.base();
    const head = Math.max(base?.head ?? 0, partition.seen);
    if (after <= head) return head;
    // Another process's newest event may not have reached the replica that answered.
    if (attempt === timesAhead) throw new PositionAheadError(after, head);
    await wait(backoff, attempt);
  }
}

const timesAhead = 5;

async function fixHead({ partition, backoff, options, snapshot, checkOpen }: Reading): Promise<number> {
  checkOpen();
  if (snapshot.head === undefined) {
    const head = await currentHead(partition, backoff, options.after);
    checkOpen();
    snapshot.head ??= head;
  }
  return snapshot.head;
}

/** The pass's last position, inclusive. */
function boundOf({ options: { before = Infinity } }: Reading, head: number): number {
  return Math.min(head, before - 1);
}

function forwards(reading: Reading): EventSource {
  const { partition, query, options, snapshot, checkOpen } = reading;
  const { before = Number.MAX_SAFE_INTEGER } = options;
  let at = options.after ?? 0;
  let left = options.limit ?? Infinity;

  /** The first page brings the head along, as of the same moment. */
  const firstPage = async (limit: number) => {
    const page = await partition.page({ after: at, upTo: before - 1, query, limit, minHead: partition.seen });
    if (snapshot.head === undefined && at > page.base.head) await fixHead(reading);
    snapshot.head ??= page.base.head;
    return page;
  };

  return {
    head: async () => boundOf(reading, await fixHead(reading)),
    async next(max) {
      while (left > 0) {
        checkOpen();
        const limit = Math.min(max, left, mostEvents);
        const { head } = snapshot;
        if (head !== undefined && at >= boundOf(reading, head)) break;
        const page = head === undefined ? await firstPage(limit) : await partition.page({ after: at, upTo: boundOf(reading, head), query, limit, minHead: head });
        checkOpen();
        const bound = boundOf(reading, snapshot.head!);
        at = page.upTo;
        const events = page.rows.filter(({ position }) => position <= bound).map(toEvent);
        left -= events.length;
        if (events.length > 0) return events;
        if (at >= bound) break;
      }
      return noEvents;
    },
    close: () => undefined,
  };
}

function backwards(reading: Reading): EventSource {
  const { partition, query, options, checkOpen } = reading;
  const { after = 0 } = options;
  let before: number | undefined;
  let left = options.limit ?? Infinity;
  return {
    head: async () => boundOf(reading, await fixHead(reading)),
    async next(max) {
      const head = await fixHead(reading);
      before ??= boundOf(reading, head) + 1;
      while (left > 0 && before - 1 > after) {
        const page = await partition.pageBack({ head, after, before, query, limit: Math.min(max, left, mostEvents) });
        checkOpen();
        before = page.downTo;
        left -= page.rows.length;
        if (page.rows.length > 0) return page.rows.map(toEvent);
      }
      return noEvents;
    },
    close: () => undefined,
  };
}

const noEvents: readonly SequencedEvent[] = [];
