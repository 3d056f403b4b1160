/* What is particular to appends on Cosmos DB: its limits, lost answers, and errors that say whether anything was stored. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openCosmosStore, type CosmosStoreOptions } from '../../src/cosmos/index.js';
import { isOpossumError, type EventStore, type NewEvent, type StorageFailedError } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

let server: StrictServer;
const stores: EventStore[] = [];
beforeAll(async () => {
  server = await StrictServer.start();
});
afterEach(async () => {
  server.weather = new Weather();
  server.mostRows = Infinity;
  server.cutsPages = false;
  for (const store of stores.splice(0)) await store.close();
});
afterAll(() => server.stop());

const sleep = async (_: number, signal?: AbortSignal): Promise<void> => signal?.throwIfAborted();

async function open(options: Partial<CosmosStoreOptions> = {}): Promise<EventStore> {
  const store = await openCosmosStore({ container: await server.container(), sleep, ...options });
  stores.push(store);
  return store;
}

const events = (count: number, more: Partial<NewEvent> = {}): NewEvent[] => Array.from({ length: count }, (_, n) => ({ type: 'A', data: { n }, ...more }));
const refusalOf = (work: Promise<unknown>) => work.then(() => expect.fail('it succeeded'), (error: unknown) => error as StorageFailedError);

describe('limits', () => {
  test('99 events are one append, and 100 are refused before any request', async () => {
    const store = await open();
    expect(await store.append(events(99))).toEqual({ first: 1, last: 99, duplicate: false });
    const before = server.requests.length;
    await expect(store.append(events(100))).rejects.toThrow(/events holds 100 events; Cosmos DB takes 99/);
    expect(server.requests.length).toBe(before);
  });

  test('what is above 1.9 MB is refused before any request, and what is just below is stored', async () => {
    const store = await open();
    const before = server.requests.length;
    const half = { type: 'A', data: 'x'.repeat(960_000) };
    await expect(store.append({ type: 'A', data: 'x'.repeat(1_900_000) })).rejects.toThrow(/events\[0\] takes/);
    await expect(store.append([half, half])).rejects.toThrow(/events take \d+ bytes/);
    expect(server.requests.length).toBe(before);
    const large = { type: 'A', data: 'é'.repeat(949_000) };
    await Promise.all([store.append(large), store.append(half), store.append(half)]);
    // 4 MB are the most that one answer has.
    expect((await store.read().toArray()).map(({ data }) => (data as string).length)).toEqual([949_000, 960_000, 960_000]);
    expect((await store.read('all', { backwards: true }).toArray()).map(({ position }) => position)).toEqual([3, 2, 1]);
  });
});

describe('group commit', () => {
  test('a thousand appends made together take a few batches, and keep their order', async () => {
    const store = await open();
    const before = server.requests.length;
    const results = await Promise.all(Array.from({ length: 1000 }, () => store.append(events(1))));
    expect(results.map(({ first }) => first)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
    expect(server.requests.length - before).toBeLessThan(15);
  });

  test('a condition with the newest head needs no query', async () => {
    const store = await open();
    const { last } = await store.append(events(3));
    const before = server.requests.length;
    await store.append(events(1), { failIfEventsMatch: 'all', after: last });
    expect(server.requests.length - before).toBe(1);
  });
});

describe('replicas that lag', () => {
  test('never make a position that the store has shown count as one ahead of the head', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const { id } = await server.container();
      const container = server.sharedClient(1, { consistencyLevel: undefined }).database('test').container(id);
      const store = await open({ container });
      const other = await open({ container: server.sharedClient(0).database('test').container(id) });
      for (let i = 0; i < 20; i++) await other.append(events(1));
      expect(await store.read().toArray()).toHaveLength(20);
      server.weather = new Weather({ lag: { seed, replicas: 20, behind: 20 } });
      expect(await store.append(events(1), { failIfEventsMatch: 'all', after: 20 })).toMatchObject({ first: 21 });
      server.weather = new Weather();
    }
  });
});

describe('lost answers', () => {
  test('an append whose answer was lost is stored once, and is no duplicate', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const container = await server.container();
      const store = await open({ container, retry: { maxAttempts: 60 } });
      server.weather = new Weather({ faults: { seed, dropped: 0.6 } });
      const results = [];
      for (let n = 0; n < 6; n++) results.push(await store.append(events(2, n % 2 ? { tags: [`n:${n}`] } : {}), n % 2 ? { failIfEventsMatch: { items: [{ tags: [`n:${n}`] }] } } : undefined));
      server.weather = new Weather();
      expect(results, `seed ${seed}`).toEqual(Array.from({ length: 6 }, (_, n) => ({ first: 2 * n + 1, last: 2 * n + 2, duplicate: false })));
      expect(await store.head()).toBe(12);
    }
  });

  test('when every answer is lost the outcome is unknown, and the same ids again tell', async () => {
    const store = await open({ retry: { maxAttempts: 3 } });
    server.weather = new Weather({ faults: { seed: 1, dropped: 1 } });
    const batch = events(2).map((event, n) => ({ ...event, id: `id-${n}` }));
    const error = await refusalOf(store.append(batch));
    expect([error.code, error.outcome]).toEqual(['STORAGE_FAILED', 'unknown']);
    server.weather = new Weather();
    expect(await store.append(batch)).toEqual({ first: 1, last: 2, duplicate: true });
  });

  test('when nothing can be asked nothing was stored, and the error says so', async () => {
    const store = await open({ retry: { maxAttempts: 3 } });
    server.weather = new Weather({ faults: { seed: 1, unavailable: 1 } });
    const error = await refusalOf(store.append(events(1), { failIfEventsMatch: 'all' }));
    expect([error.code, error.outcome, error.details.status]).toEqual(['STORAGE_FAILED', 'not-committed', 503]);
    server.weather = new Weather();
    expect(await store.head()).toBe(0);
  });

  test('a container that is gone is no passing fault', async () => {
    const container = await server.container();
    const store = await open({ container });
    await container.delete();
    const before = server.requests.length;
    const error = await refusalOf(store.append(events(1)));
    expect(isOpossumError(error, 'STORAGE_FAILED')).toBe(true);
    expect(server.requests.length - before).toBeLessThan(60);
  });
});

describe('pages', () => {
  test('of a few rows only give the same events and decisions as large ones', async () => {
    const store = await open();
    for (let n = 0; n < 12; n++) await store.append(events(2, { tags: [`n:${n % 3}`] }));
    const query = { items: [{ tags: ['n:1'] }] };
    const expected = await store.read(query).toArray();
    for (const [rows, cutsPages] of [[2, false], [3, false], [Infinity, true], [3, true]] as const) {
      server.mostRows = rows;
      server.cutsPages = cutsPages;
      expect(await store.read(query).toArray()).toEqual(expected);
      expect(await store.read(query, { backwards: true }).toArray()).toEqual([...expected].reverse());
      await expect(store.append(events(1), { failIfEventsMatch: query, after: 20 })).rejects.toThrow(/event 21 /);
      await expect(store.append(events(1), { failIfEventsMatch: query, after: 22 })).resolves.toBeDefined();
      await expect(store.append(events(1), { failIfEventsMatch: { items: [{ tags: ['none'] }] } })).resolves.toBeDefined();
    }
  });

  test('an event id may hold any characters, and is no one else\'s', async () => {
    const store = await open();
    const ids = ['$ledger', '.24ledger', 'a/b', 'a.2fb', 'a\\b', 'a?b', 'a#b', 'é', '.c3.a9', ' ', '.', 'x'.repeat(255), '💥'.repeat(63)];
    for (const id of ids) expect((await store.append({ type: 'A', data: null, id })).duplicate).toBe(false);
    expect((await store.read().toArray()).map(({ id }) => id)).toEqual(ids);
  });
});
