import { enrolment, notEnrolledYet } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, timeEach, warmUp } from '../lib/statistics.mjs';

/** One durable conditional append after another. @param {import('../lib/context.mjs').Context} context */
export async function measure({ open, fresh, smoke }) {
  const count = smoke ? 100 : 1000;
  const store = await open(fresh);
  let last = 0;
  const appendOne = (/** @type {number} */ i) => {
    const event = enrolment(`s${i}`, i);
    const appended = store.append(event, notEnrolledYet(event, last));
    if (typeof appended === 'number') return void (last = appended);
    return appended.then((/** @type {number} */ position) => void (last = position));
  };
  const before = await warmUp({ count: 20, smoke }, appendOne);
  const times = await timeEach(count, (i) => appendOne(before + i));
  expectEqual(await store.head(), before + count, 'events in the store');
  await store.close();
  const latencies = percentiles(times);
  return { values: { p50: latencies.p50 }, latencies };
}
