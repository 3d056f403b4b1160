import { makeEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles } from '../lib/statistics.mjs';
import { appendInBatches } from './import.mjs';

/** Enough appends for p99.9, and in a large store for a merge of index blocks. @param {number} size */
const countFor = (size) => Math.min(size, size < 1_000_000 ? 20_000 : 200_000);
const batchSize = 20;

/**
 * An import in small batches: so many appends that the slowest of a thousand tells how long sealing an index block, a
 * checkpoint or the making of files holds an append up.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ open, fresh, size }) {
  const count = countFor(size);
  const store = await open(fresh);
  const { times, last } = await appendInBatches(store, makeEvents(count), batchSize);
  expectEqual(last, count, 'last position');
  await store.close();
  const latencies = percentiles(times);
  // Of fewer than a thousand the slowest stands for it.
  return { values: { p50: latencies.p50, p999: latencies.p999 ?? Math.max(...times), maxMs: Math.max(...times) }, latencies, notes: { appends: times.length } };
}
