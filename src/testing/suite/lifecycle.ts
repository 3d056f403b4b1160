import assert from 'node:assert/strict';
import { group } from './case.js';
import { appended, event, events, fill, positions, range, refusal, take } from './tools.js';

export const lifecycleGroup = group('closing and aborting', {
  'a closed store refuses everything': async ({ store }) => {
    await store.append(events(3));
    const stream = store.read();
    assert.equal(await stream.head(), 3);
    await store.close();
    await refusal(store.append(event('A')), 'STORE_CLOSED');
    await refusal(store.head(), 'STORE_CLOSED');
    await refusal(store.read().toArray(), 'STORE_CLOSED');
    await refusal(store.read().first(), 'STORE_CLOSED');
    await refusal(store.read().head(), 'STORE_CLOSED');
    await refusal(take(store.read(), 1), 'STORE_CLOSED');
    await refusal(stream.toArray(), 'STORE_CLOSED');
    await refusal(store.subscribe().first(), 'STORE_CLOSED');
  },

  'closing twice is closing once': async ({ store }) => {
    await store.append(event('A'));
    await Promise.all([store.close(), store.close()]);
    await store.close();
    await store[Symbol.asyncDispose]();
  },

  'disposing is closing': async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await refusal(store.append(event('A')), 'STORE_CLOSED');
  },

  'an open read learns of the closing': async ({ store }) => {
    await fill(store, events(3000));
    const iterator = store.read()[Symbol.asyncIterator]();
    assert.equal((await iterator.next()).value.position, 1);
    await store.close();
    await refusal(
      (async () => {
        for (const _ of range(2, 3000)) await iterator.next();
      })(),
      'STORE_CLOSED',
    );
    assert.equal((await iterator.next()).done, true);
  },

  'appends made before the closing are finished': async ({ store }) => {
    const appends = range(1, 20).map((n) => store.append(events(n)));
    const closing = store.close();
    const results = await Promise.all(appends);
    await closing;
    assert.equal(results.at(-1)?.last, 210);
  },

  'an append with an aborted signal rejects with its reason and stores nothing': async ({ store }) => {
    const reason = { my: 'reason' };
    await assert.rejects(store.append(event('A'), undefined, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.equal(await store.head(), 0);
    assert.deepEqual(await store.append(event('A')), appended(1));
  },

  'an append aborted on its way is stored and resolved, or neither': async ({ store }) => {
    const calls = range(1, 40).map((n) => {
      const controller = new AbortController();
      const call = store.append(event('A', [`n:${n}`]), undefined, { signal: controller.signal });
      if (n % 2) controller.abort(n);
      return call;
    });
    const outcomes = await Promise.allSettled(calls);
    let stored = 0;
    for (const [i, outcome] of outcomes.entries()) {
      const n = i + 1;
      const found = await positions(store.read({ items: [{ tags: [`n:${n}`] }] }));
      if (outcome.status === 'rejected') assert.equal(outcome.reason, n);
      assert.deepEqual(found, outcome.status === 'fulfilled' ? [outcome.value.first] : []);
      stored += found.length;
    }
    assert.ok(stored >= 20, 'calls that nobody aborted are stored');
    assert.equal(await store.head(), stored);
  },

  'an abort after the append changes nothing': async ({ store }) => {
    const controller = new AbortController();
    assert.deepEqual(await store.append(event('A'), undefined, { signal: controller.signal }), appended(1));
    controller.abort();
    assert.equal(await store.head(), 1);
  },

  'an aborted append leaves its id free, and those beside it alone': async ({ store }) => {
    const aborted = { ...event('A', [], 1), id: 'a' };
    const calls = [store.append(event('Before')), store.append(aborted, undefined, { signal: AbortSignal.abort('enough') }), store.append(event('After'))];
    assert.deepEqual((await Promise.allSettled(calls)).map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled']);
    assert.deepEqual(await store.append({ ...aborted, data: 2 }), appended(3));
    assert.equal(await store.head(), 3);
  },

  'one signal may serve many calls': async ({ store }) => {
    const controller = new AbortController();
    const { signal } = controller;
    for (const n of range(1, 30)) {
      await store.append(event('A'), undefined, { signal });
      assert.equal((await store.read('all', { signal }).toArray()).length, n);
    }
  },
});
