/*
 * Goal: any OCEL 2.0 log comes out of a store as it went in, and any store gives a valid log that can be imported.
 * Method: random logs and random events through import and export on the memory store, in random batches and interruptions.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exportEvents, importEvents, openMemoryStore, type NewEvent } from '../../src/index.js';
import { exportOcel, sorted, textOf, type Ocel } from '../support/ocel.js';

const seed = Number(process.env['FC_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`tests/properties/ocel.test.ts: seed ${seed} (FC_SEED repeats it)`);
const runs = { seed, numRuns: 300 };

const name = fc.oneof(fc.constantFrom('a', 'a:b', 'b', 'Purchase Order', ':', '1', 'ocel', 'constructor'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 })).filter((text) => text !== '__proto__');
const value = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)), fc.boolean());
const two = (n: number): string => String(n).padStart(2, '0');
const time = fc
  .tuple(fc.integer({ min: 1000, max: 9000 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.constantFrom('', '.5', '.123456', '.000000000001'), fc.constantFrom('Z', '+00:00', '-11:30', '+0545', ''))
  .map(([year, month, day, hour, minute, fraction, offset]) => `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:07${fraction}${offset}`);

const typeList = fc.uniqueArray(fc.record({ name, attributes: fc.uniqueArray(fc.record({ name, type: fc.constantFrom('string', 'time', 'integer', 'float', 'boolean') }), { selector: (one) => one.name, maxLength: 3 }) }), { selector: (one) => one.name, maxLength: 3 });

/** A log as the standard has it: types declared, relationships to objects that exist. */
const log: fc.Arbitrary<Ocel> = fc
  .record({ objectTypes: typeList, eventTypes: typeList, ids: fc.uniqueArray(name, { maxLength: 6 }) })
  .chain(({ objectTypes, eventTypes, ids }) => {
    const objectIds = objectTypes.length === 0 ? [] : ids;
    const relationships = objectIds.length === 0 ? fc.constant([]) : fc.array(fc.record({ objectId: fc.constantFrom(...objectIds), qualifier: fc.string({ maxLength: 5 }) }), { maxLength: 4 });
    const objects = fc.tuple(
      ...objectIds.map((id) =>
        fc.constantFrom(...objectTypes).chain((type) =>
          fc.record(
            { id: fc.constant(id), type: fc.constant(type.name), attributes: type.attributes.length === 0 ? fc.constant([]) : fc.array(fc.record({ name: fc.constantFrom(...type.attributes.map((one) => one.name)), time, value }), { maxLength: 4 }), relationships },
            { requiredKeys: ['id', 'type'] },
          ),
        ),
      ),
    );
    const event = (type: Ocel['eventTypes'][number]) =>
      fc.record({
        id: fc.uuid(),
        type: fc.constant(type.name),
        time,
        attributes: fc.subarray(type.attributes).chain((chosen) => fc.tuple(...chosen.map((one) => value.map((v) => ({ name: one.name, value: v }))))),
        relationships,
      });
    const events = eventTypes.length === 0 ? fc.constant([]) : fc.uniqueArray(fc.constantFrom(...eventTypes).chain(event), { selector: (one) => one.id, maxLength: 8 });
    return fc.record({ objectTypes: fc.constant(objectTypes), eventTypes: fc.constant(eventTypes), objects: objects as fc.Arbitrary<Ocel['objects']>, events: events as fc.Arbitrary<Ocel['events']> });
  })
  // Two objects with one tag are refused, as a test of its own shows.
  .filter(({ objects }) => new Set(objects.map(({ type, id }) => `${type}:${id}`)).size === objects.length);

const tag = fc.oneof(fc.constantFrom('a:1', 'b:1', 'b:2', 'a:1:2', 'vip', ':x', 'x:', 'tag:vip'), name);
const newEvent: fc.Arbitrary<NewEvent> = fc.record(
  { id: fc.uuid(), type: name, tags: fc.uniqueArray(tag, { maxLength: 4 }), data: fc.jsonValue({ maxDepth: 2 }).map(withoutOddities), metadata: fc.constantFrom({}, { ocel: 1 }, { ocel: { relationships: [{ objectId: '1' }] } }, { user: 'u' }) },
  { requiredKeys: ['id', 'type', 'data'] },
) as fc.Arbitrary<NewEvent>;

/** What the store refuses: -0, and `__proto__` as a key. */
function withoutOddities(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json).replaceAll('__proto__', 'proto')) as unknown;
}

test('a log comes out as it went in, and again after a second trip', async () => {
  await fc.assert(
    fc.asyncProperty(log, fc.integer({ min: 1, max: 5 }), async (ocel, batchSize) => {
      const store = openMemoryStore();
      await importEvents(store, JSON.stringify(ocel), { batchSize, format: 'ocel' });
      const exported = await exportOcel(store);
      expect(sorted(exported)).toEqual(sorted(ocel));
      const again = openMemoryStore();
      await importEvents(again, JSON.stringify(exported), { format: 'ocel' });
      expect(sorted(await exportOcel(again))).toEqual(sorted(ocel));
    }),
    runs,
  );
});

test('any events give a valid log: unique ids, known objects, declared types and attributes; and it can be imported', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(newEvent, { selector: (one) => one.id, minLength: 1, maxLength: 8 }), async (events) => {
      const store = openMemoryStore();
      await store.append(events);
      const ocel = await exportOcel(store);
      expect(ocel.events.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      const ids = ocel.objects.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ocel.objectTypes.map((type) => type.name)).toEqual(expect.arrayContaining(ocel.objects.map(({ type }) => type)));
      for (const event of ocel.events) {
        expect(ids).toEqual(expect.arrayContaining(event.relationships!.map(({ objectId }) => objectId)));
        const declared = new Map(ocel.eventTypes.find((type) => type.name === event.type)!.attributes.map((one) => [one.name, one.type]));
        for (const attribute of event.attributes!) expect(fits(attribute.value, declared.get(attribute.name))).toBe(true);
      }
      expect(await importEvents(openMemoryStore(), JSON.stringify(ocel), { format: 'ocel' })).toMatchObject({ imported: events.length });
    }),
    runs,
  );
});

function fits(found: unknown, type: string | undefined): boolean {
  if (type === 'integer') return Number.isInteger(found);
  if (type === 'float') return typeof found === 'number';
  if (type === 'boolean') return typeof found === 'boolean';
  return typeof found === 'string' && (type === 'string' || type === 'time');
}

test('NDJSON copies a store exactly, however often the import is interrupted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(newEvent, { selector: (one) => one.id, minLength: 1, maxLength: 30 }), fc.array(fc.record({ batchSize: fc.integer({ min: 1, max: 12 }), stopAfter: fc.integer({ min: 1, max: 5 }) }), { maxLength: 4 }), async (events, attempts) => {
      const original = openMemoryStore();
      await original.append(events);
      const text = await textOf(exportEvents(original));
      const copy = openMemoryStore();
      for (const { batchSize, stopAfter } of attempts) {
        const stop = new AbortController();
        let batches = 0;
        const onProgress = (): void => {
          if (++batches === stopAfter) stop.abort(new Error('interrupted'));
        };
        await importEvents(copy, text, { batchSize, signal: stop.signal, onProgress }).catch((error: Error) => expect(error.message).toBe('interrupted'));
      }
      await importEvents(copy, text);
      expect(await copy.read().toArray()).toEqual(await original.read().toArray());
    }),
    runs,
  );
});
