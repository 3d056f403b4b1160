import assert from 'node:assert/strict';
import { group } from './case.js';
import { appended, event, events, positions, range, refusal } from './tools.js';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const appendGroup = group('appends', {
  'positions start at 1 and have no gaps': async ({ store }) => {
    assert.deepEqual(await store.append(event('A')), appended(1));
    assert.deepEqual(await store.append(events(3)), appended(2, 4));
    assert.deepEqual(await store.append([event('B')]), appended(5));
    assert.equal(await store.head(), 5);
    assert.deepEqual(await positions(store.read()), [1, 2, 3, 4, 5]);
  },

  'what is left out gets its default': async ({ store }) => {
    await store.append({ type: 'A', data: { n: 1 } });
    const stored = await store.read().first();
    assert.ok(stored);
    const { id, timestamp, ...rest } = stored;
    assert.deepEqual(rest, { position: 1, type: 'A', data: { n: 1 }, tags: [], metadata: {} });
    assert.match(id, uuid);
    assert.equal(new Date(timestamp).toISOString(), timestamp);
  },

  'what is given is kept as it is': async ({ store }) => {
    const given = { type: 'A', data: [1, 'two'], tags: ['b', 'a'], id: 'my id', metadata: { user: 'u1', deep: { n: [null] } }, timestamp: '2001-02-03T04:05:06.123456789Z' };
    await store.append(given);
    assert.deepEqual(await store.read().toArray(), [{ ...given, position: 1 }]);
  },

  'time stamps of any precision are kept, a leap second too': async ({ store }) => {
    const timestamps = ['2016-12-31T23:59:60Z', '2024-02-29T00:00:00Z', '0001-01-01T00:00:00.0Z', '9999-12-31T23:59:59.999999999Z'];
    await store.append(timestamps.map((timestamp) => ({ ...event('A'), timestamp })));
    assert.deepEqual((await store.read().toArray()).map(({ timestamp }) => timestamp), timestamps);
  },

  'fields and properties that are undefined count as absent': async ({ store }) => {
    const sparse = { type: 'A', data: { kept: 1, left: undefined, deep: { left: undefined } }, tags: undefined, id: undefined, metadata: undefined, timestamp: undefined };
    await store.append(sparse as never);
    const stored = await store.read().first();
    assert.deepEqual(stored?.data, { kept: 1, deep: {} });
    assert.deepEqual(Object.keys(stored?.data as object), ['kept', 'deep']);
    assert.deepEqual(stored?.tags, []);
    assert.match(stored?.id ?? '', uuid);
  },

  'duplicate tags are removed and the order is kept': async ({ store }) => {
    await store.append(event('A', ['b', 'a', 'b', 'c', 'a']));
    assert.deepEqual((await store.read().first())?.tags, ['b', 'a', 'c']);
  },

  'events without an id are never taken for repetitions': async ({ store }) => {
    const same = event('A', ['x'], { n: 1 });
    await store.append(same);
    await store.append([same, same]);
    const ids = (await store.read().toArray()).map(({ id }) => id);
    assert.equal(new Set(ids).size, 3);
  },

  'a batch with one bad event appends nothing': async ({ store }) => {
    const batch = [...events(3), { type: 'Bad', data: undefined as never }];
    await refusal(store.append(batch), 'INVALID_INPUT');
    assert.equal(await store.head(), 0);
    assert.deepEqual(await store.append(event('A')), appended(1));
  },

  'what the caller does to the events after the call does not matter': async ({ store }) => {
    const data = { list: [1], text: 'before' };
    const tags = ['x'];
    const metadata = { user: 'u1' };
    const batch = [{ type: 'A', tags, data, metadata }];
    const append = store.append(batch);
    data.list.push(2);
    data.text = 'after';
    tags.push('y');
    metadata.user = 'u2';
    batch.push({ type: 'B', tags, data, metadata });
    assert.deepEqual(await append, appended(1));
    data.text = 'later';
    const [stored, ...more] = await store.read().toArray();
    assert.deepEqual([stored?.data, stored?.tags, stored?.metadata], [{ list: [1], text: 'before' }, ['x'], { user: 'u1' }]);
    assert.deepEqual(more, []);
  },

  'a property that answers differently each time is read once': async ({ store }) => {
    let reads = 0;
    const data = {
      get n() {
        return reads++ === 0 ? 1 : () => undefined;
      },
    };
    await store.append({ type: 'A', data: data as never });
    assert.deepEqual((await store.read().first())?.data, { n: 1 });
  },

  'batches appended together lie together and leave no gap': async ({ store }) => {
    const sizes = range(1, 30).map((n) => (n % 5) + 1);
    const results = await Promise.all(sizes.map((size, n) => store.append(events(size, `Batch${n}`))));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.deepEqual(results.map(({ first, last }) => last - first + 1), sizes);
    assert.deepEqual(results.flatMap(({ first, last }) => range(first, last)).sort((a, b) => a - b), range(1, total));
    const stored = await store.read().toArray();
    for (const [n, { first, last }] of results.entries()) {
      assert.deepEqual(stored.slice(first - 1, last).map(({ type, data }) => [type, data]), range(1, last - first + 1).map((i) => [`Batch${n}`, { n: i }]));
    }
  },

  'calls made one after another without waiting keep their order': async ({ store }) => {
    const results = await Promise.all(range(1, 50).map((n) => store.append(event('A', [], { n }))));
    assert.deepEqual(results.map(({ first }) => first), range(1, 50));
  },

  'what was appended is read at once': async ({ store }) => {
    for (const n of range(1, 20)) {
      const { last } = await store.append(event('A', [`n:${n}`], { n }));
      assert.deepEqual(await positions(store.read({ items: [{ tags: [`n:${n}`] }] })), [last]);
      assert.equal(await store.head(), last);
    }
  },
});
