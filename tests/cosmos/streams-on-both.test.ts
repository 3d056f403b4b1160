/* The classic stream interface is the same on every backend: docs/examples/bank-account.ts, run on memory, files and Cosmos DB. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as bank from '../../docs/examples/bank-account.js';
import { createStateContainer, openCosmosStore } from '../../src/cosmos/index.js';
import { openMemoryStore, openStore, type EventStore } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather, type Faults } from '../support/cosmos/weather.js';
import { fastFolder } from '../support/folder.js';

let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

/** Makes two stores on the same events, as two processes would have. */
type Pair = () => Promise<[EventStore, EventStore]>;

const files: Pair = async () => {
  const directory = fastFolder();
  return [await openStore({ directory }), await openStore({ directory })];
};

const cosmos: Pair = async () => {
  const { database, id } = await server.container();
  await createStateContainer(database, `${id}-state`);
  const open = (client: number): Promise<EventStore> => {
    const own = server.sharedClient(client).database(database.id);
    const hurry = { poll: { minMs: 5, maxMs: 20 }, retry: { baseDelayMs: 1, maxDelayMs: 4 } };
    return openCosmosStore({ container: own.container(id), stateContainer: own.container(`${id}-state`), ...hurry });
  };
  return [await open(0), await open(1)];
};

const memory: Pair = async () => {
  const store = openMemoryStore();
  return [store, store];
};

/** What the program prints, and what it leaves in the store. */
async function run(make: Pair, faults?: Faults) {
  const [store, other] = await make();
  const weather = new Weather({ faults });
  server.weather = weather;
  try {
    const lines: string[] = [];
    await bank.main(store, (line) => lines.push(line));
    server.weather = new Weather();
    const stored = await other.read().toArray();
    // Ids, positions and content are the program's; which of two withdrawals at once wins is not, nor is the time.
    const events = stored.map(({ timestamp, id, ...rest }) => ({ ...rest, id: /r[56]/.test(id) ? 'r5 or r6' : id }));
    return { lines, events, faults: weather.counts };
  } finally {
    server.weather = new Weather();
    await Promise.all([store.close(), other.close()]);
  }
}

const printed = [
  'open: version 1',
  'open again: refused, as it has version 1 already',
  'deposit 100.00: version 2',
  'withdraw 60.00: version 3',
  'the answer got lost, the same again: version 3, done before',
  'statements:',
  '  #1 AccountOpened stream:account-ada',
  '  #2 MoneyDeposited stream:account-ada',
  '  #3 MoneyWithdrawn stream:account-ada',
  'withdraw 30.00 twice at once: not enough money and version 4',
  'an onlooker saw:\n  #4 MoneyWithdrawn stream:account-ada',
  'statements go on where they stopped:',
  '  #4 MoneyWithdrawn stream:account-ada',
  'in the end: 10.00 at version 4',
];

describe('the same program', () => {
  test('prints and stores the same on files and on Cosmos DB as in memory', async () => {
    const expected = await run(memory);
    expect(expected.lines).toEqual(printed);
    expect(expected.events.map(({ id }) => id)).toEqual(['r1', 'r3', 'r4', 'r5 or r6']);
    for (const make of [files, cosmos]) expect(await run(make)).toEqual(expected);
  });

  test.each([1, 2, 3])('prints the same while Cosmos DB answers badly or not at all (seed %i)', async (seed) => {
    const { lines, faults } = await run(cosmos, { seed, dropped: 0.1, unavailable: 0.1, tooMany: 0.1 });
    expect(lines).toEqual(printed);
    expect(faults.dropped + faults.unavailable + faults.tooMany).toBeGreaterThan(0);
  });
});

describe.each([
  ['files', files],
  ['Cosmos DB', cosmos],
])('on %s', (_, make) => {
  test('withdrawals from two stores at once, each asked for twice, never take more than there is', async () => {
    const stores = await make();
    const accountId = 'ada';
    await bank.openAccount(stores[0], { accountId, requestId: 'open', owner: 'Ada' });
    await bank.deposit(stores[0], { accountId, requestId: 'salary', cents: 500 });
    const requests = Array.from({ length: 8 }, (_, i) => ({ accountId, requestId: `w${i}`, cents: 100 }));
    // Both stores get each request: that is what a client does whose first answer was lost.
    const answers = await Promise.all(requests.flatMap((request) => stores.map((store) => bank.withdraw(store, request))));
    const done = answers.filter((answer) => typeof answer !== 'string');
    expect(done.filter(({ duplicate }) => !duplicate)).toHaveLength(5);
    expect(await bank.loadAccount(stores[1], accountId)).toMatchObject({ version: 7, balance: 0 });
    expect(new Set(done.map(({ version }) => version))).toEqual(new Set([3, 4, 5, 6, 7]));
    for (const store of stores) await store.close();
  });
});
