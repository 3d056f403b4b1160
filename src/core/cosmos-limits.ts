/*
 * What one append, and one saved state, may hold on Cosmos DB, and how much of it events take there. In core, so that every
 * store can refuse with the same words what would be refused in production; `src/cosmos` builds its documents of the same parts.
 */
import { InvalidInputError } from './errors.js';
import type { JsonObject, JsonValue, PreparedEvent } from './event.js';
import { describe } from './json.js';

/** A transactional batch has 100 operations, of which one is the ledger's, and 2 MB; an item has 2 MB. Bounds are inclusive. */
export const cosmosLimits = { events: 99, bytes: 1_900_000, stateBytes: 1_900_000 } as const;

/** What an operation takes beside its document, rounded up; the ledger's fits into it whole. */
const envelopeBytes = 512;

/** What a state's document has beside what is measured, rounded up. */
const stateEnvelopeBytes = 100;

/** The service allows 128 levels; a document's own are among them. */
const deepestLevels = 100;

/** As long as the id of any commit. */
const anyCommit = '00000000-0000-4000-8000-000000000000';

/** Bytes of the batch's operations as JSON, and of the event documents alone. */
export type CosmosSizes = { readonly bytes: number; readonly documentBytes: number };

/** @throws InvalidInputError when the events do not fit into one append. */
export function checkCosmosBatch(events: readonly PreparedEvent[], context: string, commit = anyCommit): CosmosSizes {
  const { events: most, bytes: mostBytes } = cosmosLimits;
  if (events.length > most) {
    throw new InvalidInputError('events', `holds ${events.length} events; Cosmos DB takes ${most} in one append, since its transactional batch has 100 operations. Split it.`);
  }
  let documentBytes = 0;
  for (const [i, event] of events.entries()) {
    const bytes = jsonBytes({ ...cosmosFields(event, context, commit), position: Number.MAX_SAFE_INTEGER });
    if (bytes + envelopeBytes * 2 > mostBytes) {
      throw new InvalidInputError(`events[${i}]`, `takes ${bytes} bytes as a document; Cosmos DB takes ${mostBytes} in one append. Store large content elsewhere and refer to it.`);
    }
    documentBytes += bytes;
  }
  const bytes = documentBytes + envelopeBytes * (events.length + 1);
  if (bytes > mostBytes) {
    throw new InvalidInputError('events', `take ${bytes} bytes as documents; Cosmos DB takes ${mostBytes} in one append, since its transactional batch has 2 MB. Split it.`);
  }
  return { bytes, documentBytes };
}

/** `json` is the value as text. @throws InvalidInputError when the state does not fit into one document. */
export function checkCosmosState(name: string, json: string, context: string, save = anyCommit): void {
  const bytes = jsonBytes({ id: cosmosStateId(name), ctx: context, kind: 'state', name, json, save, v: 1 }) + stateEnvelopeBytes;
  if (bytes > cosmosLimits.stateBytes) {
    throw new InvalidInputError('value', `takes ${bytes} bytes as a document; Cosmos DB takes ${cosmosLimits.stateBytes}. Split it.`);
  }
}

/** The document of an event, but for its position. */
export function cosmosFields({ id, type, tags, timestamp, data, metadata }: PreparedEvent, context: string, commit: string) {
  return { id: cosmosDocumentId(id), ctx: context, kind: 'event', type, tags, eventId: id, timestamp, commit, v: 1, ...toBody(data, metadata) } as const;
}

/** Absent metadata is empty. `deep` is the JSON of both when they are nested deeper than the service allows. */
export type CosmosBody = { readonly data: JsonValue; readonly metadata?: JsonObject } | { readonly deep: string };

function toBody(data: JsonValue, metadata: JsonObject): CosmosBody {
  if (isDeeper(data, deepestLevels) || isDeeper(metadata, deepestLevels)) return { deep: JSON.stringify({ data, metadata }) };
  return Object.keys(metadata).length === 0 ? { data } : { data, metadata };
}

function isDeeper(value: JsonValue | undefined, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner: JsonValue | undefined) => isDeeper(inner, levels - 1));
}

/**
 * Two ids that differ never get the same: letters, digits, `-` and `_` stand for themselves, and any other byte of the UTF-8 is
 * a dot and two hexadecimal digits. 255 bytes become at most 765, of 1,023 that are allowed. Never begins with `$`.
 */
export function cosmosDocumentId(id: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(id)) return id;
  return Array.from(Buffer.from(id), (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(char) ? char : `.${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}

export function cosmosStateId(name: string): string {
  return `state.${cosmosDocumentId(name)}`;
}

/** Checks the option `limits` of a store. */
export function checkStoreLimits(value: unknown): 'cosmos' | undefined {
  if (value === undefined || value === 'cosmos') return value;
  throw new InvalidInputError('options.limits', `is ${describe(value)}; it must be 'cosmos', or be left out.`);
}

function jsonBytes(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}
