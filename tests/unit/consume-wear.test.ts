import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { Feed } from '../../src/consuming/feed.js';
import { retryDefaults } from '../../src/core/defaults.js';
import { deadLetters, defineEvent, discardDeadLetters, openMemoryStore, replayDeadLetters, type SequencedEvent } from '../../src/index.js';
import { consume, events, eventually, fail, gate, savedPosition, withCalls, withLosableLeases } from '../support/consuming.js';

const onlyA = { items: [{ types: ['A'] }] };
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('a consumer that runs for long', () => {
  test('passes over what does not match while it is live, too, if it has handled everything before', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const store = openMemoryStore();
    await store.append(events('A'));
    const finish = gate();
    const consumer = consume(store, { name: 'c', query: onlyA, handle: ({ position }) => (position === 5 ? finish.passed : undefined) });
    await eventually(() => consumer.status()).toMatchObject({ state: 'live', position: 1 });
    await store.append(events('B', 'B'));
    await eventually(() => savedPosition(store, 'c')).toBe(1);
    vi.advanceTimersByTime(60_000);
    await eventually(() => savedPosition(store, 'c')).toBe(3);

    await store.append(events('B', 'A', 'B'));
    await eventually(() => consumer.status().inHand).toBe(1);
    vi.advanceTimersByTime(60_000);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    expect(await savedPosition(store, 'c')).toBe(3);
    finish.open();
    await eventually(() => savedPosition(store, 'c')).toBe(6);
    await consumer.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not pass an event that is stored, but that the subscription has not handed over yet', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const inner = openMemoryStore();
    await inner.append(events('A'));
    const late = gate();
    const subscribe: typeof inner.subscribe = (...args) => {
      const stream = inner.subscribe(...args);
      const delayed = async function* () {
        for await (const event of stream) {
          if (event.position === 2) await late.passed;
          yield event;
        }
      };
      return { toArray: () => stream.toArray(), first: () => stream.first(), head: () => stream.head(), [Symbol.asyncIterator]: delayed };
    };
    const seen: number[] = [];
    const consumer = consume(withCalls(inner, { subscribe }), { name: 'c', query: onlyA, handle: ({ position }) => void seen.push(position) });
    await eventually(() => consumer.status()).toMatchObject({ state: 'live', position: 1 });
    await inner.append(events('A', 'B'));
    vi.advanceTimersByTime(60_000);
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    expect(await savedPosition(inner, 'c')).toBe(1);
    late.open();
    await consumer.waitFor(2);
    expect(seen).toEqual([1, 2]);
  });

  test('asks for the next event once, however often it looks whether it is there', async () => {
    const pending = new Promise<IteratorResult<SequencedEvent>>(() => undefined);
    const listen = vi.spyOn(pending, 'then');
    const stream = { [Symbol.asyncIterator]: () => ({ next: () => pending }) };
    const feed = new Feed({ ...openMemoryStore().read(), ...stream }, () => undefined);
    for (let i = 0; i < 50; i++) expect(await feed.take(1)).toEqual([]);
    expect(listen.mock.calls.length).toBeLessThan(4);
  });

  test('is not slowed down by those who wait for a far event', async () => {
    const store = openMemoryStore();
    await store.append(events(...'A'.repeat(2000)));
    const sleep = vi.spyOn(retryDefaults, 'sleep');
    const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    await Promise.all([consumer.waitFor(2000), consumer.waitFor(1999)]);
    // One more for each 50 ms, and when the consumer begins.
    expect(sleep.mock.calls.length).toBeLessThan(200);
  });

  test('leaves room for the rest of the process when the handler works long without waiting', async () => {
    const store = openMemoryStore();
    await store.append(events(...'A'.repeat(20)));
    let turns = 0;
    const at: number[] = [];
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      checkpointEvery: 1000,
      checkpointEveryMs: 60_000,
      handle: () => {
        at.push(turns);
        const end = performance.now() + 15;
        while (performance.now() < end);
      },
    });
    const turn = (): void => {
      turns++;
      if (consumer.status().handled < 20) setImmediate(turn);
    };
    turn();
    await consumer.waitFor(20);
    expect(new Set(at).size).toBeGreaterThan(15);
  });

  test('warns of no leak of listeners when many calls, or consumers, wait for one signal', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const store = openMemoryStore();
    await store.append(events(...'A'.repeat(20)));
    let sleeping = 0;
    const sleep = (_ms: number, signal?: AbortSignal): Promise<void> =>
      new Promise((_, reject) => {
        sleeping++;
        signal!.addEventListener('abort', () => reject(signal!.reason), { once: true });
      });
    const handle = (_event: SequencedEvent, { signal }: { signal: AbortSignal }): void => {
      signal.addEventListener('abort', () => undefined, { once: true });
      fail();
    };
    const shared = new AbortController();
    const consumers = Array.from({ length: 12 }, (_, i) => consume(store, { name: `c${i}`, query: 'all', concurrency: 20, sleep, handle, signal: shared.signal }));
    await eventually(() => sleeping).toBe(12 * 20);
    shared.abort();
    await Promise.all(consumers.map(({ stopped }) => stopped));
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});

