import { cosmosDocumentId } from '../core/cosmos-limits.js';
import { EventIdConflictError } from '../core/errors.js';
import type { AppendResult } from '../core/event-store.js';
import { sameContent } from '../core/same-content.js';
import type { AppendCall } from './append-call.js';
import { toEvent, type EventRow } from './documents.js';

/** The documents that tell whether a call is stored already; none for ids that the store made and that it never sent. */
export function idsToFind({ events, isUncertain }: AppendCall): string[] {
  return events.filter(({ ownId }) => ownId || isUncertain).map(({ id }) => cosmosDocumentId(id));
}

/**
 * What a call gets whose whole batch is stored, undefined when nothing of it is.
 * `duplicate` is false when an earlier try of this very call stored it.
 *
 * @param rows What was found of `idsToFind`.
 * @throws EventIdConflictError
 */
export function knownResult({ events, commit }: AppendCall, rows: readonly EventRow[]): AppendResult | undefined {
  const byId = new Map(rows.map((row) => [row.eventId, row]));
  const stored = events.map(({ id }) => byId.get(id));
  for (const [i, event] of events.entries()) {
    const row = stored[i];
    if (row && !sameContent(event, toEvent(row))) throw new EventIdConflictError('content', row.eventId, row.position);
  }
  const known = stored.find((row) => row !== undefined);
  if (!known) return undefined;
  if (!stored.every((row, i) => row?.position === known.position + i)) throw new EventIdConflictError('partial', known.eventId, known.position);
  return { first: known.position, last: known.position + events.length - 1, duplicate: known.commit !== commit };
}
