import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineEvent, matchesQuery, mergeQueries, query, tag, type Query } from '../../src/index.js';

const Defined = defineEvent('Defined', z.object({ id: z.string() }), { tags: ({ id }) => ({ course: id }) });
const Renamed = defineEvent('Renamed', z.object({ id: z.string() }), { tags: ({ id }) => ({ course: id }) });

test('a typed query is a plain one', () => {
  expect(query({ events: [Defined, Renamed, Defined], tags: [tag('course', 'c1')] })).toEqual({ items: [{ types: ['Defined', 'Renamed'], tags: ['course:c1'] }] });
  expect(query({ events: [Defined] })).toEqual({ items: [{ types: ['Defined'] }] });
  expect(query({ tags: ['course:c1'] })).toEqual({ items: [{ tags: ['course:c1'] }] });
});

test('a query of nothing is refused', () => {
  expect(() => query({})).toThrow('neither types nor tags');
  expect(() => query({ events: [] })).toThrow('is empty');
  expect(() => query({ events: [Defined], tags: [] })).toThrow('is empty');
  expect(() => mergeQueries()).toThrow('Give at least one');
});

test('merging leaves out items that say the same', () => {
  const one = query({ events: [Defined, Renamed], tags: [tag('course', 'c1')] });
  const same = { items: [{ types: ['Renamed', 'Defined', 'Defined'], tags: ['course:c1'] }, { types: ['Renamed'] }] };
  expect(mergeQueries(one, same, one)).toEqual({ items: [{ types: ['Defined', 'Renamed'], tags: ['course:c1'] }, { types: ['Renamed'] }] });
  expect(mergeQueries(one, 'all')).toBe('all');
});

/*
 * goal: a merged query matches an event exactly if one of its parts does, and has no two items that say the same.
 * method: random queries and events over few types and tags (fast-check).
 */
test('merging changes nothing in what is matched', () => {
  const texts = (letters: string) => fc.uniqueArray(fc.constantFrom(...letters), { minLength: 1, maxLength: 3 });
  const item = fc.oneof(fc.record({ types: texts('AB'), tags: texts('xyz') }), fc.record({ types: texts('AB') }), fc.record({ tags: texts('xyz') }));
  const queries = fc.array(fc.record({ items: fc.array(item, { minLength: 1, maxLength: 3 }) }) as fc.Arbitrary<Query>, { minLength: 1, maxLength: 4 });
  const events = fc.array(fc.record({ type: fc.constantFrom('A', 'B', 'C'), tags: texts('xyz') }), { minLength: 1 });
  fc.assert(
    fc.property(queries, events, (parts, all) => {
      const merged = mergeQueries(...parts);
      for (const event of all) expect(matchesQuery(merged, event)).toBe(parts.some((part) => matchesQuery(part, event)));
      const said = merged === 'all' ? [] : merged.items.map(({ types, tags }) => JSON.stringify([types && [...types].sort(), tags && [...tags].sort()]));
      expect(new Set(said).size).toBe(said.length);
    }),
  );
});
