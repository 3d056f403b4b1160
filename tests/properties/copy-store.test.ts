/*
 * goal: however often a copy is interrupted, and whatever the batches are, its target holds a beginning of the source at every moment, and all of it at last.
 * method: random batches, queries, bounds and batch sizes; the target fails after a random number of appends, before or after the append was stored (fast-check).
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copyStore, matchesQuery, openMemoryStore, type EventStore } from '../../src/index.js';
import { eventArb, queryArb } from './arbitraries.js';

type Failure = { readonly append: number; readonly isStored: boolean };

test('a copy that fails again and again is a beginning of its source, and becomes whole', async () => {
  let [interruptions, copies] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(eventArb, { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
      fc.oneof(fc.constant('all' as const), queryArb),
      fc.nat({ max: 5 }),
      fc.integer({ min: 1, max: 7 }),
      fc.boolean(),
      fc.array(fc.record({ append: fc.nat({ max: 3 }), isStored: fc.boolean() }), { maxLength: 4 }),
      async (batches, query, bound, batchSize, splitBatches, failures) => {
        const from = openMemoryStore();
        for (const batch of batches) await from.append(batch);
        const after = Math.min(bound, await from.head());
        const events = (await from.read('all', { after }).toArray()).filter((event) => matchesQuery(query, event));
        const expected = events.map((event, i) => ({ ...event, position: i + 1 }));

        const to = openMemoryStore();
        const options = { query, after, batchSize, splitBatches };
        for (const failure of failures) {
          const outcome = await copyStore(from, failing(to, failure), options).then(
            () => 'done',
            (error: Error) => error.message,
          );
          expect(['done', 'unplugged']).toContain(outcome);
          if (outcome === 'unplugged') interruptions++;
          expect(await to.read().toArray()).toEqual(expected.slice(0, await to.head()));
        }
        const held = await to.head();
        expect(await copyStore(from, to, options)).toEqual({ copied: expected.length - held, present: held, position: await from.head() });
        expect(await to.read().toArray()).toEqual(expected);
        copies++;
      },
    ),
    { numRuns: 150 },
  );
  // Else nothing was interrupted.
  expect(interruptions).toBeGreaterThan(copies / 4);
});

/** The same store, one append of which fails: `isStored` says whether that one was stored all the same. */
function failing(store: EventStore, { append, isStored }: Failure): EventStore {
  let appends = 0;
  return {
    read: store.read.bind(store),
    subscribe: store.subscribe.bind(store),
    head: store.head.bind(store),
    state: store.state,
    close: store.close.bind(store),
    [Symbol.asyncDispose]: store[Symbol.asyncDispose].bind(store),
    append: async (...call) => {
      const fails = appends++ === append;
      if (fails && !isStored) throw new Error('unplugged');
      const result = await store.append(...call);
      if (fails) throw new Error('unplugged');
      return result;
    },
  };
}
