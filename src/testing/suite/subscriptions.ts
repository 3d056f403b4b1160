import assert from 'node:assert/strict';
import type { SubscribeOptions } from '../../core/event-store.js';
import { group } from './case.js';
import { deferred, event, events, fill, range, refusal, tagged, take, typed } from './tools.js';

export const subscriptionGroup = group('subscriptions', {
  'catch up, then go on live': async ({ store }) => {
    await store.append(events(5));
    const iterator = store.subscribe()[Symbol.asyncIterator]();
    for (const n of range(1, 5)) assert.equal((await iterator.next()).value.position, n);
    const live = iterator.next();
    await store.append(events(2));
    assert.equal((await live).value.position, 6);
    assert.equal((await iterator.next()).value.position, 7);
    await iterator.return?.();
    assert.equal((await iterator.next()).done, true);
  },

  'give whole events, only those that match, after a position': async ({ store }) => {
    await store.append([event('A', ['x']), event('B', ['x']), event('A', ['y']), event('A', ['x'], { n: 4 })]);
    const seen = take(store.subscribe({ items: [{ types: ['A'], tags: ['x'] }] }, { after: 1 }), 2);
    await store.append([event('B', ['x']), event('A', ['x'], { n: 6 })]);
    const all = await store.read().toArray();
    assert.deepEqual(await seen, [all[3], all[5]]);
  },

  'give each event once and in order while many are appended': async ({ store }) => {
    await fill(store, events(300));
    const seen = take(store.subscribe(), 1300);
    const appends: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i++) {
      appends.push(store.append(events(10)));
      if (i % 10 === 0) await appends[i];
    }
    await Promise.all(appends);
    assert.deepEqual((await seen).map(({ position }) => position), range(1, 1300));
  },

  'start on an empty store': async ({ store }) => {
    const first = store.subscribe(typed('A')).first();
    await store.append(event('B'));
    await store.append(event('A'));
    assert.equal((await first)?.position, 2);
  },

  'tell once that they have caught up': async ({ store }) => {
    await store.append(events(3));
    const calls: number[] = [];
    const caughtUp = deferred<number>();
    const onCaughtUp = (head: number): void => {
      calls.push(head);
      caughtUp.resolve(head);
    };
    const iterator = store.subscribe('all', { onCaughtUp })[Symbol.asyncIterator]();
    for (const n of range(1, 3)) {
      assert.equal((await iterator.next()).value.position, n);
      assert.deepEqual(calls, [], 'not before the last event was handed out and the next one asked for');
    }
    const next = iterator.next();
    assert.equal(await caughtUp.promise, 3);
    await store.append(events(2));
    assert.equal((await next).value.position, 4);
    assert.equal((await iterator.next()).value.position, 5);
    const last = iterator.next();
    await store.append(event('A'));
    assert.equal((await last).value.position, 6);
    assert.deepEqual(calls, [3]);
    await iterator.return?.();
  },

  'have caught up at once when nothing matches': async ({ store }) => {
    await store.append(events(3));
    const caughtUp = deferred<number>();
    const controller = new AbortController();
    const end = store.subscribe(typed('Unknown'), { signal: controller.signal, onCaughtUp: caughtUp.resolve }).toArray();
    assert.equal(await caughtUp.promise, 3);
    controller.abort();
    assert.deepEqual(await end, []);
  },

  'after = head gives only what comes': async ({ store }) => {
    await store.append(events(3));
    const caughtUp = deferred<number>();
    const first = store.subscribe('all', { after: 3, onCaughtUp: caughtUp.resolve }).first();
    assert.equal(await caughtUp.promise, 3);
    await store.append(event('A'));
    assert.equal((await first)?.position, 4);
  },

  'after beyond the head is refused': async ({ store }) => {
    await store.append(events(3));
    assert.deepEqual({ ...(await refusal(store.subscribe('all', { after: 4 }).first(), 'POSITION_AHEAD')).details }, { after: 4, head: 3 });
  },

  'after beyond the head is refused, however the stream is used': async ({ store }) => {
    const onEmpty = store.subscribe('all', { after: 1 });
    assert.deepEqual({ ...(await refusal(onEmpty.first(), 'POSITION_AHEAD')).details }, { after: 1, head: 0 });
    await store.append(events(2));
    const stream = store.subscribe(typed('Unknown'), { after: 3 });
    for (const use of [() => stream.toArray(), () => stream.first(), () => stream.head(), () => take(stream, 1)]) {
      assert.deepEqual({ ...(await refusal(use(), 'POSITION_AHEAD')).details }, { after: 3, head: 2 });
    }
  },

  'begin anew with each iteration': async ({ store }) => {
    await store.append(events(3));
    const stream = store.subscribe('all', { after: 1 });
    for (const _ of [1, 2]) assert.deepEqual((await take(stream, 2)).map(({ position }) => position), [2, 3]);
    assert.equal((await stream.first())?.position, 2);
  },

  'tell the head that the store has': async ({ store }) => {
    await store.append(events(3));
    const stream = store.subscribe(typed('Unknown'), { after: 1 });
    assert.equal(await stream.head(), 3);
  },

  'give each reader a copy of its own': async ({ store }) => {
    await store.append(event('A', ['x'], { list: [1] }));
    const before = structuredClone(await store.read().toArray());
    const own = (await store.subscribe().first()) as unknown as { type: string; tags: string[]; data: { list: number[] } };
    own.type = 'Changed';
    own.tags.push('changed');
    own.data.list.push(2);
    assert.deepEqual(await take(store.subscribe(), 1), before);
    assert.deepEqual(await store.read().toArray(), before);
  },

  'what the caller does to query and options after the call does not matter': async ({ store }) => {
    await store.append([event('A'), event('B')]);
    const types = ['A'];
    const options: SubscribeOptions = {};
    const stream = store.subscribe({ items: [{ types }] }, options);
    types[0] = 'B';
    options.after = 1;
    assert.equal((await stream.first())?.position, 1);
  },

  'end quietly when the store closes while events are at hand': async ({ store }) => {
    await store.append(events(10));
    const seen: number[] = [];
    for await (const { position } of store.subscribe()) {
      seen.push(position);
      if (position === 3) await store.close();
    }
    assert.deepEqual(seen.slice(0, 3), [1, 2, 3]);
    assert.ok(seen.length <= 10, 'nothing comes twice');
  },

  'a slow consumer gets everything': async ({ store }) => {
    await store.append(events(10));
    const iterator = store.subscribe(tagged('x'))[Symbol.asyncIterator]();
    const first = iterator.next();
    await fill(store, events(2000, 'A', ['x']));
    assert.equal((await first).value.position, 11);
    await fill(store, events(2000, 'A', ['x']));
    for (const n of range(12, 4010)) assert.equal((await iterator.next()).value.position, n);
    await iterator.return?.();
  },

  'many at a time each get everything': async ({ store }) => {
    await store.append(events(5));
    const seen = range(1, 20).map((n) => take(store.subscribe('all', { after: n % 5 }), 10));
    for (let i = 0; i < 10; i++) await store.append(event('A'));
    for (const [i, got] of (await Promise.all(seen)).entries()) {
      const after = (i + 1) % 5;
      assert.deepEqual(got.map(({ position }) => position), range(after + 1, after + 10));
    }
  },

  'end quietly when aborted while they wait': async ({ store }) => {
    await store.append(events(2));
    const controller = new AbortController();
    const caughtUp = deferred<number>();
    const seen = store.subscribe('all', { signal: controller.signal, onCaughtUp: caughtUp.resolve }).toArray();
    await caughtUp.promise;
    controller.abort(new Error('not to be thrown'));
    assert.equal((await seen).length, 2);
  },

  'end quietly when aborted while events are at hand': async ({ store }) => {
    await store.append(events(10));
    const controller = new AbortController();
    const seen: number[] = [];
    for await (const { position } of store.subscribe('all', { signal: controller.signal })) {
      seen.push(position);
      if (position === 3) controller.abort();
    }
    assert.deepEqual(seen, [1, 2, 3]);
  },

  'end at once when aborted before': async ({ store }) => {
    await store.append(events(2));
    assert.deepEqual(await store.subscribe('all', { signal: AbortSignal.abort() }).toArray(), []);
  },

  'can be left while they wait': async ({ store }) => {
    const caughtUp = deferred<number>();
    const iterator = store.subscribe('all', { onCaughtUp: caughtUp.resolve })[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await caughtUp.promise;
    await iterator.return?.();
    assert.equal((await waiting).done, true);
    await store.append(event('A'));
  },

  'end quietly when the store closes': async ({ store }) => {
    await store.append(events(2));
    const caughtUp = deferred<number>();
    const seen = store.subscribe('all', { onCaughtUp: caughtUp.resolve }).toArray();
    await caughtUp.promise;
    await store.close();
    assert.equal((await seen).length, 2);
  },

  'what a callback throws ends the iteration with it': async ({ store }) => {
    const onCaughtUp = (): void => {
      throw new Error('from the callback');
    };
    await assert.rejects(store.subscribe('all', { onCaughtUp }).first(), /from the callback/);
    await store.append(event('A'));
    assert.equal((await store.subscribe().first())?.position, 1);
  },
});
