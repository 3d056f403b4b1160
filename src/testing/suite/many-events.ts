/* Queries and conditions over so many events that a store keeps them in several places: the answers of an array, filtered. */
import assert from 'node:assert/strict';
import type { AppendConditionFailedError } from '../../core/errors.js';
import type { EventStore, ReadOptions } from '../../core/event-store.js';
import type { NewEvent } from '../../core/event.js';
import { matchesQuery, type Query } from '../../core/query.js';
import { group } from './case.js';
import { appended, event, fill, range, refusal, tagged, typed } from './tools.js';

const count = 3000;

/** Common and rare tags, some only near the beginning, the middle or the end. */
const many: readonly NewEvent[] = range(1, count).map((n) =>
  event(n % 10 ? 'Common' : 'Rare', [`mod7:${n % 7}`, ...(n % 500 === 0 ? ['landmark'] : []), ...(n <= 20 ? ['early'] : []), ...(n > count - 20 ? ['late'] : []), ...(n === 1500 ? ['single'] : [])]),
);

const queries: readonly Query[] = [
  typed('Rare'),
  tagged('mod7:3'),
  tagged('landmark'),
  tagged('early'),
  tagged('late'),
  tagged('landmark', 'mod7:3'),
  { items: [{ types: ['Rare'], tags: ['mod7:0'] }, { tags: ['single'] }, { tags: ['early', 'mod7:1'] }] },
  { items: [{ types: ['Unknown'] }, { tags: ['late'] }] },
];

const bounds: readonly ReadOptions[] = [{}, { after: 1499, before: 1501 }, { after: 2000, limit: 7 }, { before: 2500, limit: 2 }];

const title = 'queries and conditions find what they would find in an array';

export const manyEventsGroup = group('many events', {
  [title]: async ({ store }) => {
    await fill(store, many);
    await assertQueries(store);
    await assertConditions(store);
  },
});

export const manyEventsReopenedGroup = group(
  'many events, reopened',
  {
    [title]: async ({ store, reopen }) => {
      await fill(store, many);
      const again = await reopen();
      await assertQueries(again);
      await assertConditions(again);
    },
  },
  'reopen',
);

function matches(query: Query, { after = 0, before = Infinity }: ReadOptions = {}): number[] {
  return range(1, count).filter((position) => position > after && position < before && matchesQuery(query, { type: many[position - 1]!.type, tags: many[position - 1]!.tags ?? [] }));
}

async function assertQueries(store: EventStore): Promise<void> {
  for (const query of queries) {
    for (const options of bounds) {
      for (const backwards of [false, true]) {
        const all = matches(query, options);
        const expected = (backwards ? all.reverse() : all).slice(0, options.limit ?? Infinity);
        const found = await store.read(query, { ...options, backwards }).toArray();
        assert.deepEqual(found.map(({ position }) => position), expected, JSON.stringify({ query, options, backwards }));
      }
    }
  }
}

async function assertConditions(store: EventStore): Promise<void> {
  for (const failIfEventsMatch of queries) {
    for (const after of [0, 19, 1499, 2979]) {
      const [first] = matches(failIfEventsMatch, { after });
      if (first === undefined) continue;
      const error = (await refusal(store.append(event('Next'), { failIfEventsMatch, after }), 'APPEND_CONDITION_FAILED')) as AppendConditionFailedError;
      assert.equal(error.position, first, JSON.stringify({ failIfEventsMatch, after }));
    }
  }
  assert.deepEqual(await store.append(event('Next'), { failIfEventsMatch: { items: [{ tags: ['early'] }, { tags: ['single'] }] }, after: 1500 }), appended(count + 1));
}
