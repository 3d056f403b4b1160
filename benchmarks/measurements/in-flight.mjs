import { enrolment, notEnrolledYet } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, secondsOf, warmUpMs } from '../lib/statistics.mjs';

/**
 * 64 callers, each with one conditional append in flight. For a synchronous rival that is one after another.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ open, fresh, smoke }) {
  const callers = 64;
  const durationMs = smoke ? 50 : 300;
  const store = await open(fresh);
  const positions = new Set();
  const made = new Array(callers).fill(0);
  let last = 0;
  /** @type {number[]} */
  let times = [];

  const appendOne = async (/** @type {number} */ caller) => {
    const event = enrolment(`s${caller}-${made[caller]++}`, caller);
    const start = performance.now();
    const position = await store.append(event, notEnrolledYet(event, last));
    times.push(performance.now() - start);
    positions.add(position);
    if (position > last) last = position;
  };
  /** Seconds until everybody has the answer to what they asked within the time. */
  const run = (/** @type {number} */ ms) =>
    secondsOf(() => {
      const end = performance.now() + ms;
      return Promise.all(
        made.map(async (_, caller) => {
          while (performance.now() < end) await appendOne(caller);
        }),
      );
    });

  await run(smoke ? 20 : warmUpMs);
  times = [];
  const seconds = await run(durationMs);
  const all = made.reduce((sum, count) => sum + count, 0);
  expectEqual(positions.size, all, 'positions handed out');
  expectEqual(last, all, 'last position');
  await store.close();
  return { values: { perSecond: times.length / seconds }, latencies: percentiles(times) };
}
