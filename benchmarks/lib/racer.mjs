/* One of several processes that append to the same store: node racer.mjs RIVAL FOLDER NUMBER, driven by messages. */
import { loadRival } from './context.mjs';
import { enrolment, notEnrolledYet } from './dataset.mjs';

const [, , rival = '', folder = '', racer = ''] = process.argv;
const { open } = await loadRival(rival);
const store = await open(folder);
let last = await store.head();
process.once('message', (/** @type {{ warmUpMs: number, durationMs: number }} */ { warmUpMs, durationMs }) => void run(warmUpMs, durationMs));
process.send?.('ready');

/** @param {number} warmUpMs @param {number} durationMs */
async function run(warmUpMs, durationMs) {
  const warm = await race('w', warmUpMs);
  const result = await race('r', durationMs);
  await store.close();
  process.send?.({ ...result, warmedUp: warm.appended }, () => process.disconnect?.());
}

/** Appends one event after another. @param {string} prefix of the students' names @param {number} durationMs */
async function race(prefix, durationMs) {
  const start = performance.now();
  const times = [];
  let appended = 0;
  let inTime = 0;
  let failures = 0;
  for (let i = 0; performance.now() - start < durationMs; i++) {
    const event = enrolment(`${prefix}${racer}-${i}`, i);
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
