import { afterAll, beforeAll, describe, test } from 'vitest';
import { createStateContainer, openCosmosStore } from '../../src/cosmos/index.js';
import { eventStoreSuite } from '../../src/testing/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';

let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

describe('Cosmos DB store', () => {
  const make = async () => {
    const container = await server.container();
    const { database, id } = container;
    const stateContainer = await createStateContainer(database, `${id}-state`);
    const hurry = { poll: { minMs: 5, maxMs: 20 }, retry: { baseDelayMs: 1, maxDelayMs: 4 } };
    const opened = [await openCosmosStore({ container, stateContainer, ...hurry })];
    const open = async () => {
      const other = server.sharedClient(1).database(database.id);
      const store = await openCosmosStore({ container: other.container(id), stateContainer: other.container(stateContainer.id), ...hurry });
      opened.push(store);
      return store;
    };
    return {
      store: opened[0]!,
      reopen: async () => {
        await opened[0]!.close();
        return open();
      },
      another: () => open(),
      dispose: async () => {
        for (const store of opened) await store.close();
        await Promise.all([container.delete(), stateContainer.delete()]);
      },
    };
  };
  for (const { name, run } of eventStoreSuite({ make, supports: { reopen: true, another: true } })) test(name, run);
});
