import { enrolment, notEnrolledYet } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, secondsOf } from '../lib/statistics.mjs';

/**
 * 64 callers, each with one conditional append in flight. For a synchronous rival that is one after another.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ open, fresh, smoke }) {
  const callers = 64;
  const each = smoke ? 5 : 75;
  const store = await open(fresh);
  const positions = new Set();
  let last = 0;
  /** @type {number[]} */
  let times = [];

  const appendOne = async (/** @type {number} */ caller, /** @type {number} */ i) => {
    const event = enrolment(`s${caller}-${i}`, caller);
    const start = performance.now();
    const position = await store.append(event, notEnrolledYet(event, last));
    times.push(performance.now() - start);
    positions.add(position);
    if (position > last) last = position;
  };
  const run = (/** @type {number} */ from, /** @type {number} */ to) =>
    Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let i = from; i < to; i++) await appendOne(caller, i);
      }),
    );

  const warmUp = Math.ceil(each / 5);
  await run(0, warmUp);
  times = [];
  const seconds = await secondsOf(() => run(warmUp, warmUp + each));
  expectEqual(positions.size, callers * (warmUp + each), 'positions handed out');
  expectEqual(last, positions.size, 'last position');
  await store.close();
  return { values: { perSecond: (callers * each) / seconds }, latencies: percentiles(times) };
}
