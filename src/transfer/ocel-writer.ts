import type { EventStore, ReadOptions } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import { ocelLogType, ocelMetadata, type OcelAttribute, type OcelEvent, type OcelLogData, type OcelScalar } from './ocel.js';
import { OcelObjects } from './ocel-objects.js';
import { toUtc } from './ocel-time.js';
import { OcelTypes, toAttributes } from './ocel-types.js';
import type { ExportPart } from './transfer-format.js';

/**
 * An OCEL 2.0 JSON file, one object or event a line. The events are read twice, since types and objects come before them:
 * both times up to the same position, so that both see the same events.
 */
export async function* writeOcel(store: EventStore, query: Query, range: ReadOptions): AsyncGenerator<ExportPart> {
  const stream = store.read(query, range);
  const bounded = { ...range, before: Math.min(range.before ?? Infinity, (await stream.head()) + 1) };
  const objectTypes = new OcelTypes();
  const eventTypes = new OcelTypes();
  const objects = new OcelObjects();
  const logs = new Set<number>();
  for await (const { position, log } of readLogs(store, bounded)) {
    logs.add(position);
    objectTypes.declare(log.objectTypes);
    eventTypes.declare(log.eventTypes);
    objects.addLog(log);
  }
  if (query === 'all') objects.wantAll();
  for await (const event of store.read(query, bounded)) {
    if (logs.has(event.position)) continue;
    eventTypes.learn(event.type, attributesOf(event, eventTypes));
    for (const { tag } of objects.relate(event)) objects.want(tag);
  }
  for (const type of objects.types()) objectTypes.add(type);

  yield* section('{"objectTypes":[', objectTypes.write());
  yield* section('],\n"eventTypes":[', eventTypes.write());
  yield* section('],\n"objects":[', objects.write());
  yield { text: '],\n"events":[', event: false };
  let separator = '\n';
  for await (const event of store.read(query, bounded)) {
    if (logs.has(event.position)) continue;
    yield { text: separator + JSON.stringify(toOcelEvent(event, objects, eventTypes)), event: true };
    separator = ',\n';
  }
  yield { text: ']}\n', event: false };
}

function* section(opening: string, items: Iterable<object>): Generator<ExportPart> {
  yield { text: opening, event: false };
  let separator = '\n';
  for (const item of items) {
    yield { text: separator + JSON.stringify(item), event: false };
    separator = ',\n';
  }
}

/** The `ocel:log` events up to the bound, also those before a lower bound: they describe objects of later events. */
async function* readLogs(store: EventStore, { before, signal }: ReadOptions): AsyncGenerator<{ position: number; log: OcelLogData }> {
  const options = { ...(before === undefined ? {} : { before }), ...(signal ? { signal } : {}) };
  for await (const { position, data } of store.read({ items: [{ types: [ocelLogType] }] }, options)) {
    const { isOcelLogData } = await import('./schemas.js');
    if (isOcelLogData(data)) yield { position, log: data };
  }
}

function attributesOf(event: SequencedEvent, eventTypes: OcelTypes): OcelAttribute[] {
  return isAsImported(event, eventTypes) ? Object.entries(event.data as Record<string, OcelScalar>).map(([name, value]) => ({ name, value })) : toAttributes(event.data);
}

/** Whether the event comes from a log whose types are known here; then its values go out as they came in. */
function isAsImported(event: SequencedEvent, eventTypes: OcelTypes): boolean {
  return eventTypes.isDeclared(event.type) && ocelMetadata(event) !== undefined;
}

function toOcelEvent(event: SequencedEvent, objects: OcelObjects, eventTypes: OcelTypes): OcelEvent {
  const time = ocelMetadata(event)?.time;
  const attributes = attributesOf(event, eventTypes);
  return {
    id: event.id,
    type: event.type,
    time: time !== undefined && toUtc(time) === event.timestamp ? time : event.timestamp,
    attributes: isAsImported(event, eventTypes) ? attributes : attributes.map((attribute) => eventTypes.fit(event.type, attribute)),
    relationships: objects.relate(event).map(({ tag, qualifier }) => ({ objectId: objects.exportId(tag), ...(qualifier === undefined ? {} : { qualifier }) })),
  };
}
