import assert from 'node:assert/strict';
import { isOpossumError, type ErrorCode, type InvalidInputError, type OpossumError } from '../../core/errors.js';
import type { JsonValue } from '../../core/event.js';
import { limits } from '../../core/limits.js';
import { group } from './case.js';
import { range, refusal } from './tools.js';

const values: readonly JsonValue[] = [
  null,
  true,
  0,
  -1.5,
  2 ** 53 - 1,
  '',
  'tab\t, newline\n, "quotes", nul\0, emoji 🦝, line separator \u2028',
  [],
  {},
  [[], [null], { a: [] }],
  { '': { 'a b': 1, constructor: 2, é: [1e-7, 1e21] } },
];

const badNames: readonly unknown[] = [
  '', 'A', 'a/', '/a', 'a//b', '../a', 'a/..', '.', 'a\\b', 'con', 'a/nul.txt', 'a.', 'a/b.', 'ä', 'a b', '-a', 'a@', 'a\0', 'x'.repeat(65), 'a/b/c/d/e/f/g/h/i', undefined, null, 5, ['a'], { name: 'a' },
];

const badValues: readonly (readonly [value: unknown, path: string])[] = [
  [undefined, 'value'],
  [{ a: [1, NaN] }, 'value.a[1]'],
  [{ when: new Date(0) }, 'value.when'],
  [() => 1, 'value'],
  ['\ud800', 'value'],
  [5n, 'value'],
  [[-0], 'value[0]'],
];

/** All are waited for at once: none may be refused while nobody listens. */
function refusals(calls: readonly Promise<unknown>[], code: ErrorCode): Promise<OpossumError[]> {
  return Promise.all(calls.map((call) => refusal(call, code)));
}

