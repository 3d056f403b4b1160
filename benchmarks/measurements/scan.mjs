import { touch } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { median, secondsOf } from '../lib/statistics.mjs';

/** Reads everything; every part of every event is touched. @param {import('../lib/context.mjs').Context} context */
export async function measure({ open, prepared, truth, smoke }) {
  const store = await open(prepared);
  const passes = smoke ? 1 : 3;
  const times = [];
  for (let pass = 0; pass < 1 + passes; pass++) {
    let touched = 0;
    const seconds = await secondsOf(() => store.scan((/** @type {any} */ event) => void (touched += touch(event))));
    expectEqual(touched, truth.touched, 'sum over all events');
    if (pass > 0) times.push(seconds);
  }
  await store.close();
  return { values: { perSecond: truth.size / median(times) } };
}
