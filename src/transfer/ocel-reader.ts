import { constants, isUtf8 } from 'node:buffer';
import { InvalidInputError } from '../core/errors.js';
import type { JsonObject, NewEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { derivedId } from './derived-id.js';
import type { ImportedEvent } from './imported-event.js';
import type { ImportInput } from './import-source.js';
import { hasByteOrderMark } from './lines.js';
import { ocelLogType, tagOf, type OcelDocument, type OcelEvent, type OcelLogData, type OcelObject } from './ocel.js';
import { toUtc } from './ocel-time.js';

type Where = (path: string) => string;

/** An `ocel:log` event takes objects up to about so many bytes of JSON; a larger log has several such events. */
const logPartBytes = 4 * 1024 * 1024;

/** Events of an OCEL 2.0 JSON source: first those that keep its types and objects, then its own. The source is read whole. */
export async function* readOcel(input: ImportInput, name: string | undefined): AsyncGenerator<ImportedEvent> {
  const where: Where = (path) => (name === undefined ? path || 'the file' : path === '' ? name : `${name}: ${path}`);
  const { checkOcelDocument } = await import('./schemas.js');
  const value = parseDocument(await readText(input, where), where);
  refuseOcel1(value, where);
  const document = checkOcelDocument(value, where);
  const typeOf = objectTypes(document.objects, where);
  for (const part of logParts(document)) {
    const text = JSON.stringify(part);
    const event = { id: derivedId(ocelLogType, text), type: ocelLogType, data: part as unknown as JsonObject };
    yield { event, where: where(''), bytes: text.length, description: true };
  }
  for (const [index, event] of document.events.entries()) {
    const imported = toEvent(event, typeOf, (path) => where(`events[${index}]${path}`));
    yield { event: imported, where: where(`events[${index}]`), bytes: JSON.stringify(imported).length, description: false };
  }
}

async function readText(input: ImportInput, where: Where): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input.chunks()) {
    chunks.push(chunk);
    if (input.bytes > constants.MAX_STRING_LENGTH) {
      throw new InvalidInputError(where(''), `is larger than ${constants.MAX_STRING_LENGTH} bytes, which is as much OCEL as one file can be. Split the log, or convert it to NDJSON.`);
    }
  }
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw new InvalidInputError(where(''), 'is not UTF-8. Convert the file first.');
  return bytes.toString('utf8', hasByteOrderMark(bytes) ? 3 : 0);
}

function parseDocument(text: string, where: Where): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message;
    const position = /at position (\d+)/.exec(message)?.[1] ?? (message.startsWith('Unexpected end') ? text.length : undefined);
    const line = position === undefined ? '' : `line ${text.slice(0, Number(position)).split('\n').length}`;
    throw new InvalidInputError(where(line), `is not valid JSON: ${message}.`, error);
  }
}

function refuseOcel1(value: unknown, where: Where): void {
  if (typeof value === 'object' && value !== null && Object.keys(value).some((key) => key.startsWith('ocel:'))) {
    throw new InvalidInputError(where(''), 'is OCEL 1.0; only OCEL 2.0 can be imported. Tools such as pm4py convert it.');
  }
}

function objectTypes(objects: readonly OcelObject[], where: Where): Map<string, string> {
  const typeOf = new Map<string, string>();
  const tags = new Set<string>();
  for (const [index, { id, type }] of objects.entries()) {
    if (typeOf.has(id)) throw new InvalidInputError(where(`objects[${index}].id`), `is ${describe(id)}, which an earlier object has too.`);
    // Type "a:b" with id "c", and type "a" with id "b:c": queries could not tell them apart.
    if (tags.has(tagOf(type, id))) throw new InvalidInputError(where(`objects[${index}]`), `would have the tag ${describe(tagOf(type, id))}, which an earlier object has too.`);
    typeOf.set(id, type);
    tags.add(tagOf(type, id));
  }
  return typeOf;
}

function* logParts({ objectTypes, eventTypes, objects }: OcelDocument): Generator<OcelLogData> {
  let part: OcelObject[] = [];
  let bytes = 0;
  let types = { objectTypes, eventTypes };
  for (const object of objects) {
    const size = JSON.stringify(object).length;
    if (part.length > 0 && bytes + size > logPartBytes) {
      yield { ...types, objects: part };
      types = { objectTypes: [], eventTypes: [] };
      part = [];
      bytes = 0;
    }
    part.push(object);
    bytes += size;
  }
  yield { ...types, objects: part };
}

function toEvent({ id, type, time, attributes = [], relationships = [] }: OcelEvent, typeOf: ReadonlyMap<string, string>, where: Where): NewEvent {
  const timestamp = toUtc(time);
  if (timestamp === undefined) throw new InvalidInputError(where('.time'), `is ${describe(time)}; it must be an ISO 8601 time such as 2026-01-31T12:00:00Z.`);
  const tags = relationships.map(({ objectId }, index) => {
    const objectType = typeOf.get(objectId);
    if (objectType === undefined) throw new InvalidInputError(where(`.relationships[${index}].objectId`), `is ${describe(objectId)}, which is not among the objects of the log.`);
    return tagOf(objectType, objectId);
  });
  const names = new Set<string>();
  for (const [index, { name }] of attributes.entries()) {
    if (names.has(name)) throw new InvalidInputError(where(`.attributes[${index}].name`), `is ${describe(name)}, which an earlier attribute of this event has too.`);
    names.add(name);
  }
  return {
    id,
    type,
    timestamp,
    tags,
    data: Object.fromEntries(attributes.map(({ name, value }) => [name, value])),
    metadata: { ocel: { relationships, ...(time === timestamp ? {} : { time }) } },
  };
}
