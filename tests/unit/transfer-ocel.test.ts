/*
 * Goal: an OCEL 2.0 log survives the store unchanged, and every store gives a valid OCEL 2.0 log.
 * Method: small logs with every feature of the format, round trips on the memory store, and the procurement log of `OPOSSUM_DATA`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { exportEvents, importEvents, openMemoryStore, type EventStore } from '../../src/index.js';
import { toUtc } from '../../src/transfer/ocel-time.js';
import { exportOcel, sorted, textOf, type Ocel } from '../support/ocel.js';

const log = (): Ocel => ({
  objectTypes: [
    { name: 'Order', attributes: [{ name: 'price', type: 'float' }] },
    { name: 'Unused', attributes: [] },
  ],
  eventTypes: [
    { name: 'Placed', attributes: [{ name: 'by', type: 'string' }, { name: 'urgent', type: 'boolean' }] },
    { name: 'Never', attributes: [{ name: 'x', type: 'integer' }] },
  ],
  objects: [
    {
      id: 'o1',
      type: 'Order',
      attributes: [
        { name: 'price', time: '1970-01-01T00:00:00Z', value: 1.5 },
        { name: 'price', time: '2020-01-01T00:00:00+02:00', value: 2 },
      ],
      relationships: [{ objectId: 'o2', qualifier: 'replaces' }],
    },
    { id: 'o2', type: 'Order' },
  ],
  events: [
    {
      id: 'e1',
      type: 'Placed',
      time: '2020-01-01T01:30:00.123456+01:30',
      attributes: [{ name: 'by', value: 'Ann' }, { name: 'urgent', value: true }],
      relationships: [{ objectId: 'o1', qualifier: 'places' }, { objectId: 'o1', qualifier: 'pays' }, { objectId: 'o2', qualifier: 'cancels' }],
    },
    { id: 'e2', type: 'Placed', time: '2020-01-02T00:00:00Z', attributes: [], relationships: [] },
  ],
});

async function imported(ocel: object): Promise<EventStore> {
  const store = openMemoryStore();
  await importEvents(store, JSON.stringify(ocel), { name: 'log.json' });
  return store;
}

describe('importing OCEL', () => {
  test('makes events of events, tags of objects, data of attributes', async () => {
    const store = openMemoryStore();
    expect(await importEvents(store, JSON.stringify(log()))).toEqual({ imported: 2, present: 0, descriptions: 1 });
    const [description, first, second] = await store.read().toArray();
    expect(description).toMatchObject({ type: 'ocel:log', tags: [], position: 1 });
    expect(first).toMatchObject({
      id: 'e1',
      type: 'Placed',
      timestamp: '2020-01-01T00:00:00.123456Z',
      tags: ['Order:o1', 'Order:o2'],
      data: { by: 'Ann', urgent: true },
      metadata: { ocel: { time: '2020-01-01T01:30:00.123456+01:30', relationships: log().events[0]!.relationships } },
    });
    expect(second).toMatchObject({ id: 'e2', timestamp: '2020-01-02T00:00:00Z', tags: [], data: {}, metadata: { ocel: { relationships: [] } } });
  });

  test('again changes nothing', async () => {
    const store = await imported(log());
    expect(await importEvents(store, JSON.stringify(log(), null, 2))).toEqual({ imported: 0, present: 2, descriptions: 1 });
    expect(await store.head()).toBe(3);
  });

  test('splits the objects of a large log over several events', async () => {
    const ocel = { ...log(), objects: Array.from({ length: 3000 }, (_, i) => ({ id: `o${i}`, type: 'Order', attributes: [{ name: 'note', time: '2020-01-01T00:00:00Z', value: 'x'.repeat(3000) }], relationships: [{ objectId: `o${2999 - i}`, qualifier: 'next' }] })) };
    const store = openMemoryStore();
    const { descriptions } = await importEvents(store, JSON.stringify(ocel));
    expect(descriptions).toBeGreaterThan(1);
    expect(sorted(await exportOcel(store))).toEqual(sorted(ocel));
  });

  test.each<[string, (ocel: Ocel) => unknown, RegExp]>([
    ['no list of events', (ocel) => ({ ...ocel, events: undefined }), /^log\.json: events is missing\./],
    ['an event without time', (ocel) => delete (ocel.events[1] as { time?: string }).time && ocel, /^log\.json: events\[1\]\.time is missing\./],
    ['a time that is none', (ocel) => ((ocel.events[1]!.time = '2020-02-30T00:00:00Z'), ocel), /^log\.json: events\[1\]\.time is the string "2020-02-30T00:00:00Z"; it must be an ISO 8601 time/],
    ['an unknown object', (ocel) => ((ocel.events[0]!.relationships![1]!.objectId = 'o9'), ocel), /^log\.json: events\[0\]\.relationships\[1\]\.objectId is the string "o9", which is not among the objects/],
    ['two objects with one id', (ocel) => ((ocel.objects[1]!.id = 'o1'), ocel), /^log\.json: objects\[1\]\.id is the string "o1", which an earlier object has too/],
    ['an attribute twice', (ocel) => ((ocel.events[0]!.attributes![1]!.name = 'by'), ocel), /^log\.json: events\[0\]\.attributes\[1\]\.name is the string "by", which an earlier attribute/],
    ['a nested value', (ocel) => ((ocel.events[0]!.attributes![1]!.value = {}), ocel), /^log\.json: events\[0\]\.attributes\[1\]\.value is an object; it must be a string, a number, true, false or null/],
    ['an unknown field', (ocel) => ({ ...ocel, extra: 1 }), /^log\.json: extra is not a field of OCEL 2\.0/],
    ['OCEL 1.0', () => ({ 'ocel:events': {}, 'ocel:objects': {} }), /^log\.json is OCEL 1\.0; only OCEL 2\.0/],
  ])('refuses %s and imports nothing', async (_, spoil, message) => {
    const store = openMemoryStore();
    await expect(importEvents(store, JSON.stringify(spoil(log())), { name: 'log.json', format: 'ocel' })).rejects.toThrow(message);
    expect((await store.read().toArray()).filter(({ type }) => type !== 'ocel:log')).toEqual([]);
  });

  test('names the line of what is not JSON, where the engine tells', async () => {
    await expect(importEvents(openMemoryStore(), '{\n"events": [\n', { name: 'log.json' })).rejects.toThrow(/^log\.json: line 3 is not valid JSON: /);
  });

  test('refuses objects that no tag can tell apart', async () => {
    const ocel = { ...log(), events: [], objects: [{ id: 'b:c', type: 'a' }, { id: 'c', type: 'a:b' }] };
    await expect(importEvents(openMemoryStore(), JSON.stringify(ocel))).rejects.toThrow(/^objects\[1\] would have the tag the string "a:b:c"/);
  });
});

describe('a round trip', () => {
  test('gives the log back', async () => {
    expect(sorted(await exportOcel(await imported(log())))).toEqual(sorted(log()));
  });

  test('of a second import gives the same events', async () => {
    const first = await imported(log());
    const second = await imported(await exportOcel(first));
    const withoutDescriptions = async (store: EventStore): Promise<unknown[]> => (await store.read().toArray()).slice(1);
    expect(await withoutDescriptions(second)).toEqual(await withoutDescriptions(first));
  });

  test('through NDJSON in between loses nothing', async () => {
    const copy = openMemoryStore();
    await importEvents(copy, exportEvents(await imported(log())));
    expect(sorted(await exportOcel(copy))).toEqual(sorted(log()));
  });

  test('of two logs in one store gives the union, and keeps objects apart that share an id', async () => {
    const store = await imported(log());
    const other: Ocel = {
      objectTypes: [{ name: 'Item', attributes: [] }],
      eventTypes: [{ name: 'Packed', attributes: [] }],
      objects: [{ id: 'o1', type: 'Item', attributes: [], relationships: [{ objectId: 'o1', qualifier: 'itself' }] }],
      events: [{ id: 'p1', type: 'Packed', time: '2021-01-01T00:00:00Z', attributes: [], relationships: [{ objectId: 'o1', qualifier: 'packs' }] }],
    };
    await importEvents(store, JSON.stringify(other));
    const { objects, events } = await exportOcel(store);
    expect(objects.map(({ id, type }) => [id, type])).toEqual([
      ['Order:o1', 'Order'],
      ['o2', 'Order'],
      ['Item:o1', 'Item'],
    ]);
    expect(objects[2]!.relationships).toEqual([{ objectId: 'Item:o1', qualifier: 'itself' }]);
    expect(events[0]!.relationships![0]).toEqual({ objectId: 'Order:o1', qualifier: 'places' });
    expect(events[2]!.relationships).toEqual([{ objectId: 'Item:o1', qualifier: 'packs' }]);
  });

  test('with a query has the objects of its events and what these relate to', async () => {
    const ocel = log();
    ocel.objects.push({ id: 'far', type: 'Order' });
    const store = await imported(ocel);
    await store.append({ id: 'new', type: 'Cancelled', tags: ['Order:o1'], data: null, timestamp: '2022-01-01T00:00:00Z' });
    const exported = await exportOcel(store, { query: { items: [{ types: ['Cancelled'] }] } });
    expect(exported.objects.map(({ id }) => id)).toEqual(['o1', 'o2']);
    expect(exported.events).toEqual([{ id: 'new', type: 'Cancelled', time: '2022-01-01T00:00:00Z', attributes: [], relationships: [{ objectId: 'o1', qualifier: 'Order' }] }]);
  });
});

describe('exporting any store as OCEL', () => {
  const timestamp = '2024-05-06T07:08:09.5Z';

  test('makes objects of tags and typed attributes of data', async () => {
    const store = openMemoryStore();
    await store.append([
      { id: '1', type: 'A', tags: ['course:c1', 'student:s1', 'vip', 'odd:', ':odd'], data: { n: 1, x: 0.5, ok: true, at: timestamp, s: 'text', nested: { a: [1] }, none: null }, timestamp },
      { id: '2', type: 'A', tags: ['course:c1'], data: { n: 2.5, x: 3, ok: false, at: 'later', s: 7, nested: 'plain' }, timestamp },
      { id: '3', type: 'B', data: 'just text', timestamp },
      { id: '4', type: 'C', data: [1, 2], timestamp },
      { id: '5', type: 'D', data: null, timestamp },
    ]);
    const ocel = await exportOcel(store);
    expect(ocel.objects).toEqual([
      { id: 'c1', type: 'course', attributes: [], relationships: [] },
      { id: 's1', type: 'student', attributes: [], relationships: [] },
      { id: 'vip', type: 'tag', attributes: [], relationships: [] },
      { id: 'odd:', type: 'tag', attributes: [], relationships: [] },
      { id: ':odd', type: 'tag', attributes: [], relationships: [] },
    ]);
    expect(ocel.objectTypes.map(({ name }) => name)).toEqual(['course', 'student', 'tag']);
    expect(ocel.eventTypes[0]).toEqual({
      name: 'A',
      attributes: [
        { name: 'n', type: 'float' },
        { name: 'x', type: 'float' },
        { name: 'ok', type: 'boolean' },
        { name: 'at', type: 'string' },
        { name: 's', type: 'string' },
        { name: 'nested', type: 'string' },
      ],
    });
    expect(Object.fromEntries(ocel.events[0]!.attributes!.map(({ name, value }) => [name, value]))).toEqual({ n: 1, x: 0.5, ok: true, at: timestamp, s: 'text', nested: '{"a":[1]}' });
    expect(ocel.events[1]!.attributes!.find(({ name }) => name === 's')!.value).toBe('7');
    expect(ocel.events[0]).toMatchObject({ id: '1', time: timestamp, relationships: [{ objectId: 'c1', qualifier: 'course' }, { objectId: 's1', qualifier: 'student' }, { objectId: 'vip', qualifier: 'tag' }, {}, {}] });
    expect(ocel.events.slice(2).map(({ attributes }) => attributes)).toEqual([[{ name: 'value', value: 'just text' }], [{ name: 'value', value: '[1,2]' }], []]);
  });

  test('uses the whole tag as id where several types share the id', async () => {
    const store = openMemoryStore();
    await store.append({ type: 'A', tags: ['course:1', 'student:1', 'student:2'], data: null });
    const { objects, events } = await exportOcel(store);
    expect(objects.map(({ id, type }) => [id, type])).toEqual([
      ['course:1', 'course'],
      ['student:1', 'student'],
      ['2', 'student'],
    ]);
    expect(events[0]!.relationships!.map(({ objectId }) => objectId)).toEqual(['course:1', 'student:1', '2']);
    await expect(imported({ objects, events, objectTypes: [], eventTypes: [] })).resolves.toBeDefined();
  });

  test('keeps an event of the reserved type that describes no log', async () => {
    const store = openMemoryStore();
    await store.append({ type: 'ocel:log', data: { made: 'by hand' } });
    expect((await exportOcel(store)).events).toHaveLength(1);
  });

  test('of an empty store is an empty log', async () => {
    expect(await exportOcel(openMemoryStore())).toEqual({ objectTypes: [], eventTypes: [], objects: [], events: [] });
  });

  test('sees one snapshot, whatever is appended meanwhile', async () => {
    const store = openMemoryStore();
    await store.append([{ type: 'A', tags: ['a:1'], data: null }]);
    let text = '';
    let late = 0;
    for await (const piece of exportEvents(store, { format: 'ocel', onProgress: () => void store.append({ type: `Late${late++}`, tags: [`late:${late}`], data: null }) })) {
      await store.append({ type: 'Late', tags: ['late:x'], data: null });
      text += piece;
    }
    expect((JSON.parse(text) as Ocel).events).toHaveLength(1);
    expect((JSON.parse(text) as Ocel).objects).toHaveLength(1);
  });
});

describe('exporting as NDJSON', () => {
  test('writes all that an event has, in order, within bounds', async () => {
    const store = openMemoryStore();
    await store.append(Array.from({ length: 5 }, (_, i) => ({ type: i % 2 ? 'Odd' : 'Even', tags: [`n:${i}`], data: { i }, id: `e${i}`, metadata: { m: i }, timestamp: '2020-01-01T00:00:00Z' })));
    const rows = (await textOf(exportEvents(store, { after: 1, before: 5, query: { items: [{ types: ['Odd'] }] } }))).split('\n').slice(0, -1);
    expect(rows.map((row) => JSON.parse(row) as unknown)).toEqual([
      { position: 2, id: 'e1', type: 'Odd', tags: ['n:1'], data: { i: 1 }, metadata: { m: 1 }, timestamp: '2020-01-01T00:00:00Z' },
      { position: 4, id: 'e3', type: 'Odd', tags: ['n:3'], data: { i: 3 }, metadata: { m: 3 }, timestamp: '2020-01-01T00:00:00Z' },
    ]);
  });

  test('refuses wrong use at once and ends on abort', async () => {
    const store = openMemoryStore();
    await store.append({ type: 'A', data: 1 });
    expect(() => exportEvents(store, { format: 'csv' as 'ocel' })).toThrow(/options\.format/);
    expect(() => exportEvents(store, { query: { items: [] } })).toThrow(/query\.items is empty/);
    await expect(textOf(exportEvents(store, { signal: AbortSignal.abort(new Error('stop')) }))).rejects.toThrow('stop');
  });
});

describe('times', () => {
  test.each([
    ['2022-01-09T14:00:00+00:00', '2022-01-09T14:00:00Z'],
    ['2022-01-09T14:00:00.120Z', '2022-01-09T14:00:00.120Z'],
    ['2021-12-31T23:30:00-01:00', '2022-01-01T00:30:00Z'],
    ['2022-03-01 00:30:00,5+0100', '2022-02-28T23:30:00.5Z'],
    ['2022-03-01T00:30', '2022-03-01T00:30:00Z'],
    ['2022-03-01', '2022-03-01T00:00:00Z'],
    ['2022-03-01T00:00:00.1234567891234Z', '2022-03-01T00:00:00.123456789Z'],
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:60Z'],
    ['0001-01-01T00:00:00+01:00', '0000-12-31T23:00:00Z'],
    ['2022-02-29T00:00:00Z', undefined],
    ['2022-13-01T00:00:00Z', undefined],
    ['2022-01-01T24:00:00Z', undefined],
    ['0000-01-01T00:00:00+01:00', undefined],
    ['yesterday', undefined],
    ['', undefined],
  ])('%s is %s', (written, utc) => {
    expect(toUtc(written)).toBe(utc);
  });
});

const data = process.env['OPOSSUM_DATA'];

describe.skipIf(!data)(`the procurement log${data ? '' : ' (skipped: OPOSSUM_DATA names no folder with it)'}`, () => {
  const original = (): Ocel => JSON.parse(fs.readFileSync(path.join(data ?? '', 'procurement.ocel.json'), 'utf8')) as Ocel;

  test('survives import, export and import', async () => {
    const first = openMemoryStore();
    expect(await importEvents(first, fs.createReadStream(path.join(data ?? '', 'procurement.ocel.json')))).toEqual({ imported: 13, present: 0, descriptions: 1 });
    const exported = await exportOcel(first);
    expect(sorted(exported)).toEqual(sorted(original()));
    const second = openMemoryStore();
    await importEvents(second, JSON.stringify(exported));
    expect(sorted(await exportOcel(second))).toEqual(sorted(original()));
  });

  test('can be asked for an object', async () => {
    const store = await imported(original());
    expect((await store.read({ items: [{ tags: ['Purchase Order:PO2'] }] }).toArray()).map(({ id }) => id)).toEqual(
      original().events.filter(({ relationships = [] }) => relationships.some(({ objectId }) => objectId === 'PO2')).map(({ id }) => id),
    );
  });
});

describe.skipIf(!data)(`the permits log${data ? '' : ' (skipped: OPOSSUM_DATA names no folder with it)'}`, () => {
  test('comes out as it went in', async () => {
    const text = fs.readFileSync(path.join(data ?? '', 'permits.ndjson'), 'utf8');
    const store = openMemoryStore();
    expect(await importEvents(store, fs.createReadStream(path.join(data ?? '', 'permits.ndjson')))).toMatchObject({ imported: 8577, present: 0 });
    const exported = (await textOf(exportEvents(store))).trimEnd().split('\n');
    const meaning = (row: string): unknown => {
      const { position: _, timestamp: __, ...event } = JSON.parse(row) as Record<string, unknown>;
      return event;
    };
    expect(exported.map(meaning)).toEqual(text.trimEnd().split('\n').map(meaning));
  });
});
