import assert from 'node:assert/strict';
import { group } from './case.js';
import { appended, event, events, positions, range, refusal, repeated, tagged, take, typed } from './tools.js';

const withId = (n: number) => ({ ...event('A', [`n:${n}`], { n }), id: `id-${n}` });

export const reopenGroup = group(
  'reopening',
  {
    'everything is as it was': async ({ store, reopen }) => {
      await store.append([event('A', ['x'], { n: 1 }), { ...event('B', ['x', 'y']), id: 'b', metadata: { m: 1 }, timestamp: '2001-01-01T00:00:00Z' }]);
      await store.append(events(10));
      const before = await store.read().toArray();
      const again = await reopen();
      assert.equal(await again.head(), 12);
      assert.deepEqual(await again.read().toArray(), before);
      assert.deepEqual(await positions(again.read(tagged('x'), { backwards: true })), [2, 1]);
      assert.deepEqual(await again.append(event('A')), appended(13));
    },

    'an empty store stays empty': async ({ reopen }) => {
      const again = await reopen();
      assert.equal(await again.head(), 0);
      assert.deepEqual(await again.append(event('A'), { failIfEventsMatch: 'all' }), appended(1));
    },

    'ids stay known': async ({ store, reopen }) => {
      await store.append(range(1, 99).map(withId));
      const again = await reopen();
      assert.deepEqual(await again.append(range(1, 99).map(withId)), repeated(1, 99));
      assert.deepEqual(await again.append(withId(50)), repeated(50));
      await refusal(again.append({ ...withId(50), data: null }), 'EVENT_ID_CONFLICT');
      await refusal(again.append([withId(99), withId(100)]), 'EVENT_ID_CONFLICT');
      assert.deepEqual(await again.append(withId(100)), appended(100));
    },

    'conditions see what was stored before': async ({ store, reopen }) => {
      await store.append([event('A', ['x']), event('B', ['x'])]);
      const again = await reopen();
      const { details } = await refusal(again.append(event('C'), { failIfEventsMatch: tagged('x'), after: 1 }), 'APPEND_CONDITION_FAILED');
      assert.deepEqual({ ...details }, { position: 2, type: 'B', tags: ['x'], after: 1 });
      await refusal(again.append(event('C'), { failIfEventsMatch: 'all', after: 3 }), 'POSITION_AHEAD');
      assert.deepEqual(await again.append(event('C'), { failIfEventsMatch: tagged('x'), after: 2 }), appended(3));
    },

    'appends that the closing waited for are there': async ({ store, reopen }) => {
      const appends = range(1, 20).map((n) => store.append(events(n)));
      const again = await reopen();
      assert.equal((await Promise.all(appends)).at(-1)?.last, 210);
      assert.equal(await again.head(), 210);
      assert.deepEqual(await positions(again.read()), range(1, 210));
    },

    'positions beyond the head are refused': async ({ store, reopen }) => {
      await store.append(events(2));
      const again = await reopen();
      assert.deepEqual({ ...(await refusal(again.read('all', { after: 3 }).toArray(), 'POSITION_AHEAD')).details }, { after: 3, head: 2 });
      await refusal(again.subscribe('all', { after: 3 }).first(), 'POSITION_AHEAD');
    },

    'subscriptions go on where they were': async ({ store, reopen }) => {
      await store.append(events(5));
      const [, second] = await take(store.subscribe(), 2);
      const again = await reopen();
      const rest = take(again.subscribe('all', { after: second!.position }), 4);
      await again.append(event('A'));
      assert.deepEqual((await rest).map(({ position }) => position), [3, 4, 5, 6]);
    },

    'appends between many reopenings add up': async ({ store, reopen }) => {
      let current = store;
      for (const n of range(1, 6)) {
        assert.deepEqual(await current.append([withId(n), event('B', [`n:${n}`])]), appended(2 * n - 1, 2 * n));
        current = await reopen();
        assert.deepEqual(await positions(current.read(typed('A'))), range(1, n).map((i) => 2 * i - 1));
      }
    },
  },
  'reopen',
);

export const anotherGroup = group(
  'two stores on the same data',
  {
    'each sees at once what the other appended': async ({ store, another }) => {
      const other = await another();
      for (const n of range(1, 10)) {
        const [writer, reader] = n % 2 ? [store, other] : [other, store];
        assert.deepEqual(await writer.append(event('A', [`n:${n}`], { n })), appended(n));
        assert.equal(await reader.head(), n);
        assert.deepEqual(await positions(reader.read(tagged(`n:${n}`))), [n]);
      }
      assert.deepEqual(await store.read().toArray(), await other.read().toArray());
    },

    'conditions and ids hold across both': async ({ store, another }) => {
      const other = await another();
      await store.append(withId(1));
      assert.deepEqual(await other.append(withId(1)), repeated(1));
      await refusal(other.append(event('B'), { failIfEventsMatch: tagged('n:1') }), 'APPEND_CONDITION_FAILED');
      assert.deepEqual(await other.append(event('B'), { failIfEventsMatch: tagged('n:1'), after: 1 }), appended(2));
      await refusal(store.append(event('B'), { failIfEventsMatch: typed('B') }), 'APPEND_CONDITION_FAILED');
    },

    'a position that one was told is never ahead for the other': async ({ store, another }) => {
      const other = await another();
      for (const n of range(1, 10)) {
        const [writer, reader] = n % 2 ? [store, other] : [other, store];
        const { last: after } = await writer.append(event('A'));
        if (n % 3 === 0) assert.deepEqual(await reader.read('all', { after }).toArray(), []);
        else if (n % 3 === 1) assert.equal(await reader.subscribe('all', { after }).head(), after);
        else await refusal(reader.append(event('B'), { failIfEventsMatch: 'all', after: after - 1 }), 'APPEND_CONDITION_FAILED');
      }
    },

    'of two appends under the same condition one wins': async ({ store, another }) => {
      const other = await another();
      for (const n of range(1, 10)) {
        const condition = { failIfEventsMatch: tagged(`n:${n}`) };
        const outcomes = await Promise.allSettled([store, other, store, other].map((one) => one.append(event('A', [`n:${n}`]), condition)));
        assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      }
      assert.equal(await store.head(), 10);
    },

    'subscriptions of one get what the other appends': async ({ store, another }) => {
      const other = await another();
      await store.append(events(3));
      const seen = take(store.subscribe(), 63);
      await Promise.all(range(1, 30).map((n) => (n % 2 ? store : other).append(events(2))));
      assert.deepEqual((await seen).map(({ position }) => position), range(1, 63));
    },

    'closing one leaves the other open': async ({ store, another }) => {
      const other = await another();
      await store.append(event('A'));
      const live = other.subscribe('all', { after: 1 }).first();
      await store.close();
      await refusal(store.head(), 'STORE_CLOSED');
      assert.deepEqual(await other.append(event('B')), appended(2));
      assert.equal((await live)?.position, 2);
    },
  },
  'another',
);
