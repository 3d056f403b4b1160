import assert from 'node:assert/strict';
import type { EventStore } from '../../core/event-store.js';
import type { JsonObject, JsonValue } from '../../core/event.js';
import { group } from './case.js';
import { assertMatches, event, fill, positions, refusal, repeated, tagged, typed } from './tools.js';

/** Strings that a store which made file names, keys or patterns of them would confuse; all differ from each other. */
export const hostileTexts: readonly string[] = [
  'plain', 'Plain', 'PLAIN', '.', '..', '../..', '../../etc/passwd', '/', '//', '/plain', 'plain/', '\\', 'C:\\plain', '\\\\server\\share',
  '\0', 'plain\0', 'a\0b', 'CON', 'con', 'NUL', 'aux.txt', 'COM1', 'LPT1.', 'plain.', 'plain..', 'plain ', ' plain', ' ', '\t', '\n',
  '\r\n', '\u007f', '\u0001', '\u200b',
  '\ufeff', '\ufeffplain', '\u00e9', 'e\u0301', '\u212b', '\u00c5', 'A\u030a', 'ß', 'ss', 'ı', 'i', 'İ', 'K', '\u212a', '💥', '👩‍👩‍👧',
  '🏳️‍🌈', '\u{10ffff}', '\uffff', '中文', 'العربية', '\u202eplain',
  '*', '?', '[a]', '{a,b}', '**', '!', '%2e%2e', '%', '$HOME', '`id`', "'", '"', '\'; DROP TABLE events; --', '<a>', '&amp;', '|', '&&',
  '-rf', '--', '~', '#',
  'null', 'undefined', 'true', '0', '-1', '1e3', '[]', '{}', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'all', 'a:b', 'a=b',
  'a,b', 'tag:plain', 'type:plain',
  'x'.repeat(255), 'x'.repeat(254) + 'y', 'é'.repeat(127), '💥'.repeat(63),
];

/** The longest texts that are allowed for types and tags; ids end earlier. */
const longTexts: readonly string[] = ['x'.repeat(1024), 'x'.repeat(1023) + 'y', 'y' + 'x'.repeat(1023), '€'.repeat(341) + 'x', '💥'.repeat(256), '\0'.repeat(1024)];

/** What JSON can hold. */
export const jsonValues: readonly JsonValue[] = [
  null, true, false, 0, 1, -1, 0.1, -0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2 ** 31, -(2 ** 31),
  2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 53 - 1, 2 ** 63, 2 ** 64, 123456789.12345679, 255, 256, 65535, 65536,
  '', ' ', '\0', '\ufeff', '\ufeff{"a":1}', '\u2028\u2029', '"\\/\b\f\n\r\t', '\u{1f4a5}', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(255),
  'x'.repeat(256), 'x'.repeat(65_535), 'x'.repeat(65_536), '€'.repeat(30_000), '\u0001'.repeat(5000),
  [], [[]], [[], {}], {}, { a: {} }, { a: [] }, [null], [0], [''], [false], [[[[[[1]]]]]], Array.from({ length: 15 }, (_, i) => i),
  Array.from({ length: 16 }, (_, i) => i), Array.from({ length: 70_000 }, (_, i) => i % 7),
  { '': 1 }, { ' ': 1, '\0': 2, '\ufeff': 3, '💥': 4, 'a.b': 5, '[0]': 6 },
  { constructor: 1, toString: 2, hasOwnProperty: 3, valueOf: 4, toJSON: 5, then: 6, length: 7, prototype: 8 },
  { constructor: { name: 'Date' } },
  { 2: 'two', 1: 'one', b: 1, a: 2, '-1': 3, '01': 4, '4294967295': 5 },
  { type: 'x', data: 1, tags: ['y'], id: 'z', position: -1, metadata: {}, timestamp: 'now' },
  Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key${i}`, i])), { e: '\u00e9', 'e\u0301': 1, '\u00e9': 2 },
  JSON.parse(`${'{"a":['.repeat(255)}${']}'.repeat(255)}`) as JsonValue,
];

export const plainDataGroup = group('plain data', {
  'hostile types stay distinct': async ({ store }) => {
    await appendHostileTypes(store);
    await assertHostileTypes(store);
  },

  'hostile tags stay distinct': async ({ store }) => {
    await appendHostileTags(store);
    await assertHostileTags(store);
  },

  'hostile ids stay distinct': async ({ store }) => {
    for (const id of hostileTexts) await store.append({ ...event('A', [], id), id });
    assert.deepEqual((await store.read().toArray()).map(({ id }) => id), hostileTexts);
    for (const [i, id] of hostileTexts.entries()) assert.deepEqual(await store.append({ ...event('A', [], id), id }), repeated(i + 1));
    assert.equal(await store.head(), hostileTexts.length);
  },

  'data and metadata come back as they were': async ({ store }) => {
    await appendValues(store);
    await assertValues(store);
  },
});

export const plainDataReopenedGroup = group(
  'plain data, reopened',
  {
    'hostile types and tags stay distinct': async ({ store, reopen }) => {
      await appendHostileTypes(store);
      const types = await store.head();
      await assertHostileTypes(await reopen());
      assert.equal(types, hostileTexts.length + longTexts.length);
    },

    'hostile tags stay distinct': async ({ store, reopen }) => {
      await appendHostileTags(store);
      await assertHostileTags(await reopen());
    },

    'data and metadata come back as they were': async ({ store, reopen }) => {
      await appendValues(store);
      await assertValues(await reopen());
    },
  },
  'reopen',
);

const texts = [...hostileTexts, ...longTexts];

async function appendHostileTypes(store: EventStore): Promise<void> {
  await fill(store, texts.map((type) => event(type)));
}

async function assertHostileTypes(store: EventStore): Promise<void> {
  assert.deepEqual((await store.read().toArray()).map(({ type }) => type), texts);
  for (const [i, type] of texts.entries()) {
    await assertMatches(store, typed(type), [i + 1], JSON.stringify(type));
    const { details } = await refusal(store.append(event('A'), { failIfEventsMatch: typed(type) }), 'APPEND_CONDITION_FAILED');
    assert.deepEqual([details.position, details.type], [i + 1, type]);
  }
}

async function appendHostileTags(store: EventStore): Promise<void> {
  await fill(store, texts.map((tag) => event('A', ['shared', tag])));
}

async function assertHostileTags(store: EventStore): Promise<void> {
  assert.deepEqual((await store.read().toArray()).map(({ tags }) => tags[1]), texts);
  for (const [i, tag] of texts.entries()) await assertMatches(store, tagged(tag, 'shared'), [i + 1], JSON.stringify(tag));
  assert.equal((await positions(store.read(tagged('shared')))).length, texts.length);
}

async function appendValues(store: EventStore): Promise<void> {
  for (const value of jsonValues) await store.append({ type: 'A', data: value, metadata: { value } as JsonObject });
}

async function assertValues(store: EventStore): Promise<void> {
  const stored = await store.read().toArray();
  assert.equal(stored.length, jsonValues.length);
  for (const [i, value] of jsonValues.entries()) {
    assert.deepEqual(stored[i]?.data, value);
    assert.deepEqual(stored[i]?.metadata, { value });
    if (typeof value === 'object' && value !== null) assert.deepEqual(Object.keys(stored[i]?.data as object), Object.keys(value));
  }
}
