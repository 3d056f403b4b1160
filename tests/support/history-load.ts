/* Random calls by several callers at once: what recorders are tried on. */
import type { EventStore, NewEvent, Query } from '../../src/index.js';
import { isOpossumError } from '../../src/index.js';
import { SeededRandom } from '../../src/testing/simulation/seeded-random.js';

const types = ['A', 'B', 'C'];
const tags = ['t:1', 't:2', 't:3', 't:4'];

/** Lets others go first, a random number of times. */
export async function turns(random: SeededRandom, most = 6): Promise<void> {
  for (let left = random.below(most); left > 0; left--) await (left === 3 ? new Promise(setImmediate) : null);
}

/** Makes random calls until each of the callers has made `calls`. Expected refusals are fine; everything else comes out. */
export async function runLoad(store: EventStore, { seed, callers = 5, calls = 40 }: { seed: number; callers?: number; calls?: number }): Promise<void> {
  const root = new SeededRandom(seed);
  const abort = new AbortController();
  const subscription = follow(store, abort.signal);
  await Promise.all(Array.from({ length: callers }, (_, i) => callOn(store, root.fork(), `${seed}-${i}`, calls)));
  await store.head();
  abort.abort();
  await subscription;
}

async function follow(store: EventStore, signal: AbortSignal): Promise<void> {
  for await (const _ of store.subscribe({ items: [{ types: ['A', 'B'] }] }, { signal })) if (signal.aborted) return;
}

async function callOn(store: EventStore, random: SeededRandom, name: string, calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) {
    await turns(random);
    try {
      await pick(random, callKinds)(store, random, `${name}-${i}`);
    } catch (error) {
      if (!isOpossumError(error) || !['APPEND_CONDITION_FAILED', 'STORAGE_FAILED'].includes(error.code)) throw error;
    }
  }
}

type CallKind = (store: EventStore, random: SeededRandom, id: string) => Promise<unknown>;

const callKinds: CallKind[] = [
  decide,
  decide,
  decide,
  (store, random) => store.append({ type: pick(random, types), tags: [pick(random, tags)], data: random.below(5) }),
  (store, random, id) => store.append(batchOf(random, id)),
  async (store, random, id) => {
    const batch = batchOf(random, id);
    await store.append(batch);
    await turns(random);
    await store.append(batch);
  },
  (store, random) => store.read(queryOf(random)).toArray(),
  (store) => store.read().toArray(),
  (store, random) => store.read(queryOf(random), { backwards: true, limit: 1 + random.below(3) }).toArray(),
  (store, random) => store.read(queryOf(random), { limit: 1 + random.below(3) }).toArray(),
  (store, random) => store.read(queryOf(random), { backwards: true }).first(),
  async (store, random) => {
    const stream = store.read(queryOf(random));
    await stream.head();
    await turns(random);
    for await (const _ of stream) await turns(random, 3);
  },
  (store) => store.head(),
];

/** Reads, and appends on the condition that what was read still holds. */
async function decide(store: EventStore, random: SeededRandom, id: string): Promise<void> {
  const query = queryOf(random);
  const stream = store.read(query);
  await stream.toArray();
  await turns(random);
  await store.append({ type: pick(random, types), tags: someTags(random), data: null, id }, { failIfEventsMatch: query, after: await stream.head() });
}

function batchOf(random: SeededRandom, id: string): NewEvent[] {
  return Array.from({ length: 1 + random.below(3) }, (_, i) => ({ type: pick(random, types), tags: someTags(random), data: { of: id, i }, id: `${id}-${i}` }));
}

function queryOf(random: SeededRandom): Query {
  const item = () => ({ ...(random.chance(0.5) ? { types: [pick(random, types)] } : {}), tags: [pick(random, tags)] });
  return { items: random.chance(0.5) ? [item()] : [item(), item()] };
}

function someTags(random: SeededRandom): string[] {
  return tags.filter(() => random.chance(0.4));
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}
