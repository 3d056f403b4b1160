import type { AppendCondition } from '../core/condition.js';
import { cosmosLimits } from '../core/cosmos-limits.js';
import type { AppendResult } from '../core/event-store.js';
import type { PreparedEvent } from '../core/event.js';
import { matchesQuery } from '../core/query.js';
import type { EventRow } from './documents.js';

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
    if (events > cosmosLimits.events || bytes > cosmosLimits.bytes) break;
    if (call.events.some(({ id }) => ids.has(id)) || dependsOn(call, chosen)) break;
    for (const { id } of call.events) ids.add(id);
    chosen.push(call);
  }
  return chosen;
}

function dependsOn({ condition }: AppendCall, earlier: readonly AppendCall[]): boolean {
  return condition !== undefined && earlier.some(({ events }) => events.some((event) => matchesQuery(condition.failIfEventsMatch, event)));
}
