/*
 * goal: what a folder exports is in Cosmos DB after an import as it was, and an import whose batches are too large says what to change.
 * method: exports before and after are compared as text; answers get lost on the way. `copyStore` is in tests/unit/copy-store-cosmos.test.ts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCosmosStore } from '../../src/cosmos/index.js';
import { exportEvents, importEvents, openMemoryStore, openStore, type EventStore } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';
import { fastFolder } from '../support/folder.js';

let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

const openCloud = async (): Promise<EventStore> => openCosmosStore({ container: await server.container(), retry: { maxAttempts: 60, baseDelayMs: 1, maxDelayMs: 4 } });

async function exported(store: EventStore): Promise<string> {
  let text = '';
  for await (const piece of exportEvents(store)) text += piece;
  return text;
}

/** What a folder with 300 events of two appends exports. */
async function exportOfFolder(): Promise<string> {
  const folder = await openStore({ directory: fastFolder(), durability: 'os' });
  const event = (n: number) => ({ type: n % 3 ? 'A' : 'É', tags: [`n:${n}`, 'all'], data: { n, deep: [null, { é: '€' }] }, metadata: n % 2 ? { user: 'u' } : {} });
  for (const from of [0, 150]) await folder.append(Array.from({ length: 150 }, (_, i) => event(from + i)));
  const text = await exported(folder);
  await folder.close();
  return text;
}

test('an export of a folder, imported in batches of 99, gives the same export, and is known when it comes again', async () => {
  const text = await exportOfFolder();
  expect(text.split('\n')).toHaveLength(301);
  const cloud = await openCloud();
  server.weather = new Weather({ faults: { seed: 3, dropped: 0.3, unavailable: 0.1 } });
  try {
    expect(await importEvents(cloud, [text], { batchSize: 99 })).toEqual({ imported: 300, present: 0, descriptions: 0 });
  } finally {
    server.weather = new Weather();
  }
  expect(await exported(cloud)).toBe(text);
  expect(await importEvents(cloud, [text], { batchSize: 80 })).toEqual({ imported: 0, present: 300, descriptions: 0 });
  await cloud.close();
});

test('an import whose batches are too large is refused with the name of the option, here and under limits: \'cosmos\'', async () => {
  const text = await exportOfFolder();
  const large = Array.from({ length: 3 }, () => `${JSON.stringify({ type: 'A', data: 'x'.repeat(700_000) })}\n`).join('');
  for (const store of [await openCloud(), openMemoryStore({ limits: 'cosmos' })]) {
    await expect(importEvents(store, [text], { name: 'f.ndjson' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      path: 'options.batchSize',
      message: expect.stringMatching(/^options\.batchSize must be smaller .*f\.ndjson.* holds 300 events; Cosmos DB takes 99 .*0 events before it were imported/s) as string,
    });
    await expect(importEvents(store, [large])).rejects.toThrow(/^options\.batchSize must be smaller .* take \d+ bytes/);
    expect(await store.head()).toBe(0);
    expect(await importEvents(store, [large], { batchSize: 2 })).toMatchObject({ imported: 3 });
    await store.close();
  }
});
