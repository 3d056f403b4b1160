import assert from 'node:assert/strict';
import type { AppendConditionFailedError } from '../../core/errors.js';
import { group } from './case.js';
import { appended, event, events, positions, refusal, tagged, typed } from './tools.js';

export const conditionGroup = group('conditions', {
  "'all' holds on an empty store": async ({ store }) => {
    assert.deepEqual(await store.append(event('First'), { failIfEventsMatch: 'all' }), appended(1));
  },

  "'all' without after fails on any store with events": async ({ store }) => {
    await store.append(events(3));
    const error = (await refusal(store.append(event('Next'), { failIfEventsMatch: 'all' }), 'APPEND_CONDITION_FAILED')) as AppendConditionFailedError;
    assert.equal(error.position, 1);
  },

  "'all' with after = head holds, and fails once anything was appended": async ({ store }) => {
    await store.append(events(3));
    const condition = { failIfEventsMatch: 'all', after: 3 } as const;
    assert.deepEqual(await store.append(event('Next'), condition), appended(4));
    await refusal(store.append(event('Next'), condition), 'APPEND_CONDITION_FAILED');
  },

  'after is exclusive': async ({ store }) => {
    await store.append([event('A'), event('B'), event('B')]);
    const error = (await refusal(
      store.append(event('Next'), { failIfEventsMatch: typed('B'), after: 2 }),
      'APPEND_CONDITION_FAILED',
    )) as AppendConditionFailedError;
    assert.equal(error.position, 3);
    assert.deepEqual(await store.append(event('Next'), { failIfEventsMatch: typed('B'), after: 3 }), appended(4));
  },

  'after may be higher than the last match': async ({ store }) => {
    await store.append([event('A'), event('B'), event('C')]);
    assert.deepEqual(await store.append(event('Next'), { failIfEventsMatch: typed('A'), after: 2 }), appended(4));
  },

  'after 0 is the same as no after': async ({ store }) => {
    await store.append(event('A'));
    await refusal(store.append(event('Next'), { failIfEventsMatch: typed('A'), after: 0 }), 'APPEND_CONDITION_FAILED');
    await refusal(store.append(event('Next'), { failIfEventsMatch: typed('A') }), 'APPEND_CONDITION_FAILED');
  },

  'a batch never conflicts with itself': async ({ store }) => {
    const batch = [event('A', ['x']), event('A', ['x']), event('B')];
    assert.deepEqual(await store.append(batch, { failIfEventsMatch: tagged('x') }), appended(1, 3));
    assert.deepEqual(await store.append(batch, { failIfEventsMatch: 'all', after: 3 }), appended(4, 6));
  },

  'the error names the first conflict and is retryable': async ({ store }) => {
    await store.append([event('A', ['x']), event('B', ['x', 'y']), event('C', ['x'])]);
    const error = (await refusal(
      store.append(event('Next'), { failIfEventsMatch: tagged('x'), after: 1 }),
      'APPEND_CONDITION_FAILED',
    )) as AppendConditionFailedError;
    assert.equal(error.name, 'AppendConditionFailedError');
    assert.equal(error.retryable, true);
    assert.equal(error.position, 2);
    assert.equal(error.type, 'B');
    assert.deepEqual([...error.tags], ['x', 'y']);
    assert.deepEqual({ ...error.details }, { position: 2, type: 'B', tags: ['x', 'y'], after: 1 });
  },

  'a failed condition appends nothing of the batch and uses no position': async ({ store }) => {
    await store.append(event('A'));
    await refusal(store.append(events(5), { failIfEventsMatch: typed('A') }), 'APPEND_CONDITION_FAILED');
    assert.equal(await store.head(), 1);
    assert.deepEqual(await store.append(event('B')), appended(2));
  },

  'after beyond the head is refused': async ({ store }) => {
    await refusal(store.append(event('A'), { failIfEventsMatch: 'all', after: 1 }), 'POSITION_AHEAD');
    await store.append(events(3));
    const error = await refusal(store.append(event('A'), { failIfEventsMatch: typed('Unknown'), after: 4 }), 'POSITION_AHEAD');
    assert.deepEqual({ ...error.details }, { after: 4, head: 3 });
    await refusal(store.append(event('A'), { failIfEventsMatch: 'all', after: Number.MAX_SAFE_INTEGER }), 'POSITION_AHEAD');
    assert.equal(await store.head(), 3);
  },

  'the first conflict may lie anywhere in a batch, and each item of the query finds its own': async ({ store }) => {
    await store.append([event('A'), event('B', ['x']), event('C', ['y'])]);
    const both = { items: [{ tags: ['y'] }, { types: ['B'], tags: ['x'] }] };
    for (const [after, position] of [[0, 2], [1, 2], [2, 3]] as const) {
      const { details } = await refusal(store.append(event('Next'), { failIfEventsMatch: both, after }), 'APPEND_CONDITION_FAILED');
      assert.equal(details['position'], position);
    }
    assert.deepEqual(await store.append(event('Next'), { failIfEventsMatch: both, after: 3 }), appended(4));
  },

  'the head of an empty read guards against the first event': async ({ store }) => {
    await store.append(event('Other'));
    const read = store.read(tagged('x'));
    assert.deepEqual(await read.toArray(), []);
    const condition = { failIfEventsMatch: tagged('x'), after: await read.head() };
    assert.equal(condition.after, 1);
    assert.deepEqual(await store.append(event('First', ['x']), condition), appended(2));
    await refusal(store.append(event('First', ['x']), condition), 'APPEND_CONDITION_FAILED');
  },

  'the head of a read is the after of a decision': async ({ store }) => {
    await store.append([event('A', ['x']), event('B', ['y'])]);
    const read = store.read(tagged('x'));
    assert.deepEqual(await positions(read), [1]);
    const after = await read.head();
    assert.equal(after, 2);
    await store.append(event('B', ['y']));
    assert.deepEqual(await store.append(event('A', ['x']), { failIfEventsMatch: tagged('x'), after }), appended(4));
    await refusal(store.append(event('A', ['x']), { failIfEventsMatch: tagged('x'), after }), 'APPEND_CONDITION_FAILED');
  },

  'calls made together are decided in the order in which they were made': async ({ store }) => {
    await store.append(event('A'));
    const condition = { failIfEventsMatch: tagged('seat'), after: 1 };
    const outcomes = await Promise.allSettled([
      store.append(event('Other'), condition),
      store.append(event('Taken', ['seat']), condition),
      store.append(event('Taken', ['seat']), condition),
      store.append(event('Other')),
      store.append(event('Taken', ['seat']), { failIfEventsMatch: tagged('seat'), after: 3 }),
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.first : (outcome.reason as AppendConditionFailedError).position)),
      [2, 3, 3, 4, 5],
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
  },

  'what the caller does to the condition after the call does not matter': async ({ store }) => {
    await store.append(event('A', ['x']));
    const tags = ['x'];
    const condition = { failIfEventsMatch: { items: [{ tags }] }, after: 0 };
    const append = store.append(event('Next'), condition);
    tags[0] = 'y';
    condition.after = 1;
    await refusal(append, 'APPEND_CONDITION_FAILED');
  },

  'many items with many types and tags are checked': async ({ store }) => {
    await store.append(events(50, 'Noise', ['noise']));
    await store.append(event('Wanted', ['a', 'b', 'needle']));
    const items = Array.from({ length: 300 }, (_, i) => ({ types: [`T${i}`, 'Wanted'], tags: [`t${i}`, 'a'] }));
    assert.deepEqual(await store.append(event('Next'), { failIfEventsMatch: { items } }), appended(52));
    const withNeedle = { items: [...items, { types: ['Wanted'], tags: ['needle', 'b', 'a'] }] };
    await refusal(store.append(event('Next'), { failIfEventsMatch: withNeedle, after: 50 }), 'APPEND_CONDITION_FAILED');
  },
});
