import assert from 'node:assert/strict';
import type { ReadOptions } from '../../core/event-store.js';
import { matchesQuery, type Query } from '../../core/query.js';
import { group } from './case.js';
import { event, events, fill, positions, range, refusal, tagged, take, typed } from './tools.js';

const ten = range(1, 10).map((n) => event(n % 2 ? 'Odd' : 'Even', n % 3 ? [] : ['third'], { n }));

export const readGroup = group('reads', {
  'an empty store': async ({ store }) => {
    assert.equal(await store.head(), 0);
    assert.deepEqual(await store.read().toArray(), []);
    assert.equal(await store.read().first(), undefined);
    assert.equal(await store.read('all', { backwards: true }).first(), undefined);
    assert.equal(await store.read().head(), 0);
    assert.deepEqual(await take(store.read(typed('A')), 1), []);
  },

  'after, before, limit and backwards, in every combination': async ({ store }) => {
    await store.append(ten);
    const all = await store.read().toArray();
    const queries: Query[] = ['all', typed('Even'), { items: [{ types: ['Odd'], tags: ['third'] }, { types: ['Even'] }] }];
    for (const query of queries) {
      for (const options of optionCombinations()) {
        const { after = 0, before = Infinity, limit = Infinity, backwards } = options;
        const matches = all.filter((one) => one.position > after && one.position < before && matchesQuery(query, one));
        const expected = (backwards ? matches.reverse() : matches).slice(0, limit);
        const message = JSON.stringify({ query, options });
        const stream = store.read(query, options);
        assert.deepEqual(await stream.toArray(), expected, message);
        assert.deepEqual(await take(stream, Infinity), expected, message);
        assert.deepEqual(await stream.first(), expected[0], message);
        assert.equal(await stream.head(), Math.min(10, before - 1), message);
      }
    }
  },

  'after beyond the head is refused, however the stream is used': async ({ store }) => {
    await store.append(events(2));
    const stream = store.read('all', { after: 3 });
    for (const use of [() => stream.toArray(), () => stream.first(), () => stream.head(), () => take(stream, 1)]) {
      assert.deepEqual({ ...(await refusal(use(), 'POSITION_AHEAD')).details }, { after: 3, head: 2 });
    }
    await refusal(store.read(typed('Unknown'), { after: 3, backwards: true }).toArray(), 'POSITION_AHEAD');
    assert.deepEqual(await store.read('all', { after: 2 }).toArray(), []);
  },

  'after on an empty store is refused, unless it is 0': async ({ store }) => {
    assert.deepEqual(await store.read('all', { after: 0 }).toArray(), []);
    for (const after of [1, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual({ ...(await refusal(store.read('all', { after }).toArray(), 'POSITION_AHEAD')).details }, { after, head: 0 });
    }
  },

  'before and limit may be as large as they like': async ({ store }) => {
    await store.append(events(3));
    const stream = store.read('all', { before: Number.MAX_SAFE_INTEGER, limit: Number.MAX_SAFE_INTEGER });
    assert.deepEqual(await positions(stream), [1, 2, 3]);
    assert.equal(await stream.head(), 3);
  },

  'the snapshot is taken when the stream is first used': async ({ store }) => {
    await store.append(events(2));
    const stream = store.read();
    await store.append(events(1));
    assert.deepEqual(await positions(stream), [1, 2, 3]);
    await store.append(events(1));
    assert.deepEqual(await positions(stream), [1, 2, 3], 'the same snapshot again');
    assert.deepEqual((await take(stream, Infinity)).length, 3);
    assert.equal(await stream.head(), 3);
    assert.deepEqual(await positions(store.read()), [1, 2, 3, 4]);
  },

  'asking for the head takes the snapshot': async ({ store }) => {
    await store.append(events(2));
    const stream = store.read('all', { backwards: true, limit: 1 });
    assert.equal(await stream.head(), 2);
    await store.append(events(1));
    assert.equal((await stream.first())?.position, 2);
    assert.deepEqual(await positions(stream), [2]);
  },

  'appends during iteration do not show up in it': async ({ store }) => {
    await fill(store, events(100));
    const seen: number[] = [];
    for await (const { position } of store.read()) {
      seen.push(position);
      if (position % 20 === 0) await store.append(events(50));
    }
    assert.deepEqual(seen, range(1, 100));
    assert.equal(await store.head(), 350);
  },

  'thousands of events come once and in order': async ({ store }) => {
    await fill(store, events(3000));
    assert.deepEqual(await positions(store.read()), range(1, 3000));
    assert.deepEqual((await take(store.read('all', { backwards: true }), Infinity)).map((one) => one.position), range(1, 3000).reverse());
    assert.deepEqual((await take(store.read('all', { after: 10, limit: 2000 }), Infinity)).map((one) => one.position), range(11, 2010));
  },

  'two iterations of one stream do not disturb each other': async ({ store }) => {
    await fill(store, events(200));
    const stream = store.read();
    const left = stream[Symbol.asyncIterator]();
    const right = stream[Symbol.asyncIterator]();
    for (const n of range(1, 200)) {
      assert.equal((await left.next()).value.position, n);
      if (n > 100) assert.equal((await right.next()).value.position, n - 100);
    }
    assert.equal((await left.next()).done, true);
    assert.equal((await right.next()).value.position, 101);
    await right.return?.();
    assert.equal((await right.next()).done, true);
  },

  'next may be called again before it has answered': async ({ store }) => {
    await fill(store, events(100));
    const iterator = store.read()[Symbol.asyncIterator]();
    const results = await Promise.all(range(1, 102).map(() => iterator.next()));
    assert.deepEqual(results.map((result) => (result.done ? 0 : result.value.position)), [...range(1, 100), 0, 0]);
  },

  'an iteration may be left early': async ({ store }) => {
    await fill(store, events(500));
    for (let i = 0; i < 20; i++) assert.equal((await take(store.read(), 3)).length, 3);
    await assert.rejects(async () => {
      for await (const one of store.read()) throw new Error(`stopped at ${one.position}`);
    }, /stopped at 1$/);
    assert.equal(await store.head(), 500);
  },

  'readers own what they get': async ({ store }) => {
    await store.append(event('A', ['x'], { list: [1], nested: { deep: true } }));
    // A copy: a store that shares what it gives would change this too.
    const before = structuredClone(await store.read().toArray());
    const own = (await store.read().first()) as unknown as { type: string; tags: string[]; data: { list: number[]; nested: object } };
    own.type = 'Changed';
    own.tags.push('changed');
    own.data.list.push(2);
    own.data.nested = {};
    assert.deepEqual(await store.read().toArray(), before);
    assert.deepEqual(await positions(store.read(tagged('changed'))), []);
  },

  'what the caller does to query and options after the call does not matter': async ({ store }) => {
    await store.append([event('A'), event('B')]);
    const types = ['A'];
    const options: ReadOptions = { limit: 5 };
    const stream = store.read({ items: [{ types }] }, options);
    types[0] = 'B';
    options.after = 1;
    assert.deepEqual(await positions(stream), [1]);
  },

  'an aborted signal rejects with its reason': async ({ store }) => {
    await store.append(events(10));
    const reason = new Error('enough');
    const stream = store.read('all', { signal: AbortSignal.abort(reason) });
    for (const use of [() => stream.toArray(), () => stream.first(), () => stream.head(), () => take(stream, 1)]) {
      await assert.rejects(use(), (error) => error === reason);
    }
  },

  'an abort during iteration rejects at the next event': async ({ store }) => {
    await store.append(events(10));
    const controller = new AbortController();
    const seen: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { position } of store.read('all', { signal: controller.signal })) {
          seen.push(position);
          if (position === 3) controller.abort('enough');
        }
      },
      (error) => error === 'enough',
    );
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(await positions(store.read('all', { limit: 1 })), [1]);
  },
});

function optionCombinations(): ReadOptions[] {
  const combinations: ReadOptions[] = [];
  for (const after of [undefined, 0, 3, 10]) {
    for (const before of [undefined, 1, 4, 5, 11, 99]) {
      for (const limit of [undefined, 1, 3, 99]) {
        for (const backwards of [false, true]) {
          combinations.push({
            ...(after === undefined ? {} : { after }),
            ...(before === undefined ? {} : { before }),
            ...(limit === undefined ? {} : { limit }),
            backwards,
          });
        }
      }
    }
  }
  return combinations;
}
