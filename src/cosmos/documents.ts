/*
 * The documents of a context: one ledger at position 0, and one document for each event. All are in one logical partition, so
 * that a transactional batch can write the ledger and its events together. User data lies below `data` and `metadata` only:
 * names at the top that begin with `_` belong to Cosmos.
 */
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
} & Body;

/** Absent metadata is empty. `deep` is the JSON of both when they are nested deeper than the service allows. */
type Body = { readonly data: JsonValue; readonly metadata?: JsonObject } | { readonly deep: string };

export type EventRow = EventDocument & { readonly _etag?: string };

/** The service allows 128 levels; a document's own are among them. */
const deepestLevels = 100;

export function toDocument(event: PreparedEvent, context: string, commit: string, position: number): EventDocument {
  const { id, type, tags, timestamp, data, metadata } = event;
  return { id: documentId(id), ctx: context, kind: 'event', position, type, tags, eventId: id, timestamp, commit, v: 1, ...toBody(data, metadata) };
}

function toBody(data: JsonValue, metadata: JsonObject): Body {
  if (isDeeper(data, deepestLevels) || isDeeper(metadata, deepestLevels)) return { deep: JSON.stringify({ data, metadata }) };
  return Object.keys(metadata).length === 0 ? { data } : { data, metadata };
}

export function toEvent(document: EventDocument): SequencedEvent {
  const { position, type, tags, eventId, timestamp } = document;
  const { data, metadata = {} } = 'deep' in document ? (JSON.parse(document.deep) as { data: JsonValue; metadata: JsonObject }) : document;
  return { position, type, tags, data, id: eventId, metadata, timestamp };
}

/**
 * Two ids that differ never get the same: letters, digits, `-` and `_` stand for themselves, and any other byte of the UTF-8 is
 * a dot and two hexadecimal digits. 255 bytes become at most 765, of 1,023 that are allowed. Never begins with `$`.
 */
export function documentId(id: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(id)) return id;
  return Array.from(Buffer.from(id), (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(char) ? char : `.${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}

function isDeeper(value: JsonValue | undefined, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner: JsonValue | undefined) => isDeeper(inner, levels - 1));
}
