/*
 * goal: however writers of several processes race, through faults and with replicas that lag behind, a rule that they decide on
 * is never broken, everyone gets an answer, and the answer is true.
 * method: 20 students for 10 places over 5 clients of the strict server, 30 seeded rounds in each kind of weather; a failing round
 * names its seed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCosmosStore } from '../../src/cosmos/index.js';
import { accountRace, chargedOperations } from '../support/cosmos/account.js';
import { race } from '../support/cosmos/race.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

/** Thirty rounds in each kind of weather, in parts: a slow machine takes seconds for one. */
const parts = [1, 11, 21];
const roundsOfPart = 10;
const timeoutMs = 120_000;
/** What the SDK does unless it is told otherwise. */
const withoutTokens = { consistencyLevel: undefined };
const withTokensInTurn = (seed: number): object => (seed % 2 === 0 ? {} : withoutTokens);
let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

async function runRounds(firstSeed: number, weatherOf: (seed: number) => Weather, clientOf: (seed: number) => object = () => ({})): Promise<Weather['counts']> {
  const totals = new Weather().counts;
  for (let seed = firstSeed; seed < firstSeed + roundsOfPart; seed++) {
    const weather = weatherOf(seed);
    expect(await race({ server, seed, weather, client: clientOf(seed), open: openCosmosStore }), `seed ${seed}`).toEqual([]);
    for (const kind of Object.keys(totals) as (keyof typeof totals)[]) totals[kind] += weather.counts[kind];
  }
  return totals;
}

test.each(parts)('exactly ten places are taken in fair weather, from seed %i', { timeout: timeoutMs }, async (firstSeed) => {
  await runRounds(firstSeed, () => new Weather());
});

test.each(parts)('exactly ten places are taken when requests are refused, delayed, or their answers lost, from seed %i', { timeout: timeoutMs }, async (firstSeed) => {
  const faults = { tooMany: 0.04, retryWith: 0.04, unavailable: 0.04, delayed: 0.1, dropped: 0.15 };
  const counts = await runRounds(firstSeed, (seed) => new Weather({ faults: { seed, ...faults } }));
  for (const kind of Object.keys(faults) as (keyof typeof faults)[]) expect(counts[kind], kind).toBeGreaterThan(3);
});

test.each(parts)('exactly ten places are taken when replicas lag behind, from seed %i', { timeout: timeoutMs }, async (firstSeed) => {
  const { stale } = await runRounds(firstSeed, (seed) => new Weather({ lag: { seed, replicas: 4, behind: 4 } }), withTokensInTurn);
  expect(stale).toBeGreaterThan(20);
});

test('exactly ten places are taken when replicas lag behind, requests fail, and the client sends no session tokens', { timeout: timeoutMs }, async () => {
  const faults = { tooMany: 0.02, retryWith: 0.02, unavailable: 0.02, dropped: 0.1 };
  const weatherOf = (seed: number) => new Weather({ faults: { seed, ...faults }, lag: { seed, replicas: 4, behind: 4 } });
  const { stale, dropped } = await runRounds(31, weatherOf, () => withoutTokens);
  expect(stale).toBeGreaterThan(10);
  expect(dropped).toBeGreaterThan(3);
});

test('what the lane for a real account runs takes ten places over two clients, and counts the charge of every answer', async () => {
  const { database, id } = await server.container();
  const containers = [0, 1].map((client) => server.sharedClient(client).database(database.id).container(id));
  const before = server.requests.length;
  const { problems, charged } = await accountRace(containers);
  expect(problems).toEqual([]);
  // The server charges one unit for each answer; after the race came two looks at the head, and a read.
  expect([charged.answers, charged.units]).toEqual([server.requests.length - before - 3, charged.answers]);
  expect(charged.answers).toBeGreaterThan(40);
  const operations = await chargedOperations(containers[0]!);
  expect(operations.map(({ units }) => units)).toEqual([2, 1, 1, 2, 1, 1, 1]);
});
