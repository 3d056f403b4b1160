/*
 * The conformance suite, the race and a report of request units on a real account: `COSMOS_ENDPOINT=… COSMOS_KEY=… npx vitest run tests/cosmos/azure.test.ts`. Makes the
 * database opossum-test with two containers, a context of its own for each case, and removes the database in the end. Costs request units.
 */
import { CosmosClient, type Container } from '@azure/cosmos';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createContainer, createStateContainer, openCosmosStore, probe } from '../../src/cosmos/index.js';
import type { EventStore } from '../../src/index.js';
import { eventStoreSuite } from '../../src/testing/index.js';
import { accountRace, chargedOperations } from '../support/cosmos/account.js';

const { COSMOS_ENDPOINT: endpoint, COSMOS_KEY: key } = process.env;
const isGiven = endpoint !== undefined && key !== undefined;
if (!isGiven) console.log('Skipped: the lane for a real Azure Cosmos DB account needs COSMOS_ENDPOINT and COSMOS_KEY in the environment, and they are not set.');

describe.skipIf(!isGiven)('a real account', () => {
  let clients: CosmosClient[];
  let containers: Container[][];
  beforeAll(async () => {
    clients = [1, 2].map(() => new CosmosClient({ endpoint: endpoint!, key: key!, consistencyLevel: 'Session' }));
    const { database } = await clients[0]!.databases.createIfNotExists({ id: 'opossum-test', throughput: 1000 });
    await createContainer(database, 'events');
    await createStateContainer(database, 'state');
    containers = clients.map((client) => ['events', 'state'].map((id) => client.database('opossum-test').container(id)));
  }, 120_000);
  afterAll(async () => {
    if (clients) await clients[0]!.database('opossum-test').delete();
  }, 120_000);

  test('passes the probe', async () => {
    await expect(probe(containers[0]![0]!)).resolves.toBeUndefined();
  });

  test('takes ten places over two clients, and says what it was charged', async () => {
    const { problems, charged } = await accountRace(containers.map(([events]) => events!));
    const operations = await chargedOperations(containers[0]![0]!);
    console.log(['request units:', ...[...operations, charged].map(({ what, answers, units }) => `  ${units.toFixed(1).padStart(8)} for ${what} (${answers} answers)`)].join('\n'));
    expect(problems).toEqual([]);
    for (const { what, units } of operations) expect(units, what).toBeGreaterThan(0);
  }, 300_000);

  const make = async () => {
    const context = `c-${randomUUID()}`;
    const opened: EventStore[] = [];
    const open = async (client: number) => {
      const [container, stateContainer] = containers[client]! as [Container, Container];
      const store = await openCosmosStore({ container, stateContainer, context });
      opened.push(store);
      return store;
    };
    const store = await open(0);
    return {
      store,
      reopen: async () => {
        await store.close();
        return open(0);
      },
      // The same client: another one sees what this one wrote soon, and at once only under the consistency Strong.
      another: () => open(0),
      dispose: async () => {
        for (const one of opened) await one.close();
      },
    };
  };
  for (const { name, run } of eventStoreSuite({ make, supports: { reopen: true, another: true } })) test(name, run, 300_000);
});
