/*
 * Decides one append call against everything before it: what is in the ledger, and the calls accepted earlier in the same
 * group, which are planned but not yet written. The duplicate check comes first, so that a retry after a lost
 * acknowledgement succeeds although its own events now break its condition.
 */
import type { AppendCondition } from '../core/condition.js';
import { EventIdConflictError, PositionAheadError, type OpossumError } from '../core/errors.js';
import type { PreparedEvent } from '../core/event.js';
import { sameContent } from '../core/same-content.js';
import type { Awaitable } from '../disk/disk.js';
import { whenReady } from '../disk/when-ready.js';
import type { AppendCall } from './call.js';
import type { LedgerView } from './ledger-view.js';

export type Decision =
  | { readonly kind: 'accept' }
  | { readonly kind: 'duplicate'; readonly first: number }
  /** The event at `position` matches the condition. */
  | { readonly kind: 'conflict'; readonly position: number; readonly condition: AppendCondition }
  | { readonly kind: 'refuse'; readonly error: OpossumError };

/** Events of the group that are planned and so cannot be read from the ledger yet. */
export type Planned = { at(position: number): PreparedEvent | undefined };

const accepted: Decision = { kind: 'accept' };

/** A promise only when the disk has to be asked: most appends are decided by what is in memory. */
export function decide(call: AppendCall, view: LedgerView, planned: Planned): Awaitable<Decision> {
  if (!call.events.some((event) => event.ownId)) return decideCondition(call, view);
  return findKnown(call.events, view, planned).then((known) => known ?? decideCondition(call, view));
}

function decideCondition({ condition }: AppendCall, view: LedgerView): Awaitable<Decision> {
  if (condition === undefined) return accepted;
  const after = condition.after ?? 0;
  const { last } = view.ledger;
  if (after > last) return { kind: 'refuse', error: new PositionAheadError(after, last) };
  const match = view.index.firstMatch(condition.failIfEventsMatch, after, last);
  return whenReady(match, (position) => (position === 0 ? accepted : { kind: 'conflict', position, condition }));
}

/** What to do when ids of the batch are stored already; undefined when none is. */
async function findKnown(events: readonly PreparedEvent[], view: LedgerView, planned: Planned): Promise<Decision | undefined> {
  let known = 0;
  let first: { id: string; position: number; index: number } | undefined;
  let together = true;
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!;
    const stored = event.ownId ? await findEvent(event.id, view, planned) : undefined;
    if (!stored) continue;
    if (!sameContent(event, stored.event)) return { kind: 'refuse', error: new EventIdConflictError('content', event.id, stored.position) };
    known++;
    first ??= { id: event.id, position: stored.position, index: i };
    together &&= stored.position - first.position === i - first.index;
  }
  if (!first) return undefined;
  if (known === events.length && together) return { kind: 'duplicate', first: first.position };
  return { kind: 'refuse', error: new EventIdConflictError('partial', first.id, first.position) };
}

type Stored = { readonly position: number; readonly event: Pick<PreparedEvent, 'id' | 'type' | 'tags' | 'data'> };

async function findEvent(id: string, view: LedgerView, planned: Planned): Promise<Stored | undefined> {
  const candidates = view.index.candidates(id);
  for (const position of Array.isArray(candidates) ? candidates : await candidates) {
    const event = planned.at(position) ?? (await view.readOne(position));
    if (event.id === id) return { position, event };
  }
  return undefined;
}
