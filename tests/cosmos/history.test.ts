/*
 * goal: what two clients were told is explained by one order of commits, also when requests fail and answers are lost; and what
 * one client was told, also when the replicas that answer it lag behind and it has no session tokens.
 * method: random calls through recorders, then the history checker and all events that are there in the end.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCosmosStore } from '../../src/cosmos/index.js';
import { checkHistory, mergeHistories, recordHistory } from '../../src/testing/index.js';
import { runLoad } from '../support/history-load.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

async function recordedRun(seed: number, instances: number, weather: Weather): Promise<void> {
  const container = await server.container();
  const open = (i: number) =>
    openCosmosStore({
      container: server.sharedClient(i, { consistencyLevel: undefined }).database('test').container(container.id),
      retry: { maxAttempts: 40, baseDelayMs: 1, maxDelayMs: 5 },
      poll: { minMs: 1, maxMs: 10 },
    });
  const stores = await Promise.all(Array.from({ length: instances }, (_, i) => open(i)));
  const recorded = stores.map((store, i) => recordHistory(store, { process: `p${i}` }));
  server.weather = weather;
  try {
    await Promise.all(recorded.map(({ store }, i) => runLoad(store, { seed: seed * 10 + i, callers: 3, calls: 20 })));
  } finally {
    server.weather = new Weather();
  }
  const events = await stores[0]!.read().toArray();
  expect(events.length).toBeGreaterThan(5);
  checkHistory(mergeHistories(...recorded.map(({ history }) => history)), events);
  for (const store of stores) await store.close();
  await container.delete();
}

test.each([1, 2])('two clients in fair weather, seed %i', (seed) => recordedRun(seed, 2, new Weather()));

test.each([1, 2, 3])('two clients through faults, seed %i', (seed) =>
  recordedRun(seed, 2, new Weather({ faults: { seed, tooMany: 0.03, retryWith: 0.03, unavailable: 0.03, delayed: 0.1, dropped: 0.1 } })),
);

test.each([1, 2, 3])('one client whose replicas lag behind, seed %i', (seed) => recordedRun(seed, 1, new Weather({ lag: { seed, replicas: 4, behind: 4 } })));
