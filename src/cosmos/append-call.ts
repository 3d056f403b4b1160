import type { AppendCondition } from '../core/condition.js';
import { InvalidInputError } from '../core/errors.js';
import type { AppendResult } from '../core/event-store.js';
import type { PreparedEvent } from '../core/event.js';
import { matchesQuery } from '../core/query.js';
import { toDocument, type EventRow } from './documents.js';

/** What one append may hold: a transactional batch has 100 operations, of which one is the ledger's, and 2 MB. */
export const batchLimits = { events: 99, bytes: 1_900_000 } as const;

/** An append on its way, and what is known of it so far. */
export type AppendCall = {
  readonly events: readonly PreparedEvent[];
  /** Of the batch's operations as JSON, and of the event documents alone. */
  readonly bytes: number;
  readonly documentBytes: number;
  readonly condition: AppendCondition | undefined;
  /** What the documents of this call, and of no other, carry. */
  readonly commit: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
  /** No event above the condition's `after` and up to here (inclusive) matches the condition. */
  checked: number;
  /** An event that matches it, and the head of the state that shows it. */
  conflict: { readonly row: EventRow; readonly head: number } | undefined;
  /** A try of it ended without an answer: it may be stored, or be on its way still. */
  isUncertain: boolean;
  /** It is in a batch that is on its way. */
  isSent: boolean;
  isSettled: boolean;
  /** How many tries failed; how many lost a race; how often `after` was beyond what a replica had. */
  failures: number;
  losses: number;
  timesAhead: number;
};

/** @throws InvalidInputError when the events do not fit into one batch; no request was made. */
export function measure(events: readonly PreparedEvent[], context: string, commit: string): { bytes: number; documentBytes: number } {
  const { events: most, bytes: mostBytes } = batchLimits;
  if (events.length > most) {
    throw new InvalidInputError('events', `holds ${events.length} events; Cosmos DB takes ${most} in one append, since its transactional batch has 100 operations. Split it.`);
  }
  let documentBytes = 0;
  for (const [i, event] of events.entries()) {
    const bytes = Buffer.byteLength(JSON.stringify(toDocument(event, context, commit, Number.MAX_SAFE_INTEGER)));
    if (bytes + envelopeBytes > mostBytes) throw new InvalidInputError(`events[${i}]`, `takes ${bytes} bytes as a document; Cosmos DB takes ${mostBytes} in one append. Store large content elsewhere and refer to it.`);
    documentBytes += bytes;
  }
  const bytes = documentBytes + envelopeBytes * (events.length + 1);
  if (bytes > mostBytes) throw new InvalidInputError('events', `take ${bytes} bytes as documents; Cosmos DB takes ${mostBytes} in one append, since its transactional batch has 2 MB. Split it.`);
  return { bytes, documentBytes };
}

/** What an operation takes beside its document, rounded up; the ledger's fits into it whole. */
const envelopeBytes = 512;

/**
 * The first calls of a queue that may go into one batch: they fit, no two have an event id in common, and no condition matches an
 * event of an earlier one. The next one is decided when these are, so calls keep their order.
 */
export function chooseCalls(queue: readonly AppendCall[]): AppendCall[] {
  const chosen: AppendCall[] = [];
  const ids = new Set<string>();
  let [events, bytes] = [0, 0];
  for (const call of queue) {
    events += call.events.length;
    bytes += call.bytes;
    if (events > batchLimits.events || bytes > batchLimits.bytes) break;
    if (call.events.some(({ id }) => ids.has(id)) || dependsOn(call, chosen)) break;
    for (const { id } of call.events) ids.add(id);
    chosen.push(call);
  }
  return chosen;
}

function dependsOn({ condition }: AppendCall, earlier: readonly AppendCall[]): boolean {
  return condition !== undefined && earlier.some(({ events }) => events.some((event) => matchesQuery(condition.failIfEventsMatch, event)));
}