export const stateGroup = group('state', {
  'what is saved is loaded, and a name without it has none': async ({ store: { state } }) => {
    assert.equal(await state.load('a'), undefined);
    for (const [i, value] of values.entries()) {
      assert.equal(await state.save('a', value), i + 1);
      assert.deepEqual(await state.load('a'), { value, version: i + 1 });
    }
    assert.equal(await state.load('b'), undefined);
  },

  'a loaded value is the caller’s own, and so is a saved one': async ({ store: { state } }) => {
    const value = { list: [1] };
    await state.save('a', value);
    value.list.push(2);
    const loaded = (await state.load('a'))!.value as { list: number[] };
    loaded.list.push(3);
    assert.deepEqual((await state.load('a'))?.value, { list: [1] });
  },

  'a save that expects a version replaces that and no other': async ({ store: { state } }) => {
    assert.equal(await state.save('a', 'one', { expected: 0 }), 1);
    const { details } = await refusal(state.save('a', 'no', { expected: 0 }), 'STATE_CONFLICT');
    assert.deepEqual({ ...details }, { name: 'a', expected: 0, actual: 1 });
    assert.equal(await state.save('a', 'two', { expected: 1 }), 2);
    for (const expected of [0, 1, 3]) await refusal(state.save('a', 'no', { expected }), 'STATE_CONFLICT');
    await refusal(state.save('b', 'no', { expected: 1 }), 'STATE_CONFLICT');
    assert.deepEqual(await state.load('a'), { value: 'two', version: 2 });
    assert.equal(await state.load('b'), undefined);
  },

  'of saves at once that expect the same version one wins': async ({ store: { state } }) => {
    for (const round of range(1, 5)) {
      const before = (await state.load('a'))?.version ?? 0;
      const outcomes = await Promise.allSettled(range(1, 8).map((n) => state.save('a', `${round}/${n}`, { expected: before })));
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i + 1] : []));
      assert.equal(winners.length, 1);
      for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isOpossumError(outcome.reason, 'STATE_CONFLICT'), String(outcome.reason));
      assert.equal((await state.load('a'))?.value, `${round}/${winners[0]}`);
    }
  },

  'saves at once that expect nothing are all saved, each with a version of its own': async ({ store: { state } }) => {
    const versions = await Promise.all(range(1, 10).map((n) => state.save('a', n)));
    assert.equal(new Set(versions).size, 10);
    const last = versions.indexOf(Math.max(...versions)) + 1;
    assert.deepEqual(await state.load('a'), { value: last, version: Math.max(...versions) });
  },

  'what is removed is gone, and may be saved again': async ({ store: { state } }) => {
    assert.equal(await state.remove('a'), false);
    await refusal(state.remove('a', { expected: 1 }), 'STATE_CONFLICT');
    await state.save('a', 1);
    await state.save('a', 2);
    await refusal(state.remove('a', { expected: 1 }), 'STATE_CONFLICT');
    assert.equal(await state.remove('a', { expected: 2 }), true);
    assert.equal(await state.load('a'), undefined);
    assert.deepEqual(await state.list(), []);
    assert.equal(await state.remove('a'), false);
    const version = await state.save('a', 3, { expected: 0 });
    assert.deepEqual(await state.load('a'), { value: 3, version });
    assert.equal(await state.remove('a'), true);
    assert.equal(await state.load('a'), undefined);
  },

  'names that look alike are different states': async ({ store: { state } }) => {
    const names = ['a', 'a.1', 'a.1.json', 'a.1.2', 'a/b', 'a/b/c', 'a.lease', 'a/lease', 'a.1.json/b', 'lease/a', '1', '1/1', '1.json', '0', 'a-b', 'a_b', 'a/b.tmp', 'a/state', 'x'.repeat(64), 'a/b/c/d/e/f/g/h'];
    for (const name of names) await state.save(name, name);
    for (const name of names) assert.deepEqual(await state.load(name), { value: name, version: 1 });
    assert.deepEqual(await state.list(), [...names].sort());
    for (const name of names) {
      const lease = await state.lease(name, { timeoutMs: 0 });
      assert.equal((await state.load(name))?.value, name);
      await lease.release();
    }
    await state.remove('a');
    assert.equal((await state.load('a/b'))?.value, 'a/b');
  },

  'a list has what lies below the prefix, sorted': async ({ store: { state } }) => {
    for (const name of ['b', 'a/b', 'a', 'a/c/d', 'a.b/c', 'ab', 'a-b/c']) await state.save(name, null);
    assert.deepEqual(await state.list(), ['a', 'a-b/c', 'a.b/c', 'a/b', 'a/c/d', 'ab', 'b']);
    assert.deepEqual(await state.list('a'), ['a/b', 'a/c/d']);
    assert.deepEqual(await state.list('a/c'), ['a/c/d']);
    assert.deepEqual(await state.list('a/c/d'), []);
    assert.deepEqual(await state.list('nothing'), []);
  },

  'bad names are refused': async ({ store: { state } }) => {
    for (const name of badNames as string[]) {
      for (const error of await refusals([state.load(name), state.save(name, 1), state.remove(name), state.lease(name)], 'INVALID_INPUT')) {
        assert.match((error as InvalidInputError).path, /^name( part)?$/);
      }
      if (name !== undefined) assert.match(((await refusal(state.list(name), 'INVALID_INPUT')) as InvalidInputError).path, /^prefix( part)?$/);
    }
    assert.deepEqual(await state.list(), []);
  },

  'bad values and options are refused with their path': async ({ store: { state } }) => {
    await state.save('a', 'kept');
    for (const [value, path] of badValues) {
      assert.equal(((await refusal(state.save('a', value as JsonValue), 'INVALID_INPUT')) as InvalidInputError).path, path);
    }
    for (const expected of [-1, 1.5, NaN, '1', null]) {
      const options = { expected } as unknown as { expected: number };
      for (const error of await refusals([state.save('a', 1, options), state.remove('a', options)], 'INVALID_INPUT')) {
        assert.equal((error as InvalidInputError).path, 'options.expected');
      }
    }
    for (const timeoutMs of [-1, NaN, '5']) await refusal(state.lease('a', { timeoutMs } as { timeoutMs: number }), 'INVALID_INPUT');
    await refusal(state.save('a', 1, { expects: 1 } as object), 'INVALID_INPUT');
    assert.equal((await state.load('a'))?.value, 'kept');
  },

  'a value of nearly a megabyte is kept': async ({ store: { state } }) => {
    const value = { text: 'é'.repeat(480_000), list: range(1, 1000) };
    await state.save('a', value);
    assert.deepEqual((await state.load('a'))?.value, value);
  },

  'a lease is held by one': async ({ store: { state } }) => {
    const first = await state.lease('a');
    assert.equal(first.signal.aborted, false);
    await refusal(state.lease('a', { timeoutMs: 0 }), 'LOCK_TIMEOUT');
    await refusal(state.lease('a', { timeoutMs: 30 }), 'LOCK_TIMEOUT');
    const other = await state.lease('b', { timeoutMs: 0 });
    const waiting = state.lease('a');
    await first.release();
    const second = await waiting;
    assert.equal(first.signal.aborted, true);
    assert.equal(second.signal.aborted, false);
    // Released twice, it takes nothing from the next one.
    await first.release();
    await refusal(state.lease('a', { timeoutMs: 0 }), 'LOCK_TIMEOUT');
    await second[Symbol.asyncDispose]();
    await other.release();
    await (await state.lease('a', { timeoutMs: 0 })).release();
  },

  'who waits for a lease can be called off, and leaves it to others': async ({ store: { state } }) => {
    const held = await state.lease('a');
    const reason = { my: 'reason' };
    const controller = new AbortController();
    const waiting = assert.rejects(state.lease('a', { signal: controller.signal }), (error) => error === reason);
    controller.abort(reason);
    await waiting;
    await assert.rejects(state.lease('b', { signal: controller.signal }), (error) => error === reason);
    await held.release();
    await (await state.lease('a', { timeoutMs: 1000 })).release();
    await (await state.lease('b', { timeoutMs: 0 })).release();
  },

  'a closed store refuses everything, and holds and waits for no lease': async ({ store }) => {
    const { state } = store;
    const held = await state.lease('a');
    const saving = state.save('b', 1);
    const waiting = refusal(state.lease('a'), 'STORE_CLOSED');
    await store.close();
    assert.equal(await saving, 1);
    await waiting;
    assert.equal(held.signal.aborted, true);
    await held.release();
    await refusals([state.load('a'), state.save('a', 1), state.remove('a'), state.list(), state.lease('a')], 'STORE_CLOSED');
  },
});

