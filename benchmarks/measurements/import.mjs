import { readdirSync } from 'node:fs';
import path from 'node:path';
import { makeEvents } from '../lib/dataset.mjs';
import { diskUse } from '../lib/disk-use.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles } from '../lib/statistics.mjs';

const batchSize = 1000;
/** So many events are made at a time, while the clock stands still. */
const madeAtOnce = 20_000;

/** Batches of 1,000, each acknowledged before the next. @param {import('../lib/context.mjs').Context} context */
export async function measure({ rival, open, fresh, size, truth, round }) {
  const store = await open(fresh);
  const { times, last } = await appendInBatches(store, makeEvents(size), batchSize);
  expectEqual(last, size, 'last position');
  const start = performance.now();
  await store.close();
  const acknowledgedMs = times.reduce((sum, ms) => sum + ms, 0);
  const inPlaceMs = acknowledgedMs + performance.now() - start;
  if (rival === 'opossum') expectEqual(countEventFiles(fresh), size, 'event files');
  // Looking at a million files takes long, and tells the same each time.
  const disk = round === 0 ? bytesPerEvent(rival, fresh, truth) : {};
  return { values: { perSecond: (size * 1000) / acknowledgedMs, inPlacePerSecond: (size * 1000) / inPlaceMs, ...disk }, latencies: percentiles(times) };
}

/** The milliseconds that each batch took. @param {any} store @param {Iterable<any>} events @param {number} size of a batch */
export async function appendInBatches(store, events, size) {
  const times = [];
  let last = 0;
  let start = 0;
  for (const chunk of chunksOf(events, madeAtOnce)) {
    for (let from = 0; from < chunk.length; from += size) {
      const batch = chunk.slice(from, from + size);
      start = performance.now();
      last = await store.append(batch);
      times.push(performance.now() - start);
    }
  }
  return { times, last };
}

/** @template T @param {Iterable<T>} events @param {number} size */
function* chunksOf(events, size) {
  /** @type {T[]} */
  let chunk = [];
  for (const event of events) {
    chunk.push(event);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** Opossum also without event files: a folder without them holds the same ledger and index. @param {string} rival @param {string} folder @param {import('../lib/truth.mjs').Truth} truth */
function bytesPerEvent(rival, folder, { size, jsonBytes }) {
  const all = diskUse(folder);
  const bare = diskUse(folder, (name) => rival === 'opossum' && name === 'events');
  return {
    jsonPerEvent: jsonBytes / size,
    apparentPerEvent: all.apparent / size,
    allocatedPerEvent: all.allocated / size,
    entries: all.entries,
    bareApparentPerEvent: bare.apparent / size,
    bareTimesJson: bare.apparent / jsonBytes,
  };
}

/** @param {string} folder */
function countEventFiles(folder) {
  const events = path.join(folder, 'default', 'events');
  let count = 0;
  for (const name of readdirSync(events)) {
    if (/^\d+$/.test(name)) count += readdirSync(path.join(events, name)).filter((file) => /^\d+\.json$/.test(file)).length;
  }
  return count;
}
