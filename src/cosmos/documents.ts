/*
 * The documents of a context: one ledger at position 0, and one document for each event. All are in one logical partition, so
 * that a transactional batch can write the ledger and its events together. User data lies below `data` and `metadata` only:
 * names at the top that begin with `_` belong to Cosmos.
 */
import { cosmosFields, type CosmosBody } from '../core/cosmos-limits.js';
import type { JsonObject, JsonValue, PreparedEvent, SequencedEvent } from '../core/event.js';

export const ledgerId = '$ledger';

/** Positions of events begin at 1: as position 0 the ledger comes first in every page that is ordered by position. */
export type LedgerDocument = {
  readonly id: typeof ledgerId;
  readonly ctx: string;
  readonly kind: 'ledger';
  readonly position: 0;
  /** Position of the last event. */
  readonly head: number;
  /** Sum of the JSON of all event documents, in bytes: what the warning about the partition's limit rests on. */
  readonly bytes: number;
  readonly v: 1;
};

export type EventDocument = {
  /** The event's id in letters that a document's id may have. */
  readonly id: string;
  readonly ctx: string;
  readonly kind: 'event';
  readonly position: number;
  readonly type: string;
  readonly tags: readonly string[];
  readonly eventId: string;
  readonly timestamp: string;
  /** The same for all events of one append, and for no others. */
  readonly commit: string;
  readonly v: 1;
} & CosmosBody;

export type EventRow = EventDocument & { readonly _etag?: string };

export function toDocument(event: PreparedEvent, context: string, commit: string, position: number): EventDocument {
  return { ...cosmosFields(event, context, commit), position };
}

export function toEvent(document: EventDocument): SequencedEvent {
  const { position, type, tags, eventId, timestamp } = document;
  const { data, metadata = {} } = 'deep' in document ? (JSON.parse(document.deep) as { data: JsonValue; metadata: JsonObject }) : document;
  return { position, type, tags, data, id: eventId, metadata, timestamp };
}
