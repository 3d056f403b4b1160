import { describe, expect, test, vi } from 'vitest';
import {
  consume as consumeOn,
  deadLetters,
  defineEvent,
  discardDeadLetters,
  LockTimeoutError,
  openMemoryStore,
  replayDeadLetters,
  StorageFailedError,
  type EventStore,
  type SequencedEvent,
  type StandardSchemaV1,
} from '../../src/index.js';
import { consume, events, eventually, fail, gate, savedPosition, withCalls, withLosableLeases } from '../support/consuming.js';

test('a replay runs alone: the event in hand is finished first, and the next one waits', async () => {
  const store = openMemoryStore();
  await store.append(events('A', 'B', 'A'));
  const log: string[] = [];
  const finish = gate();
  let isReplay = false;
  const consumer = consume(store, {
    name: 'c',
    query: 'all',
    maxAttempts: 1,
    handle: async ({ type, position }) => {
      log.push(`begins ${position}`);
      if (position === 3) await finish.passed;
      if (isReplay && type === 'B') await new Promise(setImmediate);
      if (!isReplay && type === 'B') fail();
      log.push(`ends ${position}`);
    },
  });
  await eventually(() => log.at(-1)).toBe('begins 3');
  isReplay = true;
  const replay = consumer.replayDeadLetters();
  await store.append(events('A'));
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  finish.open();
  expect(await replay).toEqual({ handled: [2], failed: [] });
  await consumer.waitFor(4);
  expect(log).toEqual(['begins 1', 'ends 1', 'begins 2', 'begins 3', 'ends 3', 'begins 2', 'ends 2', 'begins 4', 'ends 4']);
});

test('a replay does not bring back what was discarded meanwhile, and ends when the consumer is to stop', async () => {
  const store = openMemoryStore();
  await store.append(events('A', 'A', 'A'));
  const stopping = new AbortController();
  let isReplay = false;
  const handle = async ({ position }: SequencedEvent) => {
    if (isReplay && position === 1) await discardDeadLetters(store, 'c', [1]);
    if (isReplay && position === 2) stopping.abort();
    fail();
  };
  const consumer = consume(store, { name: 'c', query: 'all', maxAttempts: 1, handle, signal: stopping.signal });
  await consumer.waitFor(3);
  isReplay = true;
  expect(await consumer.replayDeadLetters()).toMatchObject({ handled: [], failed: [{ position: 2 }] });
  expect((await deadLetters(store, 'c')).map(({ position, attempts }) => [position, attempts])).toEqual([
    [2, 2],
    [3, 1],
  ]);
});

