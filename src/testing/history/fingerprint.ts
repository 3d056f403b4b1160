/* What is kept of an event: enough to tell whether two are the same, and short however large it is. */
import { crc32 } from 'node:zlib';
import { prepareEvents, type EventDefaults } from '../../core/check-input.js';
import type { JsonObject, JsonValue, NewEvent, SequencedEvent } from '../../core/event.js';
import type { RecordedEvent, SeenEvent } from './operation.js';

/** Data of up to so many characters is kept as it is, for people who read a report. */
const shortData = 80;

/** Undefined when the events are none that a store could take: it will refuse them. */
export function recordEvents(events: NewEvent | readonly NewEvent[]): RecordedEvent[] | undefined {
  try {
    const batch = prepareEvents(events, noDefaults);
    return batch.map(({ id, ownId, type, tags, data }) => ({ ...(ownId ? { id } : {}), type, tags: sorted(tags), data: fingerprint(data) }));
  } catch {
    return undefined;
  }
}

/** What a store fills in is not known yet. */
const noDefaults: EventDefaults = { newId: () => 'none', now: () => 0 };

export function seenEvent(event: SequencedEvent): SeenEvent {
  const { position, id, type, tags, data } = event;
  return { position, id, type, tags: sorted(tags), data: fingerprint(data), sum: sumOf(event) };
}

/** Checksum of everything in it. */
export function sumOf({ position, id, type, tags, data, metadata, timestamp }: SequencedEvent): number {
  return crc32(`${position}\n${timestamp}\n${JSON.stringify([id, type, tags])}${canonical(data)}${canonical(metadata)}`);
}

function fingerprint(data: JsonValue): string {
  const text = canonical(data);
  return text.length <= shortData ? text : `${text.slice(0, 30).toWellFormed()}… (${text.length} characters, checksum ${crc32(text).toString(16)})`;
}

/** JSON in which the order of keys makes no difference. */
function canonical(value: JsonValue | undefined): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '';
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const object = value as JsonObject;
  const keys = Object.keys(object).filter((key) => object[key] !== undefined);
  return `{${keys.sort().map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`).join()}}`;
}

const sorted = (tags: readonly string[]): string[] => [...new Set(tags)].sort();