describe('trouble', () => {
  test('one that another took over, and that is asked to stop before it knows, ends quietly', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A'));
    const { store, loseSilently } = withLosableLeases(inner);
    const begun = gate();
    const finish = gate();
    const onError = vi.fn();
    const stalled = consume(store, {
      name: 'c',
      query: 'all',
      onError,
      handle: async () => {
        begun.open();
        await finish.passed;
      },
    });
    await begun.passed;
    await loseSilently();
    await consume(store, { name: 'c', query: 'all', handle: () => undefined }).waitFor(1);
    const stop = stalled.stop();
    finish.open();
    await stop;
    await stalled.stopped;
    expect(onError).not.toHaveBeenCalled();
  });

  test('a replay leaves letters alone whose events its handler is not made for', async () => {
    const A = defineEvent('A', z.object({ n: z.number() }));
    const B = defineEvent('B', z.object({ m: z.number() }));
    const store = openMemoryStore();
    await store.append([A({ n: 1 }), B({ m: 2 })]);
    const consumer = consume(store, { name: 'c', events: [A, B], maxAttempts: 1, handle: fail });
    await consumer.waitFor(2);
    await consumer.stop();
    const before = await deadLetters(store, 'c');
    const seen: string[] = [];
    const handle = ({ type }: { type: string }) => void seen.push(type);
    expect(await replayDeadLetters(store, { name: 'c', query: { items: [{ types: ['C'] }] }, handle })).toEqual({ handled: [], failed: [] });
    expect(await replayDeadLetters(store, { name: 'c', events: [A], handle })).toEqual({ handled: [1], failed: [] });
    expect(seen).toEqual(['A']);
    expect(JSON.stringify(await deadLetters(store, 'c'))).toBe(JSON.stringify(before.slice(1)));
  });

  test('what is damaged says how to go on, and no advice loses a place or an event', async () => {
    const store = openMemoryStore();
    await store.append(events('A'));
    await store.state.save('consumers/c/checkpoint', 'x');
    const { stopped } = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    await expect(stopped).rejects.toMatchObject({ code: 'STATE_DAMAGED', message: expect.stringMatching(/resetConsumer\(store, "c", \{ after \}\)/) });
    await expect(stopped).rejects.not.toMatchObject({ message: expect.stringContaining('anew') });
    await store.state.save('consumers/c/dead/1', 'x');
    await expect(deadLetters(store, 'c')).rejects.toMatchObject({ message: expect.stringContaining('discardDeadLetters(store, "c", [1])') });
    expect(await discardDeadLetters(store, 'c', [1])).toBe(1);
  });

  test('a letter tells the cause, which is often all that there is to know', async () => {
    const store = openMemoryStore();
    await store.append(events('A'));
    const handle = (): never => {
      throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:25') });
    };
    const consumer = consume(store, { name: 'c', query: 'all', maxAttempts: 1, handle });
    await consumer.waitFor(1);
    expect((await consumer.deadLetters())[0]!.error).toBe('TypeError: fetch failed (cause: Error: connect ECONNREFUSED 127.0.0.1:25)');
  });

  test('the highest position of all is ahead of the store, as any other', async () => {
    const { stopped } = consume(openMemoryStore(), { name: 'c', query: 'all', startAt: { after: Number.MAX_SAFE_INTEGER }, handle: () => undefined });
    await expect(stopped).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
  });
});
