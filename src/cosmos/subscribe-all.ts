/*
 * All contexts of a container, by the change feed. It keeps the order of commits within a context, never splits a transaction,
 * and shows a changed document at its newest version only: events never change, so none is missed.
 */
import { checkFields } from '../core/check-values.js';
import { retryDefaults } from '../core/defaults.js';
import { InvalidInputError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { backoffDefaults, untilAnswered, type Backoff } from './backoff.js';
import { toEvent, type EventDocument, type LedgerDocument } from './documents.js';
import { ChangeFeedStartFrom, type Container } from './sdk.js';

export type SubscribeAllOptions = {
  /** Of the last batch that was handled; from the first event of each context when absent. */
  continuation?: string;
  /** Aborting ends the subscription quietly. */
  signal?: AbortSignal;
  /** Milliseconds between two looks when nothing is new, from 1; 1,000 when absent. */
  pollMs?: number;
  /** Waits; rejects with `signal.reason` when it aborts. A timer when absent. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** From 0 (inclusive) to 1 (exclusive); `Math.random` when absent. */
  random?: () => number;
};

export type ContextBatch = {
  /** In order of position within each context; there is no order between contexts. */
  readonly events: readonly { readonly context: string; readonly event: SequencedEvent }[];
  /** Keep it when the batch is handled: a later call with it goes on behind. */
  readonly continuation: string;
};

/**
 * Follows every context of a container, without knowing their names: what there is, then what comes. Each event comes once to one
 * call; to a call that goes on from a `continuation` the events after it come at least once.
 *
 * @example for await (const { events, continuation } of subscribeAll(container)) await handle(events, continuation)
 * @throws InvalidInputError at once; StorageFailedError while iterating.
 */
export function subscribeAll(container: Container, options: SubscribeAllOptions = {}): AsyncIterable<ContextBatch> {
  checkFields(options, 'options', optionKeys, 'the options of subscribeAll');
  const { pollMs = 1000 } = options;
  if (!(typeof pollMs === 'number' && pollMs >= 1 && pollMs < 2 ** 31)) throw new InvalidInputError('options.pollMs', `is ${describe(pollMs)}; it must be a number of milliseconds from 1.`);
  return { [Symbol.asyncIterator]: () => follow(container, { ...options, pollMs }) };
}

const optionKeys = new Set(['continuation', 'signal', 'pollMs', 'sleep', 'random']);

async function* follow(container: Container, options: SubscribeAllOptions & { pollMs: number }): AsyncGenerator<ContextBatch, void> {
  const { continuation, signal, pollMs, sleep = retryDefaults.sleep, random = retryDefaults.random } = options;
  const backoff: Backoff = { ...backoffDefaults, sleep, random };
  const changeFeedStartFrom = continuation === undefined ? ChangeFeedStartFrom.Beginning() : ChangeFeedStartFrom.Continuation(continuation);
  const feed = container.items.getChangeFeedIterator<EventDocument | LedgerDocument>({ changeFeedStartFrom, maxItemCount: 500 });
  /** The last position handed out of each context. */
  const handedOut = new Map<string, number>();
  try {
    while (!signal?.aborted) {
      const page = await untilAnswered(backoff, 'reading the change feed', () => feed.readNext(), signal);
      const events = newEvents(page.result ?? [], handedOut);
      if (events.length > 0) yield { events, continuation: page.continuationToken };
      else if (page.statusCode === 304) await sleep(pollMs, signal);
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/** Events above what was handed out: the feed may repeat some after a partition of the container was split. */
function newEvents(documents: readonly (EventDocument | LedgerDocument)[], handedOut: Map<string, number>): ContextBatch['events'] {
  const events = documents.filter((document) => document.kind === 'event').sort((a, b) => a.position - b.position);
  return events.flatMap((document) => {
    if (document.position <= (handedOut.get(document.ctx) ?? 0)) return [];
    handedOut.set(document.ctx, document.position);
    return [{ context: document.ctx, event: toEvent(document) }];
  });
}