export const largeStateGroup = group(
  'large states',
  {
    'a value of 16 MiB is kept, a larger one refused': async ({ store: { state } }) => {
      const large = 'x'.repeat(limits.stateBytes - 2);
      await state.save('a', large);
      assert.ok((await state.load('a'))?.value === large);
      assert.equal(((await refusal(state.save('a', `${large}x`), 'INVALID_INPUT')) as InvalidInputError).path, 'value');
      assert.equal((await state.load('a'))?.version, 1);
    },
  },
  'largeStates',
);

export const stateReopenedGroup = group(
  'state, reopened',
  {
    'is as it was, and its leases are free': async ({ store, reopen }) => {
      await store.state.save('a', 1);
      await store.state.save('a', { n: 2 });
      await store.state.save('a/b', []);
      await store.state.save('c', 1);
      await store.state.remove('c');
      await store.state.lease('a');
      const { state } = await reopen();
      assert.deepEqual(await state.load('a'), { value: { n: 2 }, version: 2 });
      assert.deepEqual(await state.list(), ['a', 'a/b']);
      await (await state.lease('a', { timeoutMs: 1000 })).release();
      assert.equal(await state.save('a', 3, { expected: 2 }), 3);
    },
  },
  'reopen',
);

export const stateSharedGroup = group(
  'state, in another store on the same data',
  {
    'is the same, and so are its leases': async ({ store, another }) => {
      const other = (await another()).state;
      await store.state.save('a', 1);
      assert.deepEqual(await other.load('a'), { value: 1, version: 1 });
      assert.equal(await other.save('a', 2, { expected: 1 }), 2);
      await refusal(store.state.save('a', 3, { expected: 1 }), 'STATE_CONFLICT');
      const lease = await store.state.lease('a');
      await refusal(other.lease('a', { timeoutMs: 0 }), 'LOCK_TIMEOUT');
      const waiting = other.lease('a');
      await store.close();
      assert.equal(lease.signal.aborted, true);
      await (await waiting).release();
      assert.equal(await other.remove('a', { expected: 2 }), true);
    },

    'counts what all add': async ({ store, another }) => {
      const stores = [store, await another(), await another()];
      await Promise.all(
        stores.map(async ({ state }) => {
          for (let left = 5; left > 0; ) {
            const found = await state.load('count');
            try {
              await state.save('count', ((found?.value ?? 0) as number) + 1, { expected: found?.version ?? 0 });
              left--;
            } catch (error) {
              if (!isOpossumError(error, 'STATE_CONFLICT')) throw error;
            }
          }
        }),
      );
      assert.equal((await store.state.load('count'))?.value, 15);
    },
  },
  'another',
);
