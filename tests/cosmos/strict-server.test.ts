/* The server that the other tests of this folder rest on; what it does at every start is in tests/support/cosmos/self-test.ts. */
import { ChangeFeedStartFrom, CosmosClient } from '@azure/cosmos';
import { createHttpServer } from '@vercel/cosmosdb-server';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createContainer, openCosmosStore, probe } from '../../src/cosmos/index.js';
import { isOpossumError } from '../../src/index.js';
import { selfTest } from '../support/cosmos/self-test.js';
import type { Guards } from '../support/cosmos/stored-container.js';
import { clientOptions, StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

const event = (position: number) => ({ operationType: 'Create' as const, resourceBody: { id: `e${position}`, ctx: 'a', position } });

describe('the strict server', () => {
  test('passes the probe, and leaves nothing of it behind', async () => {
    const container = await server.container();
    await probe(container);
    expect(server.documents(container)).toEqual([]);
    const store = await openCosmosStore({ container, probe: true });
    await store.close();
  });

  test('refuses a batch of more than 100 operations', async () => {
    const container = await server.container();
    const operations = Array.from({ length: 101 }, (_, i) => event(i));
    // The SDK refuses it by itself: the server is asked past it.
    await expect(container.items.batch(operations, 'a')).rejects.toThrow(/100/);
    const answer = await fetch(`${server.endpoint}/dbs/test/colls/${container.id}/docs`, {
      method: 'POST',
      headers: { 'x-ms-cosmos-is-batch-request': 'true', 'x-ms-documentdb-partitionkey': '["a"]' },
      body: JSON.stringify(operations),
    });
    expect(answer.status).toBe(400);
  });

  test('shows old states to clients without a session token, and new ones to those with one', async () => {
    const container = await server.container();
    const same = (number: number, options = {}) => server.sharedClient(number, options).database('test').container(container.id);
    server.weather = new Weather({ lag: { seed: 1, replicas: 4, behind: 3 } });
    let missing = 0;
    for (let n = 1; n <= 20; n++) {
      await same(0).items.batch([event(n)], 'a');
      expect((await same(0).item(`e${n}`, 'a').read()).statusCode).toBe(200);
      if ((await same(1, { consistencyLevel: 'Eventual' }).item(`e${n}`, 'a').read()).statusCode === 404) missing++;
    }
    server.weather = new Weather();
    expect(missing).toBeGreaterThan(3);
  });

  test('gives the change feed of a whole container', async () => {
    const container = await server.container();
    await container.items.batch([event(1), event(2)], 'a');
    await container.items.create({ id: 'x', ctx: 'b', position: 1 });
    const feed = container.items.getChangeFeedIterator<{ id: string }>({ maxItemCount: 1, changeFeedStartFrom: ChangeFeedStartFrom.Beginning() });
    const ids: string[] = [];
    for (let page = await feed.readNext(); page.statusCode !== 304; page = await feed.readNext()) ids.push(...page.result.map(({ id }) => id));
    expect(ids).toEqual(['e1', 'e2', 'x']);
  });
});

test('the server package without our part is refused by the probe, which names what it found', async () => {
  const plain = createHttpServer();
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const client = new CosmosClient(clientOptions(`http://127.0.0.1:${(plain.address() as AddressInfo).port}`));
  try {
    const { database } = await client.databases.create({ id: 'test' });
    const container = await createContainer(database, 'events');
    // When it passes, our own part has become superfluous.
    await expect(selfTest(container)).rejects.toThrow();
    const refusal = await openCosmosStore({ container, probe: true }).catch((error: unknown) => error);
    expect(isOpossumError(refusal, 'INVALID_INPUT')).toBe(true);
    expect((refusal as Error).message).toMatch(/rolled back: batches are not atomic/);
  } finally {
    client.dispose();
    plain.closeAllConnections();
    plain.close();
  }
});

describe('a server whose batches are atomic', () => {
  const rows: [name: string, guard: keyof Guards, found: RegExp][] = [
    ['but that ignores If-Match is refused by the probe', 'ifMatch', /an old etag answers 200 instead of 412: If-Match is ignored/],
    ['but that ignores the unique key is refused by the probe', 'uniqueKey', /the same "\/position" answers 201 instead of 409: the unique key does not hold/],
  ];
  test.each(rows)('%s, which names that', async (_, guard, found) => {
    const container = await server.container();
    server.guards[guard] = false;
    try {
      const refusal = await openCosmosStore({ container, probe: true }).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'INVALID_INPUT', path: 'container' });
      expect((refusal as Error).message).toMatch(found);
      expect(server.documents(container)).toEqual([]);
    } finally {
      server.guards[guard] = true;
    }
  });
});

test('runs as a program of its own, for working offline', async () => {
  const program = spawn(process.execPath, [path.resolve(import.meta.dirname, '../.built/cosmos-server.js')], { env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(program, 'exit');
  let text = '';
  for await (const chunk of program.stdout) if ((text += String(chunk)).includes('})\n')) break;
  const [, endpoint = ''] = /endpoint: '([^']+)'/.exec(text) ?? [];
  const client = new CosmosClient(clientOptions(endpoint));
  const container = await createContainer(client.database('test'), 'events');
  const store = await openCosmosStore({ container, probe: true });
  expect(await store.append({ type: 'A', data: null })).toMatchObject({ first: 1 });
  await store.close();
  client.dispose();
  program.kill('SIGTERM');
  expect(await ended).toEqual([process.platform === 'win32' ? null : 0, process.platform === 'win32' ? 'SIGTERM' : null]);
});
