/* One of several processes that append to the same store: node racer.mjs RIVAL FOLDER NUMBER, driven by messages. */
import { loadRival } from './context.mjs';
import { enrolment, notEnrolledYet } from './dataset.mjs';

const [, , rival = '', folder = '', racer = ''] = process.argv;
const { open } = await loadRival(rival);
const store = await open(folder);
let last = await store.head();
let warmedUp = 0;
process.on('message', async (/** @type {{ phase: 'warm-up' | 'race', durationMs: number }} */ { phase, durationMs }) => {
  const result = await race(phase, durationMs);
  if (phase === 'warm-up') {
    warmedUp = result.appended;
    process.send?.('warm');
    return;
  }
  await store.close();
  process.send?.({ ...result, warmedUp }, () => process.disconnect?.());
});
process.send?.('ready');

/** Appends one event after another. @param {string} phase names the students @param {number} durationMs */
async function race(phase, durationMs) {
  const start = performance.now();
  const times = [];
  let appended = 0;
  let inTime = 0;
  let failures = 0;
  for (let i = 0; performance.now() - start < durationMs; i++) {
    const event = enrolment(`${phase}-${racer}-${i}`, i);
    const before = performance.now();
    try {
      last = await store.append(event, notEnrolledYet(event, last));
      appended++;
      if (performance.now() - start <= durationMs) inTime++;
    } catch (error) {
      // A rival that gives up waiting for its turn has appended nothing.
      if (/** @type {{ code?: string }} */ (error).code !== 'SQLITE_BUSY') throw error;
      failures++;
    }
    times.push(performance.now() - before);
  }
  return { appended, inTime, failures, times };
}