test('a consumer that fails unnoticed does not end the process', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  const consumer = consumeOn(openMemoryStore(), { name: 'c', query: 'all', startAt: { after: 1 }, handle: () => undefined });
  await eventually(() => consumer.status().state).toBe('stopped');
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('a replay that is asked for while the checkpoint is saved is not forgotten', async () => {
  const inner = openMemoryStore();
  await inner.append(events('A'));
  let replay: Promise<unknown> | undefined;
  const save: EventStore['state']['save'] = async (name, value, options) => {
    if (consumer.status().state === 'live') replay ??= consumer.replayDeadLetters();
    return inner.state.save(name, value, options);
  };
  const consumer = consume(withCalls(inner, { state: { save } }), { name: 'c', query: 'all', handle: () => undefined });
  await eventually(() => replay).toBeDefined();
  expect(await replay).toEqual({ handled: [], failed: [] });
});

describe('trouble', () => {
  test('a lost lease aborts the handler; nothing is saved, and the consumer stands by for it again', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A', 'A'));
    const { store, lose } = withLosableLeases(inner);
    const begun = gate();
    const seen: number[] = [];
    let first = true;
    const saves = vi.spyOn(inner.state, 'save');
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      handle: async ({ position }, { signal }) => {
        seen.push(position);
        if (!first) return;
        first = false;
        begun.open();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
    await begun.passed;
    const before = saves.mock.calls.length;
    const blocker = inner.state.lease('consumers/c');
    await lose();
    const lease = await blocker;
    await eventually(() => consumer.status()).toMatchObject({ state: 'waiting', inHand: 0, handled: 0 });
    expect(saves.mock.calls.length).toBe(before);
    await lease.release();
    await consumer.waitFor(2);
    expect(seen).toEqual([1, 1, 2]);
  });

  test('who takes over keeps one that has not noticed yet from moving the checkpoint', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A', 'A'));
    const { store, loseSilently } = withLosableLeases(inner);
    const begun = gate();
    const finish = gate();
    const takenOver = gate();
    const finishNext = gate();
    const told: unknown[] = [];
    const common = { name: 'c', query: 'all', checkpointEvery: 1 } as const;
    const stalled = consume(store, {
      ...common,
      handle: async () => {
        begun.open();
        await finish.passed;
      },
      onError: (error) => void told.push(error),
    });
    await begun.passed;
    await loseSilently();
    const onError = vi.fn();
    const next = consume(store, {
      ...common,
      onError,
      handle: async () => {
        takenOver.open();
        await finishNext.passed;
      },
    });
    await takenOver.passed;
    finish.open();
    await eventually(() => told).toEqual([expect.objectContaining({ code: 'STATE_CONFLICT' })]);
    expect(await savedPosition(inner, 'c')).toBe(0);
    finishNext.open();
    await next.waitFor(2);
    expect(onError).not.toHaveBeenCalled();
    expect(next.status()).toMatchObject({ handled: 2 });
    expect(stalled.status().state).toBe('waiting');
  });

  test('an event that fails when the lease is lost is not parked', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A'));
    const { store, lose } = withLosableLeases(inner);
    let calls = 0;
    const validate = async () => {
      if (++calls === 1) await lose();
      return calls === 1 ? { issues: [{ message: 'no' }] } : { value: null };
    };
    const schema: StandardSchemaV1<null> = { '~standard': { version: 1, vendor: 'test', validate } };
    const Slow = defineEvent('A', schema);
    const consumer = consume(store, { name: 'c', events: [Slow], handle: () => undefined });
    await consumer.waitFor(1);
    expect(await consumer.deadLetters()).toEqual([]);
    expect(consumer.status()).toMatchObject({ handled: 1, parked: 0 });
  });

  test('a checkpoint that somebody else took over is not written over', async () => {
    const store = openMemoryStore();
    await store.append(events('A', 'A', 'A'));
    const seen: number[] = [];
    const told: unknown[] = [];
    const { id } = (await store.read('all', { after: 1, limit: 1 }).first())!;
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      handle: async ({ position }) => {
        seen.push(position);
        // As a process would that got the lease, while this one does not know yet that it lost it.
        if (seen.length === 1) await store.state.save('consumers/c/checkpoint', { position: 2, id, at: '' });
      },
      onError: (error, info) => void told.push(error, info),
      checkpointEvery: 1,
    });
    await consumer.waitFor(3);
    expect(seen).toEqual([1, 3]);
    expect(told).toEqual([expect.objectContaining({ code: 'STATE_CONFLICT' }), { willRetry: true }]);
  });

  test('what fails for a while is tried again; what does not is what stops it', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A', 'A'));
    const problems: Error[] = [];
    const state = {
      save: (...args: Parameters<EventStore['state']['save']>) => {
        const problem = problems.shift();
        return problem ? Promise.reject(problem) : inner.state.save(...args);
      },
    };
    const store = withCalls(inner, { state });
    const busy = new LockTimeoutError('busy');
    problems.push(busy, busy, busy);
    const told: unknown[] = [];
    const handled: number[] = [];
    const options = { name: 'c', query: 'all', handle: ({ position }: SequencedEvent) => void handled.push(position), onError: (...args: unknown[]) => void told.push(args) } as const;
    const consumer = consume(store, options);
    await consumer.waitFor(2);
    expect(told.length).toBeGreaterThan(0);
    expect(told.every((args) => (args as unknown[])[0] === busy)).toBe(true);
    expect(handled).toEqual([1, 2]);
    told.length = 0;
    await eventually(() => savedPosition(inner, 'c')).toBe(2);

    const broken = new StorageFailedError('the disk is gone', 'unknown');
    problems.push(broken, broken);
    await store.append(events('A'));
    await expect(consumer.stopped).rejects.toBe(broken);
    expect(told).toEqual([[broken, { willRetry: false }]]);
    await consumer.stop();
    await consume(store, options).waitFor(3);
    expect(handled).toEqual([1, 2, 3, 3]);
  });

  test('an event is not passed when it cannot be parked', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A', 'A'));
    const broken = new StorageFailedError('the disk is full', 'not-committed');
    const state = { save: (...args: Parameters<EventStore['state']['save']>) => (args[0].includes('/dead/') ? Promise.reject(broken) : inner.state.save(...args)) };
    const consumer = consume(withCalls(inner, { state }), { name: 'c', query: 'all', maxAttempts: 1, handle: ({ position }) => (position === 2 ? fail() : undefined) });
    await expect(consumer.stopped).rejects.toBe(broken);
    expect(await savedPosition(inner, 'c')).toBe(1);
  });

  test('a subscription that fails stops it', async () => {
    const inner = openMemoryStore();
    await inner.append(events('A'));
    const broken = new StorageFailedError('the disk is gone', 'not-committed');
    const store = withCalls(inner, {
      subscribe: (...args) => ({
        ...inner.subscribe(...args),
        async *[Symbol.asyncIterator]() {
          for await (const event of inner.subscribe(...args)) {
            yield event;
            throw broken;
          }
        },
      }),
    });
    const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    await expect(consumer.stopped).rejects.toBe(broken);
    expect(await savedPosition(inner, 'c')).toBe(1);
  });

  test('what a hook throws stops it, and is not taken for a failure of the event', async () => {
    const problem = new Error('hook');
    const throwing = (): never => {
      throw problem;
    };
    for (const hooks of [{ onRetry: throwing }, { onParked: throwing, maxAttempts: 1 }, { sleep: throwing }]) {
      const store = openMemoryStore();
      await store.append(events('A', 'A'));
      await expect(consume(store, { name: 'c', query: 'all', handle: fail, ...hooks }).stopped).rejects.toBe(problem);
      expect(await deadLetters(store, 'c')).toHaveLength('onParked' in hooks ? 1 : 0);
      expect(await savedPosition(store, 'c')).toBe('onParked' in hooks ? 1 : 0);
    }
  });

  test('whatever is thrown can be parked', async () => {
    const thrown = ['text', undefined, null, 7n, NaN, Symbol('s'), 'x'.repeat(10_000), '\ud800', { toString: fail }, Object.create(null)];
    const store = openMemoryStore();
    await store.append(events(...thrown.map(() => 'A')));
    const consumer = consume(store, {
      name: 'c',
      query: 'all',
      maxAttempts: 2,
      handle: ({ position }) => {
        throw thrown[position - 1];
      },
    });
    await consumer.waitFor(thrown.length);
    const texts = (await consumer.deadLetters()).map(({ error }) => error);
    expect(texts).toEqual(['text', 'undefined', 'null', '7', 'NaN', 'Symbol(s)', 'x'.repeat(4000), '\ufffd', 'an error without text', 'an error without text']);
  });

  test('letters of events that the store does not have say so', async () => {
    const store = openMemoryStore();
    await store.append(events('A'));
    for (const position of [1, 5]) await store.state.save(`consumers/c/dead/${position}`, { position, id: 'gone', type: 'A', attempts: 1, error: 'e', parkedAt: 'p' });
    expect(await Promise.all((await deadLetters(store, 'c')).map((letter) => letter.readEvent()))).toEqual([undefined, undefined]);
    const handle = vi.fn();
    const { failed } = await replayDeadLetters(store, { name: 'c', query: 'all', handle });
    expect(failed.map(({ position, attempts, error }) => [position, attempts, error])).toEqual([
      [1, 1, 'Error: Event "gone" is not at position 1 of this store. Discard its dead letter.'],
      [5, 1, 'Error: Event "gone" is not at position 5 of this store. Discard its dead letter.'],
    ]);
    expect(handle).not.toHaveBeenCalled();
    await store.state.save('consumers/c/dead/1', { position: 1 });
    await expect(deadLetters(store, 'c')).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
  });
});

test('a consumer that stops by itself without onError is told by a process warning', async () => {
  const store = openMemoryStore();
  await store.append({ type: 'A', data: null });
  const told: string[] = [];
  const listen = ({ message }: Error): number => told.push(message);
  process.on('warning', listen);
  const consumer = consumeOn(store, { name: 'quiet', query: 'all', onFailure: 'stop', maxAttempts: 1, handle: () => Promise.reject(new Error('out of ink.')) });
  // Consumers of other tests may be told of as well.
  await expect.poll(() => told).toContainEqual(expect.stringMatching(/^Consumer "quiet" stopped: .*out of ink/));
  process.off('warning', listen);
  await expect(consumer.stopped).rejects.toThrow('out of ink');
  await store.close();
});
