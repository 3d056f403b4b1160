import { openMemoryStore, openProjection, openStore, projection } from '../../dist/index.js';
import { expectEqual } from '../lib/guards.mjs';

/**
 * Counters by key, made of every event of the prepared store: kept in memory, and saved in a folder of their own with 10,000 keys;
 * then the start of one that is up to date and has a key for each event (at most 100,000). All in one process: starts are warm.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ fresh, prepared, size }) {
  const store = await openStore({ directory: prepared, durability: 'commit', eventFiles: 'json' });
  const place = await openStore({ directory: fresh, durability: 'commit' });
  const head = await store.head();
  const memory = openMemoryStore();

  const memoryRate = await catchUp(store, counter('in-memory', 10_000), memory.state, head);
  await memory.close();
  const savedRate = await catchUp(store, counter('saved', 10_000), place.state, head);

  const keys = Math.min(size, 100_000);
  const large = counter('large', keys);
  await catchUp(store, large, place.state, head);
  const start = performance.now();
  const view = await openProjection(store, large, { state: place.state });
  const one = await view.get('k1');
  const openMs = performance.now() - start;
  expectEqual(one, Math.ceil(head / keys), 'count of the first key');
  await view.close();
  await place.close();
  await store.close();
  return { values: { memoryRate, savedRate, openMs, peakMB: process.resourceUsage().maxRSS / 1024 }, notes: { keys } };
}

/** @param {string} name @param {number} keys */
function counter(name, keys) {
  return projection({ name, version: 1, query: 'all', key: ({ position }) => `k${position % keys}`, initial: 0, evolve: (count) => count + 1 });
}

/**
 * Events a second until everything is applied and saved.
 * @param {import('../../dist/index.js').EventStore} store @param {ReturnType<typeof counter>} definition
 * @param {import('../../dist/index.js').StateStore} state @param {number} head
 */
async function catchUp(store, definition, state, head) {
  const start = performance.now();
  const view = await openProjection(store, definition, { state });
  await view.waitFor(head);
  const applied = await view.get('k1');
  if (!(Number(applied) > 0)) throw new Error('nothing was applied');
  // Closing saves what is not saved yet.
  await view.close();
  return head / ((performance.now() - start) / 1000);
}
