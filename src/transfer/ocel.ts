/*
 * How an OCEL 2.0 log lies in a store, and comes out again as it went in:
 * an OCEL event is an event: time → timestamp (UTC), each related object → the tag `type:id`, attributes → data. What has no
 * place there, qualifiers and the time as it was written, is kept in `metadata.ocel`. What belongs to no event (types, objects,
 * their changing attributes and relationships) is kept in leading events of the reserved type `ocel:log`, without tags.
 */
import type { JsonObject, JsonValue, SequencedEvent } from '../core/event.js';

/** Type of the events that keep the types and objects of an imported log. Exports to OCEL do not list them as events. */
export const ocelLogType = 'ocel:log';

export type OcelScalar = string | number | boolean | null;
export type OcelType = { readonly name: string; readonly attributes?: readonly { readonly name: string; readonly type: string }[] };
export type OcelRelationship = { readonly objectId: string; readonly qualifier?: string };
export type OcelObject = {
  readonly id: string;
  readonly type: string;
  readonly attributes?: readonly { readonly name: string; readonly time?: string; readonly value: OcelScalar }[];
  readonly relationships?: readonly OcelRelationship[];
};
export type OcelAttribute = { readonly name: string; readonly value: OcelScalar };
export type OcelEvent = {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly attributes?: readonly OcelAttribute[];
  readonly relationships?: readonly OcelRelationship[];
};

/** Data of an `ocel:log` event. */
export type OcelLogData = { readonly objectTypes: readonly OcelType[]; readonly eventTypes: readonly OcelType[]; readonly objects: readonly OcelObject[] };
export type OcelDocument = OcelLogData & { readonly events: readonly OcelEvent[] };

/** What `metadata.ocel` of an imported event keeps. `time` is there only when it is not the timestamp itself. */
export type OcelMetadata = { readonly relationships: readonly OcelRelationship[]; readonly time?: string };

/** The tag of an object. */
export function tagOf(type: string, id: string): string {
  return `${type}:${id}`;
}

/** Type and id that a tag stands for. A tag that is not `type:id` is an object of type `tag`. */
export function splitTag(tag: string): { type: string; id: string } {
  const colon = tag.indexOf(':');
  if (colon <= 0 || colon === tag.length - 1) return { type: 'tag', id: tag };
  return { type: tag.slice(0, colon), id: tag.slice(colon + 1) };
}

/** What an import from OCEL kept in the event's metadata; undefined when the event is not from OCEL. */
export function ocelMetadata(event: SequencedEvent): OcelMetadata | undefined {
  const kept = event.metadata['ocel'];
  if (!isObject(kept) || !Array.isArray(kept['relationships']) || !isObject(event.data)) return undefined;
  const relationships = kept['relationships'] as readonly JsonValue[];
  const sound = relationships.every((one) => isObject(one) && typeof one['objectId'] === 'string' && ['string', 'undefined'].includes(typeof one['qualifier']));
  const time = kept['time'];
  if (!sound || (time !== undefined && typeof time !== 'string') || !Object.values(event.data).every(isScalar)) return undefined;
  return { relationships: relationships as readonly OcelRelationship[], ...(time === undefined ? {} : { time }) };
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isScalar(value: JsonValue | undefined): value is OcelScalar {
  return value === null || (value !== undefined && typeof value !== 'object');
}
