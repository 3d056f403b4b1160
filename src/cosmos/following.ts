/* One pass of a subscription: reads what there is, then asks the ledger now and then whether there is more. */
import { StoreClosedError } from '../core/errors.js';
import type { SubscribeOptions } from '../core/event-store.js';
import type { EventSource } from '../core/event-stream.js';
import type { Query } from '../core/query.js';
import type { Backoff } from './backoff.js';
import { toEvent } from './documents.js';
import { mostEvents, type Partition } from './partition.js';
import { currentHead } from './reading.js';

export type PollOptions = {
  /** Milliseconds between two looks at the ledger while events come; 50 when absent. */
  minMs?: number;
  /** The interval doubles up to this while none come; 1,000 when absent. */
  maxMs?: number;
};

export type Following = {
  readonly partition: Partition;
  readonly backoff: Backoff;
  readonly poll: Required<PollOptions>;
  readonly query: Query;
  readonly options: SubscribeOptions;
  readonly isClosed: () => boolean;
  /** Those who wait: each is called when this store commits or closes. */
  readonly waiting: Set<() => void>;
};

export function openFollowing({ partition, backoff, poll, query, options, isClosed, waiting }: Following): EventSource {
  const tooLate = isClosed();
  const ended = new AbortController();
  const isOver = (): boolean => ended.signal.aborted || isClosed();
  let at = options.after ?? 0;
  let isChecked = false;
  let isCaughtUp = false;
  let etag: string | undefined;

  const checkAfter = async (): Promise<number> => {
    if (tooLate) throw new StoreClosedError();
    const head = await currentHead(partition, backoff, options.after);
    isChecked = true;
    return head;
  };

  /** Until the ledger has changed, or the pass is over. */
  const waitForMore = async (): Promise<void> => {
    for (let ms = poll.minMs; !isOver() && partition.seen <= at; ms = Math.min(ms * 2, poll.maxMs)) {
      await pause(ms, ended.signal, waiting, backoff.sleep);
      if (isOver() || partition.seen > at) return;
      // Its head is noted as seen.
      etag = (await partition.base(etag))?.etag ?? etag;
    }
  };

  return {
    head: checkAfter,
    async next(max) {
      if (!isChecked) await checkAfter();
      while (!isOver()) {
        const page = await partition.page({ after: at, query, limit: Math.min(max, mostEvents), minHead: Math.max(at, partition.seen) });
        if (isOver()) break;
        at = page.upTo;
        if (page.rows.length > 0) return page.rows.map(toEvent);
        if (at < page.base.head) continue;
        if (!isCaughtUp) {
          isCaughtUp = true;
          options.onCaughtUp?.(at);
        }
        await waitForMore();
      }
      return [];
    },
    close: () => ended.abort(),
  };
}

/** Waits `ms`, or until `signal` aborts, or this store commits or closes. */
async function pause(ms: number, signal: AbortSignal, waiting: Set<() => void>, sleep: Backoff['sleep']): Promise<void> {
  const woken = new AbortController();
  const wake = (): void => woken.abort();
  waiting.add(wake);
  signal.addEventListener('abort', wake);
  try {
    await sleep(ms, woken.signal);
  } catch (error) {
    if (!woken.signal.aborted) throw error;
  } finally {
    waiting.delete(wake);
    signal.removeEventListener('abort', wake);
  }
}
