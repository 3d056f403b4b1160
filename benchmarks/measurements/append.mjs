import { enrolment, notEnrolledYet } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, timeEach } from '../lib/statistics.mjs';

/** One durable conditional append after another. @param {import('../lib/context.mjs').Context} context */
export async function measure({ open, fresh, smoke }) {
  const warmUp = smoke ? 20 : 300;
  const count = smoke ? 100 : 1500;
  const store = await open(fresh);
  let last = 0;
  const appendOne = (/** @type {number} */ i) => {
    const event = enrolment(`s${i}`, i);
    const appended = store.append(event, notEnrolledYet(event, last));
    if (typeof appended === 'number') return void (last = appended);
    return appended.then((/** @type {number} */ position) => void (last = position));
  };
  await timeEach(warmUp, appendOne);
  const times = await timeEach(count, (i) => appendOne(warmUp + i));
  expectEqual(await store.head(), warmUp + count, 'events in the store');
  await store.close();
  const latencies = percentiles(times);
  return { values: { p50: latencies.p50 }, latencies };
}
