import { describe, expect, test } from 'vitest';
import { Progress } from '../../src/consuming/progress.js';
import { deadLetters, openMemoryStore, replayDeadLetters, resetConsumer, type EventStore, type SequencedEvent } from '../../src/index.js';
import { consume, events, eventually, fail, gate, savedPosition, withCalls } from '../support/consuming.js';

const onlyA = { items: [{ types: ['A'] }] };

describe('order and concurrency', () => {
  test('partitions are in order, so many at a time, and the checkpoint stays below the lowest unfinished event', async () => {
    const store = openMemoryStore();
    await store.append(Array.from({ length: 30 }, (_, i) => ({ type: 'A', data: i % 3 })));
    const finish = Array.from({ length: 31 }, gate);
    const begun: number[] = [];
    let atOnce = 0;
    let most = 0;
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      concurrency: 2,
      partitionBy: ({ data }) => String(data),
      checkpointEvery: 1,
      handle: async ({ position }) => {
        begun.push(position);
        most = Math.max(most, ++atOnce);
        await finish[position]!.passed;
        atOnce--;
      },
    });
    await eventually(() => begun).toEqual([1, 2]);
    finish[2]!.open();
    // Event 5 waits for 2 in its partition, and comes after 3, which was there before it.
    await eventually(() => begun).toEqual([1, 2, 3]);
    finish[3]!.open();
    await eventually(() => consumer.status().handled).toBe(2);
    expect(consumer.status().position).toBe(0);
    expect(await savedPosition(store, 'c')).toBe(0);
    finish[1]!.open();
    await eventually(() => savedPosition(store, 'c')).toBe(3);
    for (const { open } of finish) open();
    await consumer.waitFor(30);
    expect(most).toBe(2);
    for (const partition of [0, 1, 2]) {
      const order = begun.filter((position) => (position - 1) % 3 === partition);
      expect(order).toEqual([...order].sort((a, b) => a - b));
      expect(order).toHaveLength(10);
    }
  });

  test('a batch has what is there, and when it fails only the events that fail alone are parked', async () => {
    const store = openMemoryStore();
    await store.append(events(...'AAAAAAA'));
    const calls: number[][] = [];
    const options = {
      name: 'c',
      query: 'all',
      batchSize: 3,
      maxAttempts: 2,
      handleBatch: (batch: readonly SequencedEvent[]) => {
        calls.push(batch.map(({ position }) => position));
        if (batch.some(({ position }) => position === 5)) fail();
      },
    } as const;
    const consumer = consume(store, options);
    await consumer.waitFor(7);
    expect(calls).toEqual([[1, 2, 3], [4, 5, 6], [4, 5, 6], [4], [5], [5], [6], [7]]);
    expect((await consumer.deadLetters()).map(({ position }) => position)).toEqual([5]);
    await consumer.stop();
    await replayDeadLetters(store, { name: 'c', query: 'all', handleBatch: (batch) => void calls.push(batch.map(({ position }) => position * 10)) });
    expect(calls.at(-1)).toEqual([50]);
  });

  test('a partition that cannot be told parks its event', async () => {
    const store = openMemoryStore();
    await store.append(events('A', 'B'));
    const consumer = consume(store, { name: 'c', query: 'all', concurrency: 2, partitionBy: ({ type }) => (type === 'A' ? fail() : type), handle: () => undefined });
    await consumer.waitFor(2);
    expect((await consumer.deadLetters()).map(({ position, attempts, error }) => [position, attempts, error])).toEqual([[1, 0, 'Error: no mail today']]);
  });

  test('events are taken only as they are handled', async () => {
    const inner = openMemoryStore();
    await inner.append(events(...'A'.repeat(50)));
    let taken = 0;
    const store = withCalls(inner, {
      subscribe: (...args) => {
        const stream = inner.subscribe(...args);
        const counted = async function* () {
          for await (const event of stream) {
            taken++;
            yield event;
          }
        };
        return { toArray: () => stream.toArray(), first: () => stream.first(), head: () => stream.head(), [Symbol.asyncIterator]: counted };
      },
    });
    const most: Record<string, number> = {};
    for (const concurrency of [1, 3]) {
      taken = 0;
      let handled = 0;
      const name = `c${concurrency}`;
      const consumer = consume(store, {
        name,
        query: 'all',
        concurrency,
        handle: async () => {
          await new Promise(setImmediate);
          most[name] = Math.max(most[name] ?? 0, taken - handled++);
        },
      });
      await consumer.waitFor(50);
      expect(handled).toBe(50);
    }
    expect(most['c1']).toBe(1);
    expect(most['c3']).toBeLessThanOrEqual(12);
  });
});

