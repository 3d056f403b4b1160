/* What is checked before a store on Cosmos DB opens, and what it does when something is missing or full. */
import type { Container, ContainerRequest } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import { createContainer, createStateContainer, openCosmosStore, type CosmosStoreOptions } from '../../src/cosmos/index.js';
import type { EventStore } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

let server: StrictServer;
let made = 0;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

const good: ContainerRequest = { partitionKey: { paths: ['/ctx'] }, uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/position'] }] } };
const make = async (definition: ContainerRequest): Promise<Container> => (await server.sharedClient(0).database('test').containers.create({ id: `made-${++made}`, ...definition })).container;

/** The same container in an account that says something else of itself. */
function inAccount(container: Container, account: object): Container {
  const client = { getDatabaseAccount: async () => ({ resource: { enableMultipleWritableLocations: false, consistencyPolicy: 'Session', ...account } }) };
  return new Proxy(container, { get: (target, name) => (name === 'database' ? { client } : (Reflect.get(target, name, target) as unknown)) });
}

describe('openCosmosStore', () => {
  test('refuses a container in which events would not be safe', async () => {
    const rows: [ContainerRequest, RegExp][] = [
      [{ ...good, partitionKey: { paths: ['/tenant'] } }, /options\.container has the partition key "\/tenant"/],
      [{ partitionKey: { paths: ['/ctx'] } }, /has no unique key/],
      [{ ...good, uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/position'] }, { paths: ['/type'] }] } }, /unique keys \/position; \/type/],
      [{ ...good, defaultTtl: 60 }, /after 60 seconds/],
    ];
    for (const [definition, message] of rows) await expect(openCosmosStore({ container: await make(definition) })).rejects.toThrow(message);
    const store = await openCosmosStore({ container: await make({ ...good, defaultTtl: -1 }) });
    await store.close();
  });

  test('refuses an account on which an etag is no guard', async () => {
    const container = await make(good);
    await expect(openCosmosStore({ container: inAccount(container, { enableMultipleWritableLocations: true }) })).rejects.toThrow(/several write regions/);
    for (const consistencyPolicy of ['Eventual', 'ConsistentPrefix']) {
      await expect(openCosmosStore({ container: inAccount(container, { consistencyPolicy }) })).rejects.toThrow(/Session or stronger/);
    }
    for (const consistencyPolicy of ['Session', 'BoundedStaleness', 'Strong']) await (await openCosmosStore({ container: inAccount(container, { consistencyPolicy }) })).close();
  });

  test('refuses options that it does not know, or that make no sense', async () => {
    const container = await make(good);
    const rows: [object, RegExp][] = [
      [{ context: 'No Name' }, /options\.context/],
      [{ durability: 'os' }, /options\.durability is not a field/],
      [{ retry: { maxAttempts: 0 } }, /options\.retry\.maxAttempts/],
      [{ poll: { minMs: 5, maxMs: 1 } }, /options\.poll\.maxMs/],
      [{ container: {} }, /options\.container/],
      [{ leaseMs: 0 }, /options\.leaseMs/],
    ];
    for (const [options, message] of rows) await expect(openCosmosStore({ container, ...options } as CosmosStoreOptions)).rejects.toThrow(message);
    // @ts-expect-error the container is needed
    await expect(openCosmosStore({ context: 'a' })).rejects.toThrow(/options\.container/);
    await expect(openCosmosStore({ container, stateContainer: container })).rejects.toThrow(/options\.stateContainer has a unique key/);
  });

  test('makes containers that it then takes, once and again', async () => {
    const database = server.sharedClient(0).database('test');
    for (let i = 0; i < 2; i++) {
      const [container, stateContainer] = [await createContainer(database, 'events'), await createStateContainer(database, 'state')];
      const store = await openCosmosStore({ container, stateContainer });
      expect(await store.state.save('a', i, { expected: i })).toBe(i + 1);
      await store.close();
    }
  });
});

describe('the containers that the helpers make', () => {
  test('index what queries ask for, and nothing of the data', async () => {
    const database = server.sharedClient(0).database('test');
    const policyOf = async (container: Container) => (await container.read()).resource?.indexingPolicy;
    const only = (...paths: string[]) => ({ indexingMode: 'consistent', automatic: true, includedPaths: paths.map((path) => ({ path })), excludedPaths: [{ path: '/*' }] });
    expect(await policyOf(await createContainer(database, 'indexed-events'))).toEqual(only('/position/?', '/type/?', '/tags/[]/?'));
    expect(await policyOf(await createStateContainer(database, 'indexed-state'))).toEqual(only('/kind/?'));
  });
});

describe('a store on Cosmos DB', () => {
  test('is an EventStore to the type checker', () => {
    expectTypeOf(openCosmosStore).returns.resolves.toEqualTypeOf<EventStore>();
    expectTypeOf(openCosmosStore).parameter(0).toHaveProperty('container').toEqualTypeOf<Container>();
    // @ts-expect-error contexts have names
    expectTypeOf<{ container: Container; context: 5 }>().toExtend<CosmosStoreOptions>();
  });

  test('without a container for state says so when state is used', async () => {
    const store = await openCosmosStore({ container: await make(good) });
    await expect(store.state.load('a')).rejects.toThrow(/options\.stateContainer is missing/);
    await store.close();
  });

  test('keeps contexts apart', async () => {
    const container = await make(good);
    const [left, right] = [await openCosmosStore({ container, context: 'left' }), await openCosmosStore({ container, context: 'right' })];
    await Promise.all([left.append({ type: 'A', data: 'left', id: 'same' }), right.append({ type: 'A', data: 'right', id: 'same' })]);
    expect((await left.read().toArray()).map(({ position, data }) => [position, data])).toEqual([[1, 'left']]);
    expect((await right.read().first())?.data).toBe('right');
    await Promise.all([left.close(), right.close()]);
  });

  test('warns once when a context nears the size that a partition may have', async () => {
    const container = await make(good);
    await container.items.create({ id: '$ledger', ctx: 'default', kind: 'ledger', position: 0, head: 0, bytes: 15_200_000_000, v: 1 });
    const warnings: string[] = [];
    const store = await openCosmosStore({ container, warn: (message) => warnings.push(message) });
    await store.append({ type: 'A', data: null });
    await store.append({ type: 'A', data: null });
    await store.close();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/14\.2 GiB.*20 GB/);
  });

  test('whose container was deleted says so, and never looks empty', async () => {
    const database = server.sharedClient(0).database('test');
    const container = await make(good);
    const stateContainer = await createStateContainer(database, `${container.id}-state`);
    const store = await openCosmosStore({ container, stateContainer });
    await store.append({ type: 'A', data: null });
    await Promise.all([container.delete(), stateContainer.delete()]);
    const gone = { code: 'STORAGE_FAILED', outcome: 'not-committed', details: { status: 404 } };
    const following = store.subscribe('all', { after: 1 })[Symbol.asyncIterator]();
    const calls = [() => store.head(), () => store.read().toArray(), () => following.next(), () => store.state.load('a'), () => store.state.save('a', 1), () => store.state.list()];
    for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(gone);
    await expect(store.state.lease('a')).rejects.toMatchObject(gone);
    await store.close();
  });

  test('whose replicas are behind what the session asks for is asked again', async () => {
    const container = await make(good);
    const stateContainer = await createStateContainer(server.sharedClient(0).database('test'), `${container.id}-state`);
    const store = await openCosmosStore({ container, stateContainer, sleep: async () => undefined });
    server.weather = new Weather({ faults: { seed: 1, behindSession: 0.7 } });
    for (let i = 1; i <= 10; i++) {
      await store.append({ type: 'A', data: i }, { failIfEventsMatch: 'all', after: i - 1 });
      expect(await store.head()).toBe(i);
      expect(await store.state.save('a', i, { expected: i - 1 })).toBe(i);
      expect((await store.state.load('a'))?.value).toBe(i);
    }
    expect(await store.read().toArray()).toHaveLength(10);
    expect(server.weather.counts.behindSession).toBeGreaterThan(10);
    server.weather = new Weather();
    await store.close();
  });

  test('notices a server that mixes partitions', async () => {
    const container = await make(good);
    const store = await openCosmosStore({ container, context: 'a' });
    await store.append({ type: 'A', data: null });
    const mixing = new Proxy(container, {
      get: (target, name) => (name === 'items' ? { query: () => ({ fetchNext: async () => ({ resources: [{ ctx: 'b', kind: 'event', position: 1 }] }) }) } : (Reflect.get(target, name, target) as unknown)),
    });
    const confused = await openCosmosStore({ container: mixing, context: 'a' });
    await expect(confused.read().toArray()).rejects.toThrow(/does not keep partitions apart/);
    await Promise.all([store.close(), confused.close()]);
  });
});
