import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { z } from 'zod';
import { defineEvent, openMemoryStore, reject, repository, stream, upcast, type EventOf, type EventStore, type Rejection } from '../../src/index.js';

const Opened = defineEvent('Opened', z.object({ owner: z.string() }), { tags: (data) => ({ owner: data.owner }) });
const Paid = defineEvent('Paid', z.object({ cents: z.int() }), { version: 2, upcasts: { 1: upcast(z.object({ euros: z.int() }), ({ euros }) => ({ cents: euros * 100 })) } });

type Account = { owner: string | undefined; cents: number };

let store: EventStore;
beforeEach(() => (store = openMemoryStore()));
afterEach(() => store.close());

const accountsOf = (over: EventStore, retry: Parameters<typeof repository>[0]['retry'] = { baseDelayMs: 0 }) =>
  repository({
    store: over,
    streamOf: (id) => `account-${id}`,
    events: [Opened, Paid],
    initial: { owner: undefined, cents: 0 } as Account,
    evolve: (account, event) => (event.type === 'Opened' ? { ...account, owner: event.data.owner } : { ...account, cents: account.cents + event.data.cents }),
    retry,
  });

/** A store in which somebody else appends just before each of the next `times` appends. */
function contested(times: number): EventStore {
  return {
    ...store,
    read: (...args) => store.read(...args),
    async append(...args) {
      if (times-- > 0) await stream(store, 'account-a').append(Paid({ cents: 1 }), { expectedVersion: 'any' });
      return store.append(...args);
    },
  };
}

describe('load', () => {
  test('gives the initial state and version 0 when there is nothing', async () => {
    expect(await accountsOf(store).load('a')).toEqual({ state: { owner: undefined, cents: 0 }, version: 0 });
  });

  test('folds known types, brought up to date, and counts the others', async () => {
    const events = [Opened({ owner: 'o' }), { type: 'Paid', data: { euros: 2 } }, { type: 'Renamed', data: null }, Paid({ cents: 5 })];
    await stream(store, 'account-a').append(events, { expectedVersion: 'none' });
    await stream(store, 'account-b').append(Paid({ cents: 7 }), { expectedVersion: 'none' });
    expect(await accountsOf(store).load('a')).toEqual({ state: { owner: 'o', cents: 205 }, version: 4 });
  });

  test('refuses data that does not fit', async () => {
    await stream(store, 'account-a').append({ type: 'Opened', data: { owner: 1 } }, { expectedVersion: 'none' });
    await expect(accountsOf(store).load('a')).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'event 1 (Opened).data.owner' });
  });

  test('begins with a state of its own each time', async () => {
    const lists = repository({
      store,
      streamOf: (id) => id,
      initial: { seen: [] as string[] },
      evolve(list, event: { type: string; data: null }) {
        list.seen.push(event.type);
        return list;
      },
    });
    await lists.update('l', () => [{ type: 'A', data: null }, { type: 'B', data: null }]);
    expect((await lists.load('l')).state).toEqual({ seen: ['A', 'B'] });
    expect((await lists.load('l')).state).toEqual({ seen: ['A', 'B'] });
  });
});