describe('the checkpoint', () => {
  test('stays before the lowest event in hand, in whatever order they finish', () => {
    const event = (position: number) => ({ position, id: `e${position}`, type: 'A', data: null, tags: [], metadata: {}, timestamp: '' });
    const progress = new Progress({ position: 0, id: null });
    const [finish2, finish4, finish5] = [2, 4, 5].map((position) => progress.begin(event(position))) as [() => void, () => void, () => void];
    finish4();
    progress.passOver({ position: 9, id: 'e9' });
    expect(progress.place).toEqual({ position: 0, id: null });
    finish2();
    expect(progress.place).toEqual({ position: 4, id: 'e4' });
    finish5();
    progress.passOver({ position: 9, id: 'e9' });
    progress.passOver({ position: 8, id: 'e8' });
    expect(progress.place).toEqual({ position: 9, id: 'e9' });
  });

  /** A store that notes the positions of the checkpoints saved. */
  function noting(inner: EventStore) {
    const saved: number[] = [];
    const save: EventStore['state']['save'] = (name, value, options) => {
      if (name.endsWith('/checkpoint')) saved.push((value as { position: number }).position);
      return inner.state.save(name, value, options);
    };
    return { store: withCalls(inner, { state: { save } }), saved };
  }

  test('is saved after so many events, after so long, and when nothing is left', async () => {
    const inner = openMemoryStore();
    await inner.append(events(...'A'.repeat(25)));
    const { store, saved } = noting(inner);
    const consumer = consume(store, { name: 'c', query: 'all', checkpointEvery: 10, now: () => 0, handle: () => undefined });
    await eventually(() => saved).toEqual([0, 10, 20, 25]);
    await consumer.waitFor((await store.append(events('A'))).last);
    await eventually(() => saved).toEqual([0, 10, 20, 25, 26]);
    await consumer.stop();
    expect(saved).toEqual([0, 10, 20, 25, 26]);

    let clock = 0;
    const timed = noting(inner);
    await consume(timed.store, { name: 'timed', query: 'all', checkpointEvery: 1000, checkpointEveryMs: 8, now: () => clock, handle: () => void clock++ }).waitFor(26);
    // The eighth is in hand when eight milliseconds have passed.
    expect(timed.saved.slice(0, 4)).toEqual([0, 7, 15, 23]);
    const each = noting(inner);
    await consume(each.store, { name: 'each', query: 'all', checkpointEvery: 1, handle: ({ position }) => expect(each.saved.at(-1)).toBe(position - 1) }).waitFor(26);
    expect(await deadLetters(inner, 'each')).toEqual([]);
  });

  test('passes over what does not match once that was searched, however late the subscription says so', async () => {
    const inner = openMemoryStore();
    await inner.append(events('B', 'B', 'B'));
    const store = withCalls(inner, {
      subscribe: (...args) => {
        const stream = inner.subscribe(...args);
        const late = async function* () {
          for (let i = 0; i < 5; i++) await new Promise(setImmediate);
          yield* stream;
        };
        return { toArray: () => stream.toArray(), first: () => stream.first(), head: () => stream.head(), [Symbol.asyncIterator]: late };
      },
    });
    const consumer = consume(store, { name: 'c', query: onlyA, handle: () => undefined });
    await eventually(() => savedPosition(inner, 'c')).toBe(3);
    expect(consumer.status()).toMatchObject({ state: 'live', position: 3 });
  });

  test('that is none of ours stops the consumer, and a reset mends it', async () => {
    const store = openMemoryStore();
    for (const value of [null, 'x', { position: -1 }, { position: 1, id: null }]) {
      await store.state.save('consumers/c/checkpoint', value);
      await expect(consume(store, { name: 'c', query: 'all', handle: () => undefined }).stopped).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    }
    await resetConsumer(store, 'c', { after: 0 });
    const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    await consumer.waitFor((await store.append(events('A'))).last);
  });

  test('that was lost after an event was parked leads to no letter for an event that is handled then', async () => {
    const store = openMemoryStore();
    await store.append(events('A', 'A'));
    const parking = consume(store, { name: 'c', query: 'all', maxAttempts: 1, handle: fail });
    await parking.waitFor(2);
    await parking.stop();
    await resetConsumer(store, 'c', { after: 0 });
    const consumer = consume(store, { name: 'c', query: 'all', maxAttempts: 1, handle: ({ position }) => (position === 2 ? fail() : undefined) });
    await consumer.waitFor(2);
    expect((await consumer.deadLetters()).map(({ position }) => position)).toEqual([2]);
  });
});
