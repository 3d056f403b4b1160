/* Where the version of an event's data is stored: in its metadata, and only from version 2 on. */
import { InvalidInputError } from '../core/errors.js';
import type { JsonObject, SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';

export const versionKey = 'schemaVersion';

/** 1 when none is stored. */
export function versionOf(event: SequencedEvent): number {
  const version = event.metadata[versionKey];
  if (version === undefined) return 1;
  if (typeof version === 'number' && Number.isSafeInteger(version) && version >= 1) return version;
  throw new InvalidInputError(
    `event ${event.position} (${event.type}).metadata.${versionKey}`,
    `is ${describe(version)}; it must be a whole number of at least 1, the version of the event's data. Another program uses the key for something else.`,
  );
}

export function withVersion(metadata: JsonObject | undefined, version: number): JsonObject {
  return { ...metadata, [versionKey]: version };
}
