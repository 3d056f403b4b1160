import assert from 'node:assert/strict';
import type { EventIdConflictError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { NewEvent } from '../../core/event.js';
import { group } from './case.js';
import { appended, event, fill, refusal, repeated, take } from './tools.js';

const one = (id: string, data: NewEvent['data'] = { of: id }): NewEvent => ({ ...event('A', ['x', 'y'], data), id });
const batch = [one('a'), one('b'), one('c')];

async function assertConflict(store: EventStore, again: NewEvent | NewEvent[], reason: 'content' | 'partial', id: string, position: number): Promise<void> {
  const head = await store.head();
  const error = (await refusal(store.append(again), 'EVENT_ID_CONFLICT')) as EventIdConflictError;
  assert.equal(error.reason, reason);
  assert.equal(error.retryable, false);
  assert.deepEqual({ ...error.details }, { reason, id, position });
  assert.equal(await store.head(), head);
}

export const idempotencyGroup = group('idempotency', {
  'the same event again returns its position': async ({ store }) => {
    assert.deepEqual(await store.append(one('a')), appended(1));
    assert.deepEqual(await store.append(one('a')), repeated(1));
    assert.deepEqual(await store.append([one('a')]), repeated(1));
    assert.equal(await store.head(), 1);
  },

  'the same batch again returns its positions': async ({ store }) => {
    await store.append(event('Before'));
    assert.deepEqual(await store.append(batch), appended(2, 4));
    await store.append(event('After'));
    assert.deepEqual(await store.append(batch), repeated(2, 4));
    assert.equal(await store.head(), 5);
  },

  'metadata, time stamp, order of tags and of keys do not count': async ({ store }) => {
    await store.append({ ...one('a', { n: 1, m: { p: 1, q: 2 } }), metadata: { try: 1 }, timestamp: '2020-01-01T00:00:00Z' });
    const again = { ...one('a', { m: { q: 2, p: 1 }, n: 1, gone: undefined }), tags: ['y', 'x', 'y'], metadata: { try: 2 }, timestamp: '2021-01-01T00:00:00Z' };
    assert.deepEqual(await store.append(again), repeated(1));
    const stored = await store.read().first();
    assert.deepEqual([stored?.metadata, stored?.timestamp, stored?.tags], [{ try: 1 }, '2020-01-01T00:00:00Z', ['x', 'y']]);
  },

  'other content under a known id is a conflict': async ({ store }) => {
    await store.append([event('Before'), one('a', { list: [1, 2], text: 'é' })]);
    const same = one('a', { list: [1, 2], text: 'é' });
    const others: NewEvent[] = [
      { ...same, type: 'B' },
      { ...same, tags: ['x'] },
      { ...same, tags: ['x', 'y', 'z'] },
      { ...same, tags: ['x', 'z'] },
      { ...same, data: null },
      { ...same, data: { list: [2, 1], text: 'é' } },
      { ...same, data: { list: [1, 2], text: 'é'.normalize('NFD') } },
      { ...same, data: { list: [1, 2] } },
      { ...same, data: { list: [1, 2], text: 'é', more: null } },
      { ...same, data: { list: { 0: 1, 1: 2 }, text: 'é' } },
    ];
    for (const other of others) await assertConflict(store, other, 'content', 'a', 2);
    assert.deepEqual(await store.append(same), repeated(2));
  },

  'a partly known batch is refused whole': async ({ store }) => {
    await store.append(batch);
    await assertConflict(store, [one('c'), one('d')], 'partial', 'c', 3);
    await assertConflict(store, [one('d'), one('a')], 'partial', 'a', 1);
    await assertConflict(store, [...batch, one('d')], 'partial', 'a', 1);
    await assertConflict(store, [one('a'), event('WithoutId')], 'partial', 'a', 1);
    assert.deepEqual(await store.append(one('d')), appended(4));
  },

  'a known batch in another order is refused': async ({ store }) => {
    await store.append(batch);
    await assertConflict(store, [one('a'), one('c'), one('b')], 'partial', 'a', 1);
    await assertConflict(store, [one('b'), one('a')], 'partial', 'b', 2);
  },

  'known events that do not lie together are refused': async ({ store }) => {
    await store.append(batch);
    await assertConflict(store, [one('a'), one('c')], 'partial', 'a', 1);
  },

  'known events that lie together in order are a repetition, across batches too': async ({ store }) => {
    await store.append(batch);
    await store.append([one('d'), one('e')]);
    assert.deepEqual(await store.append([one('b'), one('c')]), repeated(2, 3));
    assert.deepEqual(await store.append([one('c'), one('d')]), repeated(3, 4));
    assert.deepEqual(await store.append(one('e')), repeated(5));
  },

  'other content is reported before a part': async ({ store }) => {
    await store.append(batch);
    await assertConflict(store, [one('new'), one('a'), one('b', 'other')], 'content', 'b', 2);
  },

  'a repetition succeeds although its condition fails by now': async ({ store }) => {
    const condition = { failIfEventsMatch: { items: [{ tags: ['x'] }] } };
    assert.deepEqual(await store.append(batch, condition), appended(1, 3));
    assert.deepEqual(await store.append(batch, condition), repeated(1, 3));
    await refusal(store.append(one('d'), condition), 'APPEND_CONDITION_FAILED');
    await refusal(store.append(one('a', 'other'), condition), 'EVENT_ID_CONFLICT');
  },

  'a repetition is known before its condition is looked at, even one that rests on a position ahead': async ({ store }) => {
    await store.append(batch);
    const ahead = { failIfEventsMatch: 'all', after: 99 } as const;
    assert.deepEqual(await store.append(batch, ahead), repeated(1, 3));
    await refusal(store.append(one('a', 'other'), ahead), 'EVENT_ID_CONFLICT');
  },

  'a repetition reaches no subscription again': async ({ store }) => {
    await store.append(batch);
    const seen = take(store.subscribe(), 4);
    for (const _ of [1, 2]) assert.deepEqual(await store.append(batch), repeated(1, 3));
    await store.append(one('d'));
    assert.deepEqual((await seen).map(({ id }) => id), ['a', 'b', 'c', 'd']);
  },

  'an id is not taken by an append that failed': async ({ store }) => {
    await store.append(event('Before'));
    await refusal(store.append(one('a'), { failIfEventsMatch: 'all' }), 'APPEND_CONDITION_FAILED');
    assert.deepEqual(await store.append(one('a', 'other')), appended(2));
  },

  'an id that the store made is known like any other': async ({ store }) => {
    await store.append(event('A', ['x'], 1));
    const stored = await store.read().first();
    assert.ok(stored);
    const { type, tags, data, id } = stored;
    assert.deepEqual(await store.append({ type, tags, data, id }), repeated(1));
    await assertConflict(store, { type: 'B', tags, data, id }, 'content', id, 1);
  },

  'the same batch several times at once is stored once': async ({ store }) => {
    const results = await Promise.all(Array.from({ length: 6 }, () => store.append(batch)));
    assert.deepEqual(results[0], appended(1, 3));
    for (const result of results.slice(1)) assert.deepEqual(result, repeated(1, 3));
    assert.equal(await store.head(), 3);
  },

  'the same id with other content at once: one wins': async ({ store }) => {
    const outcomes = await Promise.allSettled([store.append(one('a', 1)), store.append(one('a', 2)), store.append([one('z'), one('a', 1)])]);
    assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'rejected']);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as EventIdConflictError).reason : 'stored')),
      ['stored', 'content', 'partial'],
    );
    assert.equal(await store.head(), 1);
  },

  'thousands of ids stay known': async ({ store }) => {
    const many = Array.from({ length: 5000 }, (_, n) => one(`id-${n}`));
    await fill(store, many);
    for (const n of [0, 1, 2499, 2500, 4999]) assert.deepEqual(await store.append(one(`id-${n}`)), repeated(n + 1));
    assert.deepEqual(await store.append(many.slice(2450, 2549)), repeated(2451, 2549));
    assert.deepEqual(await store.append(one('id-5000')), appended(5001));
  },
});
