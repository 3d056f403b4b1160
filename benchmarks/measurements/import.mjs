import { readdirSync } from 'node:fs';
import path from 'node:path';
import { makeEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';

/** Batches of 1,000, each acknowledged before the next. @param {import('../lib/context.mjs').Context} context */
export async function measure({ rival, open, fresh, size }) {
  const events = makeEvents(size);
  const store = await open(fresh);
  const start = performance.now();
  let last = 0;
  for (let from = 0; from < size; from += 1000) last = await store.append(events.slice(from, from + 1000));
  const acknowledged = performance.now();
  expectEqual(last, size, 'last position');
  await store.close();
  const closed = performance.now();
  if (rival === 'opossum') expectEqual(countEventFiles(fresh), size, 'event files');
  return { values: { perSecond: size / ((acknowledged - start) / 1000), inPlacePerSecond: size / ((closed - start) / 1000) } };
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
