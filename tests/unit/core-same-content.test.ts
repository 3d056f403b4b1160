import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonValue } from '../../src/core/event.js';
import { sameContent, sameJson } from '../../src/core/same-content.js';
import { jsonArb } from '../properties/arbitraries.js';

const one = (data: JsonValue, tags: readonly string[] = [], type = 'A') => ({ type, tags, data });

test('tags are a set', () => {
  expect(sameContent(one(1, ['a', 'b']), one(1, ['b', 'a']))).toBe(true);
  expect(sameContent(one(1, ['a', 'b']), one(1, ['a']))).toBe(false);
  expect(sameContent(one(1, ['a', 'b']), one(1, ['a', 'c']))).toBe(false);
});

test('type and data count', () => {
  expect(sameContent(one(1), one(2))).toBe(false);
  expect(sameContent(one(1, [], 'A'), one(1, [], 'a'))).toBe(false);
});

test('keys in another order and undefined properties make no difference', () => {
  expect(sameJson({ a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 })).toBe(true);
  expect(sameJson({ a: 1, b: undefined }, { a: 1 })).toBe(true);
  expect(sameJson({ a: 1 }, { a: 1, b: undefined })).toBe(true);
});

const different: [JsonValue, JsonValue][] = [
  [{ a: 1 }, { b: 1 }],
  [{ a: 1 }, { a: 1, b: 2 }],
  [{ a: 1, b: 2 }, { a: 1 }],
  [{ a: null }, {}],
  [{}, []],
  [[], null],
  [{ 0: 'a' }, ['a']],
  [['a', 'b'], ['b', 'a']],
  [['a'], ['a', 'b']],
  [0, false],
  ['1', 1],
  [null, false],
  [{}, { constructor: Object.prototype.constructor.name }],
  [{ toString: 'x' }, {}],
];
test.each(different)('%j and %j differ', (a, b) => {
  expect(sameJson(a, b)).toBe(false);
  expect(sameJson(b, a)).toBe(false);
});

test('random values equal their copies, and others only when their text is the same', () => {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? ['object', ...Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))] : value;
  fc.assert(
    fc.property(jsonArb, jsonArb, (a, b) => {
      expect(sameJson(a, JSON.parse(JSON.stringify(a)) as JsonValue)).toBe(true);
      expect(sameJson(a, b)).toBe(JSON.stringify(a, sorted) === JSON.stringify(b, sorted));
    }),
    { numRuns: 1000 },
  );
});
