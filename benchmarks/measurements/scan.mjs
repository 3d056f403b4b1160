import { touch } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { median, timeRepeated, warmUp } from '../lib/statistics.mjs';

/** Reads everything; every part of every event is touched. @param {import('../lib/context.mjs').Context} context */
export async function measure({ open, prepared, truth, smoke }) {
  const store = await open(prepared);
  const pass = async () => {
    let touched = 0;
    await store.scan((/** @type {any} */ event) => void (touched += touch(event)));
    expectEqual(touched, truth.touched, 'sum over all events');
  };
  await warmUp({ count: 1, smoke }, pass);
  const times = await timeRepeated({ count: 1, smoke }, pass);
  await store.close();
  return { values: { perSecond: (truth.size * 1000) / median(times) } };
}
