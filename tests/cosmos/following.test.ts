/* Subscriptions on Cosmos DB: how often they ask, and the change feed of all contexts. */
import type { Container } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCosmosStore, subscribeAll, type ContextBatch } from '../../src/cosmos/index.js';
import type { EventStore } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

async function openContexts(names: readonly string[]) {
  const container = await server.container();
  const stores: Record<string, EventStore> = {};
  for (const context of names) stores[context] = await openCosmosStore({ container, context });
  return { container, stores };
}

const event = (n: number) => ({ type: 'A', data: { n } });

/** Batches until `count` events have come. */
async function take(batches: AsyncIterable<ContextBatch>, count: number): Promise<ContextBatch[]> {
  const taken: ContextBatch[] = [];
  for await (const batch of batches) {
    taken.push(batch);
    if (taken.reduce((sum, { events }) => sum + events.length, 0) >= count) break;
  }
  return taken;
}

const positionsOf = (batches: readonly ContextBatch[], context: string): number[] =>
  batches.flatMap(({ events }) => events.filter((one) => one.context === context).map(({ event: { position } }) => position));

/** The container with a change feed of these pages, and none after them. */
function feeding(container: Container, pages: readonly object[][]): Container {
  let number = 0;
  const readNext = async () => ({ result: pages[number] ?? [], statusCode: pages[number] ? 200 : 304, continuationToken: `page ${++number}` });
  return new Proxy(container, { get: (target, name) => (name === 'items' ? { getChangeFeedIterator: () => ({ readNext }) } : (Reflect.get(target, name, target) as unknown)) });
}

describe('subscribeAll', () => {
  test('gives what there is and what comes, of every context, in its order', async () => {
    const { container, stores } = await openContexts(['a', 'b']);
    for (let n = 0; n < 5; n++) await stores.a!.append([event(n), event(n)]);
    const seen = take(subscribeAll(container, { pollMs: 5 }), 40);
    for (let n = 0; n < 10; n++) await Promise.all([stores.a!.append(event(n)), stores.b!.append([event(n), event(n)])]);
    const batches = await seen;
    expect(positionsOf(batches, 'a')).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(positionsOf(batches, 'b')).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(batches[0]!.events[0]).toEqual({ context: 'a', event: await stores.a!.read().first() });
  });

  test('goes on behind a batch, through faults, and ends quietly when aborted', async () => {
    const { container, stores } = await openContexts(['a']);
    await stores.a!.append([event(1), event(2)]);
    const [{ continuation }] = (await take(subscribeAll(container), 2)) as [ContextBatch];
    await stores.a!.append(event(3));
    server.weather = new Weather({ faults: { seed: 3, unavailable: 0.4, tooMany: 0.2 } });
    const rest = await take(subscribeAll(container, { continuation, pollMs: 5 }), 1);
    server.weather = new Weather();
    expect(positionsOf(rest, 'a')).toEqual([3]);
    const controller = new AbortController();
    const end = take(subscribeAll(container, { continuation: rest[0]!.continuation, signal: controller.signal }), 1);
    controller.abort();
    expect(await end).toEqual([]);
  });

  test('gives each event once and in order, although a page has them out of order and again', async () => {
    const { container, stores } = await openContexts(['a', 'b']);
    for (const store of [stores.a!, stores.b!]) await store.append([1, 2, 3, 4].map(event));
    const stored = server.documents(container);
    const at = (ctx: string, position: number) => stored.find((document) => document.ctx === ctx && document.position === position)!;
    const pages = [
      [at('a', 2), at('b', 1), at('a', 0), at('a', 1), at('a', 2), at('b', 1)],
      // What follows after a partition of the container was split.
      [at('a', 1), at('a', 2)],
      [at('b', 1), at('a', 4), at('b', 0), at('b', 3), at('a', 3), at('b', 2), at('a', 4)],
    ];
    const over = new AbortController();
    // It first waits when there is no page left.
    const batches = await take(subscribeAll(feeding(container, pages), { sleep: async () => over.abort(), signal: over.signal }), Infinity);
    expect(batches.map(({ continuation }) => continuation)).toEqual(['page 1', 'page 3']);
    expect(positionsOf(batches, 'a')).toEqual([1, 2, 3, 4]);
    expect(positionsOf(batches, 'b')).toEqual([1, 2, 3]);
    expect(batches[1]!.events.at(-1)).toEqual({ context: 'a', event: (await stores.a!.read().toArray())[3] });
  });

  test('refuses options that it does not know', async () => {
    const { container } = await openContexts([]);
    expect(() => subscribeAll(container, { after: 1 } as never)).toThrow(/options\.after is not a field/);
    expect(() => subscribeAll(container, { pollMs: 0 })).toThrow(/options\.pollMs/);
  });
});

describe('a subscription', () => {
  test('asks less and less often while nothing comes, and goes on at once when this store appends', async () => {
    const waits: number[] = [];
    const container = await server.container();
    let release = (): void => undefined;
    const sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
      waits.push(ms);
      if (waits.length < 8) return Promise.resolve();
      // From here on only a wake-up goes on.
      return new Promise((resolve, reject) => {
        release = resolve;
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    };
    const store = await openCosmosStore({ container, sleep, poll: { minMs: 10, maxMs: 100 } });
    await store.append(event(1));
    const before = server.requests.length;
    const iterator = store.subscribe('all', { after: 1 })[Symbol.asyncIterator]();
    const next = iterator.next();
    while (waits.length < 8) await new Promise(setImmediate);
    expect(waits).toEqual([10, 20, 40, 80, 100, 100, 100, 100]);
    // The ledger itself is sent to check `after`, and to the first look; all others cost next to nothing: it is not modified.
    const looks = server.requests.slice(before).filter(({ what }) => what === 'GET');
    expect(looks.map(({ status }) => status)).toEqual([200, 200, 304, 304, 304, 304, 304, 304]);
    await store.append(event(2));
    expect((await next).value.position).toBe(2);
    release();
    await iterator.return?.();
    await store.close();
  });

  test('is fed by other stores, each event once and in order, while replicas lag', async () => {
    const container = await server.container();
    const others = server.sharedClient(1, { consistencyLevel: undefined }).database('test').container(container.id);
    const [writer, reader] = [await openCosmosStore({ container }), await openCosmosStore({ container: others, poll: { minMs: 1, maxMs: 5 } })];
    server.weather = new Weather({ lag: { seed: 5, replicas: 4, behind: 5 } });
    const seen = (async () => {
      const positions: number[] = [];
      for await (const { position } of reader.subscribe()) if (positions.push(position) === 60) return positions;
      return positions;
    })();
    for (let n = 0; n < 30; n++) await writer.append([event(n), event(n)]);
    expect(await seen).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(await reader.head()).toBe(60);
    expect((await reader.read('all', { backwards: true, limit: 3 }).toArray()).map(({ position }) => position)).toEqual([60, 59, 58]);
    server.weather = new Weather();
    await Promise.all([writer.close(), reader.close()]);
  });
});
