import { tracingChannel } from 'node:diagnostics_channel';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  consume as consumeOn,
  deadLetters,
  defineEvent,
  discardDeadLetters,
  InvalidInputError,
  openMemoryStore,
  replayDeadLetters,
  resetConsumer,
  type ConsumerOptions,
} from '../../src/index.js';
import { consume, events, fail } from '../support/consuming.js';

describe('a consumer', () => {
  test('is no promise, and is disposed of by stopping it', async () => {
    const store = openMemoryStore();
    const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    expect('then' in consumer).toBe(false);
    await consumer[Symbol.asyncDispose]();
    expect(consumer.status().state).toBe('stopped');
    const stopped = AbortSignal.abort();
    await consume(store, { name: 'c', query: 'all', signal: stopped, handle: () => undefined }).stopped;
  });

  test('tells who waits for a position when it stops, and refuses positions that are not there', async () => {
    const store = openMemoryStore();
    await store.append(events('A'));
    const held = await store.state.lease('consumers/c');
    const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
    await expect(consumer.waitFor(2)).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
    await expect(consumer.waitFor(-1)).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'position' });
    await expect(consumer.waitFor(1, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
    const waiting = consumer.waitFor(1);
    const replaying = consumer.replayDeadLetters();
    await consumer.stop();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await expect(replaying).rejects.toMatchObject({ name: 'AbortError' });
    await held.release();
  });

  test('traces each call of the handler', async () => {
    const store = openMemoryStore();
    await store.append({ type: 'A', data: null, metadata: { correlationId: 'r1' } });
    const channel = tracingChannel<unknown, Record<string, unknown>>('opossum:consume');
    const seen: unknown[] = [];
    const subscribers = { start: (message: object) => void seen.push({ ...message }), end() {}, asyncStart() {}, asyncEnd() {}, error: (message: { error: unknown }) => void seen.push(message.error) };
    channel.subscribe(subscribers);
    try {
      const consumer = consume(store, { name: 'c', query: 'all', handle: (_, { attempt }) => (attempt === 1 ? fail() : undefined) });
      await consumer.waitFor(1);
    } finally {
      channel.unsubscribe(subscribers);
    }
    const call = { consumer: 'c', positions: [1], type: 'A', metadata: { correlationId: 'r1' } };
    expect(seen).toEqual([{ ...call, attempt: 1 }, new Error('no mail today'), { ...call, attempt: 2 }]);
  });

  const handle = (): void => undefined;
  const good = { name: 'c', query: 'all', handle };
  const bad: [path: string, options: unknown][] = [
    ['consumer', undefined],
    ['consumer', { name: 'c', query: 'all' }],
    ['consumer', { ...good, handleBatch: handle }],
    ['consumer', { name: 'c', handle }],
    ['consumer', { ...good, events: [defineEvent('A', z.null())] }],
    ['consumer.nmae', { ...good, nmae: 'c' }],
    ['consumer.name', { ...good, name: 'A' }],
    ['consumer.name', { ...good, name: 'a/b' }],
    ['consumer.query', { ...good, query: 'some' }],
    ['consumer.query.items', { ...good, query: { items: [] } }],
    ['consumer.tags', { ...good, tags: ['a:1'] }],
    ['consumer.events', { name: 'c', handle, events: 'A' }],
    ['consumer.events', { name: 'c', handle, events: [defineEvent('A', z.null()), defineEvent('A', z.null())] }],
    ['consumer.handle', { ...good, handle: 'h' }],
    ['consumer.handleBatch', { name: 'c', query: 'all', handleBatch: 1 }],
    ['consumer.batchSize', { ...good, batchSize: 2 }],
    ['consumer.batchSize', { name: 'c', query: 'all', handleBatch: handle, batchSize: 0 }],
    ['consumer.concurrency', { name: 'c', query: 'all', handleBatch: handle, concurrency: 2 }],
    ['consumer.concurrency', { ...good, concurrency: 1.5 }],
    ['consumer.partitionBy', { ...good, partitionBy: 'type' }],
    ['consumer.startAt', { ...good, startAt: 'start' }],
    ['consumer.startAt', { ...good, startAt: null }],
    ['consumer.startAt.after', { ...good, startAt: {} }],
    ['consumer.startAt.after', { ...good, startAt: { after: -1 } }],
    ['consumer.startAt.befor', { ...good, startAt: { befor: 1 } }],
    ['consumer.onFailure', { ...good, onFailure: 'skip' }],
    ['consumer.maxAttempts', { ...good, maxAttempts: 0 }],
    ['consumer.baseDelayMs', { ...good, baseDelayMs: NaN }],
    ['consumer.maxDelayMs', { ...good, maxDelayMs: 2 ** 31 }],
    ['consumer.checkpointEvery', { ...good, checkpointEvery: 0 }],
    ['consumer.checkpointEveryMs', { ...good, checkpointEveryMs: -1 }],
    ['consumer.signal', { ...good, signal: {} }],
    ...['sleep', 'random', 'now', 'onRetry', 'onParked', 'onError'].map((field): [string, unknown] => [`consumer.${field}`, { ...good, [field]: 1 }]),
  ];
  test.each(bad)('refuses a bad %s at once: %j', (path, options) => {
    const call = (): unknown => consumeOn(openMemoryStore(), options as ConsumerOptions);
    expect(call).toThrow(InvalidInputError);
    expect(call).toThrow(expect.objectContaining({ path }));
  });

  test('and its neighbours refuse bad input', async () => {
    const store = openMemoryStore();
    const calls: [path: string, call: () => Promise<unknown>][] = [
      ['name', () => deadLetters(store, 'A')],
      ['name', () => discardDeadLetters(store, '', 'all')],
      ['positions', () => discardDeadLetters(store, 'c', 1 as never)],
      ['positions[1]', () => discardDeadLetters(store, 'c', [1, 0])],
      ['name', () => resetConsumer(store, '../c', { after: 0 })],
      ['options.after', () => resetConsumer(store, 'c', {} as never)],
      ['options.after', () => resetConsumer(store, 'c', { after: -1 })],
      ['options.to', () => resetConsumer(store, 'c', { to: 1 } as never)],
      ['options.name', () => replayDeadLetters(store, { name: 'A', query: 'all', handle })],
      ['options.positions', () => replayDeadLetters(store, { ...good, query: 'all', positions: 1 as never })],
      ['options.timeoutMs', () => replayDeadLetters(store, { ...good, query: 'all', timeoutMs: -1 })],
      ['options.concurrency', () => replayDeadLetters(store, { ...good, concurrency: 2 } as never)],
    ];
    for (const [path, call] of calls) await expect(call(), path).rejects.toMatchObject({ code: 'INVALID_INPUT', path });
  });
});
