import assert from 'node:assert/strict';
import type { InvalidInputError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { group } from './case.js';
import { appended, assertMatches, event, positions, range, refusal, repeated, tagged } from './tools.js';

export const limitGroup = group('limits', {
  '255 tags of 1,024 bytes are stored and found': async ({ store }) => {
    const tags = range(1, limits.tags).map((n) => `${n}:`.padEnd(limits.tagBytes, 'x'));
    await store.append([event('A', tags), event('A', tags.slice(1))]);
    assert.deepEqual((await store.read().first())?.tags, tags);
    await assertMatches(store, { items: [{ tags }] }, [1]);
    await assertMatches(store, { items: [{ tags: tags.slice(1) }] }, [1, 2]);
    await assertMatches(store, tagged(tags.at(-1)!), [1, 2]);
  },

  'duplicates do not count as tags': async ({ store }) => {
    const tags = range(1, limits.tags).flatMap((n) => [`t${n}`, `t${n}`]);
    await store.append(event('A', tags));
    assert.equal((await store.read().first())?.tags.length, limits.tags);
  },

  'a type of 1,024 bytes and an id of 255 bytes are stored': async ({ store }) => {
    const [type, id] = ['€'.repeat(341) + 'x', 'é'.repeat(127) + 'x'];
    await store.append({ type, id, data: null });
    const stored = await store.read().first();
    assert.deepEqual([stored?.type, stored?.id], [type, id]);
  },

  'an event above 16 MiB is refused': async ({ store }) => {
    assertPath(await refusal(store.append(event('A', [], 'x'.repeat(limits.eventBytes))), 'INVALID_INPUT'), 'events[0]');
    // Fewer characters than bytes.
    assertPath(await refusal(store.append([event('A'), event('A', [], '€'.repeat(limits.eventBytes / 3))]), 'INVALID_INPUT'), 'events[1]');
    assertPath(await refusal(store.append({ ...event('A'), metadata: { text: '\u0001'.repeat(limits.eventBytes / 6) } }), 'INVALID_INPUT'), 'events[0]');
    assert.equal(await store.head(), 0);
  },

  'a condition of nearly 1 MiB is checked': async ({ store }) => {
    await store.append(event('A', ['needle']));
    const hay = range(1, 1000).map((n) => ({ tags: [`${n}:`.padEnd(limits.tagBytes, 'x')] }));
    assert.deepEqual(await store.append(event('B'), { failIfEventsMatch: { items: hay } }), appended(2));
    await refusal(store.append(event('B'), { failIfEventsMatch: { items: [...hay, { tags: ['needle'] }] } }), 'APPEND_CONDITION_FAILED');
  },

  'small objects that add up without end are refused': async ({ store }) => {
    let data: object = {};
    for (let level = 0; level < 40; level++) data = { left: data, right: data };
    const error = await refusal(store.append({ type: 'A', data: data as never }), 'INVALID_INPUT');
    assert.match((error as InvalidInputError).path, /^events\[0\]/);
  },
});

export const largeBatchGroup = group(
  'large batches',
  {
    '100,000 events are one batch': async ({ store }) => {
      await store.append(event('Before'));
      const batch = range(1, limits.batchEvents).map((n) => event('Counted', n % 1000 ? [] : ['thousands'], { n }));
      assert.deepEqual(await store.append(batch), appended(2, 100_001));
      assert.equal(await store.head(), 100_001);
      assert.deepEqual((await positions(store.read(tagged('thousands')))).length, 100);
      assert.deepEqual((await store.read('all', { backwards: true }).first())?.data, { n: 100_000 });
      let next = 1;
      for await (const { position } of store.read()) assert.equal(position, next++);
      assert.equal(next, 100_002);
    },

    'thousands of ids in one batch stay known': async ({ store }) => {
      const many = range(1, 5000).map((n) => ({ ...event('A', [], { n }), id: `id-${n}` }));
      await store.append(many.slice(0, 2500));
      await store.append(many.slice(2500));
      assert.deepEqual(await store.append(many), repeated(1, 5000));
    },

    'an event of nearly 16 MiB is stored': async ({ store }) => {
      const text = 'x'.repeat(limits.eventBytes - 1024);
      await store.append(event('A', [], { text }));
      assert.deepEqual((await store.read().first())?.data, { text });
    },

    'a batch above 64 MiB is refused': async ({ store }) => {
      const large = event('A', [], 'x'.repeat(15 * 1024 * 1024));
      assertPath(await refusal(store.append([large, large, large, large, large]), 'INVALID_INPUT'), 'events');
      assert.equal(await store.head(), 0);
    },

    'a batch of nearly 64 MiB is stored': async ({ store }) => {
      const batch = range(1, 4).map((n) => event('A', [], `${n}`.padEnd(15.9 * 1024 * 1024, 'x')));
      assert.deepEqual(await store.append(batch), appended(1, 4));
      let n = 1;
      for await (const { data } of store.read()) assert.equal((data as string)[0], `${n++}`);
    },
  },
  'largeBatches',
);

function assertPath(error: unknown, path: string): void {
  assert.equal((error as InvalidInputError).path, path);
}
