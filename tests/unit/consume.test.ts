import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import {
  deadLetters,
  defineEvent,
  discardDeadLetters,
  replayDeadLetters,
  resetConsumer,
  StateConflictError,
  upcast,
  type ConsumerOptions,
  type DeadLetter,
  type SequencedEvent,
} from '../../src/index.js';
import { consume, events, eventually, fail, gate, savedPosition, stopAll } from '../support/consuming.js';
import { freshStores } from '../support/courses.js';

const onlyA = { items: [{ types: ['A'] }] };

describe.each(freshStores)('a consumer on the %s store', (_, open) => {
  test('handles what is stored, in order, and then what comes; its checkpoint passes over what does not match', async () => {
    const store = await open();
    await store.append(events('A', 'B', 'A', 'B'));
    const seen: number[] = [];
    const consumer = consume(store, { name: 'c', query: onlyA, handle: ({ position }, { attempt }) => void seen.push(position * attempt) });
    expect(consumer.status()).toMatchObject({ state: 'waiting', position: 0 });
    await consumer.waitFor(4);
    expect(seen).toEqual([1, 3]);
    await eventually(() => consumer.status()).toMatchObject({ state: 'live', position: 4, handled: 2, parked: 0, inHand: 0 });

    await consumer.waitFor((await store.append(events('B', 'A', 'A', 'B'))).last);
    expect(seen).toEqual([1, 3, 6, 7]);
    await consumer.stop();
    await consumer.stopped;
    expect(consumer.status()).toEqual({ state: 'stopped', position: 8, handled: 4, parked: 0, inHand: 0 });
    expect(await savedPosition(store, 'c')).toBe(8);
    await store.close();
  });

  test('goes on from its checkpoint', async () => {
    const store = await open();
    const seen: number[] = [];
    const options = { name: 'c', query: 'all', handle: ({ position }: SequencedEvent) => void seen.push(position) } as const;
    for (let i = 1; i <= 3; i++) {
      await store.append(events('A', 'A'));
      const consumer = consume(store, options);
      await consumer.waitFor(2 * i);
      await consumer.stop();
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    await store.close();
  });

  test('begins where it is told if it has no checkpoint, and remembers that before it handled anything', async () => {
    const store = await open();
    await store.append(events('A', 'A', 'A'));
    const seen: string[] = [];
    const handle = (name: string) => ({ position }: SequencedEvent) => void seen.push(`${name}${position}`);
    const start = async (name: string, startAt: NonNullable<ConsumerOptions['startAt']>) => {
      const consumer = consume(store, { name, query: 'all', startAt, handle: handle(name) });
      await eventually(() => consumer.status().state).toBe('live');
      return consumer;
    };
    await (await start('end', 'end')).stop();
    await (await start('after', { after: 2 })).stop();
    expect(seen).toEqual(['after3']);

    await store.append(events('A'));
    await (await start('end', 'end')).waitFor(4);
    await (await start('after', 'beginning')).waitFor(4);
    expect(seen.sort()).toEqual(['after3', 'after4', 'end4']);

    await expect(consume(store, { name: 'far', query: 'all', startAt: { after: 5 }, handle: fail }).stopped).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
    await store.close();
  });

  test('parks an event after its attempts, and not before, and the checkpoint passes it then', async () => {
    const store = await open();
    await store.append([{ type: 'A', id: 'e1', data: null }, ...events('A')]);
    const delays: number[] = [];
    const retries: unknown[] = [];
    const parked: DeadLetter[] = [];
    const seen: number[] = [];
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      handle: ({ position }) => (position === 1 ? fail() : void seen.push(position)),
      maxAttempts: 4,
      baseDelayMs: 10,
      maxDelayMs: 30,
      random: () => 0.5,
      sleep: async (ms) => void delays.push(ms),
      now: () => 0,
      onRetry: (info) => void retries.push(info),
      onParked: (letter) => void parked.push(letter),
    });
    await consumer.waitFor(2);
    await consumer.stop();
    expect(delays).toEqual([5, 10, 15]);
    expect(retries[2]).toEqual({ attempt: 3, delayMs: 15, error: new Error('no mail today'), positions: [1] });
    const letter = { position: 1, id: 'e1', type: 'A', attempts: 4, error: 'Error: no mail today', parkedAt: '1970-01-01T00:00:00.000Z' };
    expect(await deadLetters(store, 'c')).toEqual([expect.objectContaining(letter)]);
    expect(parked).toEqual([expect.objectContaining(letter)]);
    expect(await parked[0]!.readEvent()).toMatchObject({ position: 1, id: 'e1', data: null });
    expect(seen).toEqual([2]);
    expect(consumer.status()).toMatchObject({ position: 2, handled: 1, parked: 1 });
    await store.close();
  });

  test('stops at an event that fails, if told to, and tries it again when it is started again', async () => {
    const store = await open();
    await store.append(events('A', 'A', 'A'));
    const problem = new StateConflictError('looks like one of ours', 1, 2);
    const told: unknown[] = [];
    const options = { name: 'c', query: 'all', onFailure: 'stop', maxAttempts: 2 } as const;
    const consumer = consume(store, {
      ...options,
      handle: ({ position }) => {
        if (position === 2) throw problem;
      },
      onError: (error, info) => void told.push(error, info),
    });
    await expect(consumer.stopped).rejects.toBe(problem);
    expect(told).toEqual([problem, { willRetry: false }]);
    expect(consumer.status()).toMatchObject({ state: 'stopped', position: 1, error: problem });
    await expect(consumer.waitFor(3)).rejects.toBe(problem);
    expect(await deadLetters(store, 'c')).toEqual([]);

    const seen: number[] = [];
    await consume(store, { ...options, handle: ({ position }) => void seen.push(position) }).waitFor(3);
    expect(seen).toEqual([2, 3]);
    await store.close();
  });

  test('hands over typed events, brought up to date, and parks at once what its definition cannot take', async () => {
    const old = z.object({ n: z.number() });
    const Counted = defineEvent('Counted', z.object({ n: z.number(), unit: z.string() }), { version: 2, upcasts: { 1: upcast(old, ({ n }) => ({ n, unit: 'm' })) } });
    const store = await open();
    await store.append([
      defineEvent('Counted', old)({ n: 1 }),
      { type: 'Counted', data: { n: 'two' } },
      { type: 'Counted', data: { n: 3 }, metadata: { schemaVersion: 3 } },
      { type: 'Other', data: null },
      Counted({ n: 5, unit: 'km' }),
    ]);
    const seen: unknown[] = [];
    const consumer = consume(store, { name: 'c', events: [Counted], handle: ({ data }) => void seen.push(data) });
    await consumer.waitFor(5);
    expect(seen).toEqual([
      { n: 1, unit: 'm' },
      { n: 5, unit: 'km' },
    ]);
    const letters = await consumer.deadLetters();
    expect(letters.map(({ position, attempts }) => [position, attempts])).toEqual([
      [2, 0],
      [3, 0],
    ]);
    expect(letters[0]!.error).toContain('event 2 (Counted).data of version 1.n does not fit the schema');
    expect(letters[1]!.error).toContain('has version 3; this program knows it up to version 2');
    await consumer.stop();
    await store.close();
  });

  test('finishes the event in hand when it is asked to stop, and begins no other', async () => {
    const store = await open();
    await store.append(events('A', 'A'));
    for (const byStop of [true, false]) {
      const begun = gate();
      const finish = gate();
      const aborted: boolean[] = [];
      const stopping = new AbortController();
      const consumer = consume(store, {
        name: `c${byStop}`,
        query: 'all',
        signal: stopping.signal,
        handle: async (_event, { signal }) => {
          begun.open();
          await finish.passed;
          aborted.push(signal.aborted);
        },
      });
      await begun.passed;
      if (byStop) void consumer.stop();
      else stopping.abort();
      await new Promise(setImmediate);
      expect(consumer.status()).toMatchObject({ inHand: 1, handled: 0 });
      finish.open();
      await consumer.stopped;
      expect(aborted).toEqual([false]);
      expect(await savedPosition(store, consumer.name)).toBe(1);
    }
    await store.close();
  });

  test('does not wait for the next attempt when it is asked to stop, nor park the event', async () => {
    const store = await open();
    await store.append(events('A'));
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      handle: fail,
      sleep: (_ms, signal) => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
      onRetry: () => setImmediate(() => consumer.stop()),
    });
    await consumer.stopped;
    expect(await deadLetters(store, 'c')).toEqual([]);
    expect(await savedPosition(store, 'c')).toBe(0);
    await store.close();
  });

  test('stands by while another of its name is active, and takes over from the checkpoint', async () => {
    const store = await open();
    await store.append(events('A'));
    const seen: string[] = [];
    const start = (who: string) => consume(store, { name: 'c', query: 'all', handle: ({ position }) => void seen.push(`${who}${position}`) });
    const first = start('a');
    await first.waitFor(1);
    const second = start('b');
    await store.append(events('A'));
    // Of another consumer it sees what that has saved.
    await second.waitFor(2);
    expect(second.status().state).toBe('waiting');
    await first.stop();
    await second.waitFor((await store.append(events('A'))).last);
    expect(seen).toEqual(['a1', 'a2', 'b3']);
    await second.stop();
    await store.close();
  });

  test('ends quietly when the store is closed beneath it', async () => {
    const store = await open();
    await store.append(events('A'));
    const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    const waiting = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    await eventually(() => savedPosition(store, 'c')).toBe(1);
    await store.close();
    await consumer.stopped;
    await waiting.stopped;
    expect(consumer.status()).toMatchObject({ state: 'stopped', position: 1 });
  });

  test('refuses a checkpoint that the store contradicts, and goes on from where it is told', async () => {
    const from = await open();
    await from.append([{ type: 'A', id: 'a1', data: null }, ...events('A')]);
    const ahead = await open();
    const other = await open();
    await ahead.append(events('A'));
    await other.append(events('B', 'B', 'B'));
    const source = consume(from, { name: 'c', query: 'all', handle: () => undefined });
    await source.waitFor(2);
    await source.stop();
    const { value } = (await from.state.load('consumers/c/checkpoint'))!;
    for (const store of [ahead, other]) await store.state.save('consumers/c/checkpoint', value);

    const handle = vi.fn();
    await expect(consume(ahead, { name: 'c', query: 'all', handle }).stopped).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(/"c" has handled events up to position 2, but the last event of this store has position 1.*resetConsumer\(store, "c", \{ after: 1 \}\)/s),
      details: { consumer: 'c', position: 2, head: 1 },
    });
    await expect(consume(other, { name: 'c', query: 'all', handle }).stopped).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('but the event at that position is'),
    });
    expect(handle).not.toHaveBeenCalled();

    await resetConsumer(other, 'c', { after: 1 });
    await consume(other, { name: 'c', query: 'all', handle }).waitFor(3);
    expect(handle.mock.calls.map(([event]) => event.position)).toEqual([2, 3]);
    await expect(resetConsumer(ahead, 'c', { after: 2 })).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
    await expect(resetConsumer(other, 'c', { after: 0, timeoutMs: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await stopAll();
    await Promise.all([from, ahead, other].map((store) => store.close()));
  });

  test('replays dead letters: those that succeed go, those that fail stay with the new error', async () => {
    const store = await open();
    await store.append(events('A', 'A', 'A', 'A'));
    let broken = [1, 2, 3, 4];
    let why = 'first';
    const attempts: number[] = [];
    const handle = ({ position }: SequencedEvent, { attempt }: { attempt: number }) => {
      attempts.push(attempt);
      if (broken.includes(position)) throw new Error(why);
    };
    const consumer = consume(store, { name: 'c', query: 'all', maxAttempts: 1, handle });
    await consumer.waitFor(4);
    broken = [2, 3, 4];
    why = 'second';
    attempts.length = 0;
    const { handled, failed } = await consumer.replayDeadLetters({ positions: [2, 1, 9] });
    expect(handled).toEqual([1]);
    expect(failed).toEqual([expect.objectContaining({ position: 2, attempts: 2, error: 'Error: second' })]);
    expect(attempts).toEqual([2, 2]);
    expect((await deadLetters(store, 'c')).map(({ position, error }) => [position, error])).toEqual([
      [2, 'Error: second'],
      [3, 'Error: first'],
      [4, 'Error: first'],
    ]);
    await expect(replayDeadLetters(store, { name: 'c', query: 'all', handle, timeoutMs: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await consumer.stop();

    broken = [4];
    expect(await replayDeadLetters(store, { name: 'c', query: 'all', handle })).toMatchObject({ handled: [2, 3], failed: [{ position: 4, attempts: 2 }] });
    expect(await discardDeadLetters(store, 'c', [3, 4])).toBe(1);
    expect(await deadLetters(store, 'c')).toEqual([]);
    expect(await discardDeadLetters(store, 'c', 'all')).toBe(0);
    await store.close();
  });
});