describe('update', () => {
  test('appends what was decided at the version that was loaded', async () => {
    const accounts = accountsOf(store);
    const opened = await accounts.update('a', (state, { version, attempt }) => {
      expect([state, version, attempt]).toEqual([{ owner: undefined, cents: 0 }, 0, 1]);
      return [Opened({ owner: 'o' }), Paid({ cents: 1 })];
    });
    expect(opened).toMatchObject({ outcome: 'appended', state: { cents: 0 }, version: 2, first: 1, last: 2, duplicate: false, attempts: 1 });
    const paid = await accounts.update('a', ({ cents }) => Paid({ cents }));
    expect(paid).toMatchObject({ outcome: 'appended', state: { owner: 'o', cents: 1 }, version: 3, events: [{ type: 'Paid', data: { cents: 1 } }] });
    expect(await accounts.load('a')).toEqual({ state: { owner: 'o', cents: 2 }, version: 3 });
  });

  test.each([() => undefined, () => [], async () => undefined])('appends nothing when nothing is decided', async (decide) => {
    expect(await accountsOf(store).update('a', decide)).toEqual({ outcome: 'nothing', state: { owner: undefined, cents: 0 }, version: 0, events: [], attempts: 1 });
    expect(await store.head()).toBe(0);
  });

  test('tells a rejection', async () => {
    const result = await accountsOf(store).update('a', ({ owner }) => (owner === undefined ? reject('not open') : Paid({ cents: 1 })));
    expect(result).toMatchObject({ outcome: 'rejected', rejected: 'not open', version: 0 });
    if (result.outcome === 'rejected') expectTypeOf(result.rejected).toEqualTypeOf<'not open'>();
  });

  test('decides again on a fresh state when somebody else was faster', async () => {
    const seen: number[] = [];
    const onRetry = vi.fn();
    const result = await accountsOf(contested(2)).update('a', ({ cents }) => (seen.push(cents), Paid({ cents: 10 })), { onRetry });
    expect([seen, result]).toMatchObject([[0, 1, 2], { outcome: 'appended', state: { cents: 2 }, version: 3, attempts: 3 }]);
    expect(onRetry.mock.calls.map(([{ attempt, error }]) => [attempt, error.code])).toEqual([[1, 'WRONG_EXPECTED_VERSION'], [2, 'WRONG_EXPECTED_VERSION']]);
  });

  test('gives up after the last attempt, with its error', async () => {
    await expect(accountsOf(contested(9)).update('a', () => Paid({ cents: 10 }), { maxAttempts: 3 })).rejects.toMatchObject({ code: 'WRONG_EXPECTED_VERSION', expected: 2, actual: 3 });
    expect((await accountsOf(store).load('a')).state.cents).toBe(3);
  });

  test('tries as often as the repository says, unless the call says otherwise', async () => {
    const accounts = accountsOf(contested(2), { maxAttempts: 1 });
    const decide = vi.fn(() => Paid({ cents: 10 }));
    await expect(accounts.update('a', decide)).rejects.toMatchObject({ code: 'WRONG_EXPECTED_VERSION', expected: 0, actual: 1 });
    expect(decide).toHaveBeenCalledTimes(1);
    expect(await accounts.update('a', decide, { maxAttempts: 2, baseDelayMs: 0 })).toMatchObject({ outcome: 'appended', version: 3, attempts: 2 });
  });

  test('twenty at once: every one is in, none is lost', async () => {
    const accounts = accountsOf(store);
    const results = await Promise.all(Array.from({ length: 20 }, () => accounts.update('a', () => Paid({ cents: 1 }), { maxAttempts: 100, baseDelayMs: 1 })));
    expect(results.map(({ version }) => version).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(await accounts.load('a')).toEqual({ state: { owner: undefined, cents: 20 }, version: 20 });
  });

  test('what is repeated with the same ids is stored once', async () => {
    const accounts = accountsOf(store);
    const pay = () => accounts.update('a', () => Paid({ cents: 1 }, { id: 'payment-1' }));
    expect(await pay()).toMatchObject({ duplicate: false, version: 1 });
    await accounts.update('a', () => Paid({ cents: 5 }));
    expect(await pay()).toMatchObject({ outcome: 'appended', duplicate: true, version: 1, first: 1, last: 1 });
    expect((await accounts.load('a')).state.cents).toBe(6);
  });

  test('what the decision throws comes out as it is, even when it looks like a conflict', async () => {
    const other = stream(store, 'other');
    await other.append(Paid({ cents: 1 }), { expectedVersion: 'none' });
    const decide = vi.fn(async () => {
      await other.append(Paid({ cents: 1 }), { expectedVersion: 'none' });
    });
    await expect(accountsOf(store).update('a', decide)).rejects.toMatchObject({ code: 'WRONG_EXPECTED_VERSION', details: { stream: 'other' } });
    expect(decide).toHaveBeenCalledTimes(1);
    await expect(accountsOf(store).update('a', () => { throw new Error('no'); })).rejects.toThrow('no');
    expect(await store.head()).toBe(1);
  });

  test('ends when it is aborted', async () => {
    const stop = new AbortController();
    const update = accountsOf(contested(9)).update('a', () => Paid({ cents: 1 }), { signal: stop.signal, onRetry: () => stop.abort('enough') });
    await expect(update).rejects.toBe('enough');
  });
});

describe('types', () => {
  test('come from the definitions', async () => {
    const accounts = accountsOf(store);
    expectTypeOf((await accounts.load('a')).state).toEqualTypeOf<Account>();
    const wrong = () => {
      // @ts-expect-error no such event
      void accounts.update('a', () => ({ type: 'Closed', data: null, tags: [] }));
      // @ts-expect-error wrong data
      void accounts.update('a', () => ({ type: 'Paid', data: { euros: 1 }, tags: [] }));
      // @ts-expect-error cents are a number
      void accounts.update('a', () => Paid({ cents: '1' }));
    };
    expect(wrong).toBeTypeOf('function');
    repository({
      store,
      streamOf: (id) => id,
      events: [Opened, Paid],
      initial: 0,
      evolve(state, event) {
        expectTypeOf(state).toEqualTypeOf<number>();
        expectTypeOf(event).toEqualTypeOf<EventOf<typeof Opened> | EventOf<typeof Paid>>();
        return state;
      },
    });
    // @ts-expect-error the state is a number
    repository({ store, streamOf: (id) => id, events: [Opened], initial: 0, evolve: () => 'x' });
  });

  test('or from what evolve takes', async () => {
    type Change = { type: 'Added'; data: { n: number } } | { type: 'Cleared'; data: null };
    const counters = repository({
      store,
      streamOf: (id) => `counter-${id}`,
      initial: () => 0,
      evolve: (count, event: Change) => (event.type === 'Added' ? count + event.data.n : 0),
    });
    await counters.update('c', () => [{ type: 'Added', data: { n: 2 } }, { type: 'Added', data: { n: 3 }, id: 'x', tags: ['t'] }]);
    // @ts-expect-error wrong data
    const wrong = () => counters.update('c', () => ({ type: 'Added', data: null }));
    expect(wrong).toBeTypeOf('function');
    const result = await counters.update('c', (count) => (count > 4 ? reject({ count }) : { type: 'Cleared', data: null }));
    expectTypeOf(result.state).toEqualTypeOf<number>();
    expect(result).toMatchObject({ outcome: 'rejected', rejected: { count: 5 } } satisfies Rejection<{ count: number }> & { outcome: string });
  });
});

describe('bad input', () => {
  const good = { streamOf: (id: string) => id, initial: 0, evolve: (count: number, _: { type: string; data: null }) => count };

  test.each([
    // @ts-expect-error no function
    [() => repository({ ...good, store, streamOf: 'account' }), 'repository.streamOf'],
    // @ts-expect-error no function
    [() => repository({ ...good, store, evolve: {} }), 'repository.evolve'],
    [() => repository({ ...good, store, events: [] }), 'repository events'],
    [() => repository({ ...good, store, events: [Opened, Opened], evolve: (count) => count }), 'repository events'],
    [() => repository({ ...good, store, folding: 1 } as typeof good & { store: EventStore }), 'repository.folding'],
  ] as [() => unknown, string][])('%s is refused', (call, path) => {
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', path }));
  });

  test('an id that makes no stream, and unknown options, are refused', async () => {
    const numbers = repository({ ...good, store });
    await expect(numbers.load('')).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'stream id' });
    // @ts-expect-error the version is the repository's
    await expect(numbers.update('a', () => [], { expectedVersion: 1 })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.expectedVersion' });
  });
});
