/*
 * goal: what was developed in a folder moves to Cosmos DB and back unchanged, and the folder's limits are those of Cosmos DB.
 * method: copies both ways over the strict test server, with answers lost on the way; the same appends to both kinds of store.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openCosmosStore } from '../../src/cosmos/index.js';
import { copyStore, openStore, type EventStore, type NewEvent } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';
import { fastFolder } from '../support/folder.js';

let server: StrictServer;
const stores: EventStore[] = [];
beforeAll(async () => {
  server = await StrictServer.start();
});
afterEach(async () => {
  server.weather = new Weather();
  for (const store of stores.splice(0)) await store.close();
});
afterAll(() => server.stop());

const sleep = async (_: number, signal?: AbortSignal): Promise<void> => signal?.throwIfAborted();

async function openCloud(): Promise<EventStore> {
  const store = await openCosmosStore({ container: await server.container(), sleep, retry: { maxAttempts: 60 } });
  stores.push(store);
  return store;
}

async function openFolder(limits?: 'cosmos'): Promise<EventStore> {
  const store = await openStore({ directory: fastFolder(), durability: 'os', ...(limits ? { limits } : {}) });
  stores.push(store);
  return store;
}

/** One time stamp for all, as the events of an append have, and one of its own for each call: appends within a millisecond could be one. */
const numbered = (count: number, from: number): NewEvent[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `e/${from + i}`,
    type: 'A',
    tags: [`n:${from + i}`, 'é'],
    data: { n: from + i },
    metadata: { user: 'u' },
    timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, from)).toISOString(),
  }));

async function folderOf(batches: number): Promise<EventStore> {
  const store = await openFolder('cosmos');
  for (let i = 0; i < batches; i++) await store.append(numbered(1 + ((i * 7) % 40), (await store.head()) + 1));
  return store;
}

test('a folder moves to Cosmos DB and into another folder, also when answers are lost', async () => {
  const from = await folderOf(12);
  const expected = await from.read().toArray();
  const cloud = await openCloud();
  server.weather = new Weather({ faults: { seed: 7, dropped: 0.3 } });
  const { copied } = await copyStore(from, cloud);
  server.weather = new Weather();
  expect(copied).toBe(expected.length);
  expect(await cloud.read().toArray()).toEqual(expected);
  const back = await openFolder();
  await copyStore(cloud, back);
  expect(await back.read().toArray()).toEqual(expected);
});

test('a copy whose server went away goes on when it is back', async () => {
  const from = await folderOf(12);
  const cloud = await openCloud();
  let left = 2;
  const onProgress = (): void => {
    if (--left === 0) server.weather = new Weather({ faults: { seed: 1, unavailable: 1 } });
  };
  await expect(copyStore(from, cloud, { batchSize: 20, onProgress })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  server.weather = new Weather();
  const result = await copyStore(from, cloud);
  expect(result.present).toBeGreaterThan(0);
  expect(result.copied).toBeGreaterThan(0);
  expect(await cloud.read().toArray()).toEqual(await from.read().toArray());
});

test('a slice of production comes into a folder', async () => {
  const cloud = await openCloud();
  for (let i = 0; i < 4; i++) await cloud.append(numbered(5, 1 + i * 5));
  const folder = await openFolder();
  expect(await copyStore(cloud, folder, { query: { items: [{ tags: ['n:3'] }, { tags: ['n:17'] }] } })).toEqual({ copied: 2, present: 0, position: 20 });
  expect((await folder.read().toArray()).map(({ id, position }) => [id, position])).toEqual([['e/3', 1], ['e/17', 2]]);
});

test('a batch above 99 events needs splitBatches on the way to Cosmos DB, and says so before any of it is stored', async () => {
  const from = await openFolder();
  await from.append(numbered(120, 1));
  const cloud = await openCloud();
  await expect(copyStore(from, cloud)).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.splitBatches' });
  expect(await cloud.head()).toBe(0);
  await copyStore(from, cloud, { splitBatches: true });
  expect(await cloud.read().toArray()).toEqual(await from.read().toArray());
});

test('the limits of a folder refuse what Cosmos DB refuses, with the same words', async () => {
  const [desk, cloud] = [await openFolder('cosmos'), await openCloud()];
  const half = { type: 'A', data: 'x'.repeat(960_000) };
  const tooMuch: NewEvent[][] = [numbered(100, 1), [half, half], [{ type: 'A', data: 'x'.repeat(1_900_000) }], [{ type: '', data: 1 }]];
  const refusal = (store: EventStore, events: NewEvent[]) => store.append(events).then(() => 'accepted', (error: Error) => error.message);
  for (const events of tooMuch) {
    const told = await refusal(desk, events);
    expect(told).not.toBe('accepted');
    expect(told).toBe(await refusal(cloud, events));
  }
  expect([await desk.head(), await cloud.head()]).toEqual([0, 0]);
});
