import { needleCount, needleTag, secondNeedleTag, taggedEvents, tenthType, touch, twiceTaggedEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, timeEach, warmUp } from '../lib/statistics.mjs';

/** @typedef {import('../lib/context.mjs').Context} Context */

/** The original approach takes milliseconds for what takes others microseconds. @param {string} rival @param {number} count */
const shareOf = (rival, count) => (rival === 'original' ? Math.ceil(count / 20) : count);

/** One tag, 100 events. @param {Context} context */
export function measureTag(context) {
  const needles = needleCount(context.size);
  return measureQuery(context, { count: 1000, found: taggedEvents }, (i) => ({ items: [{ tags: [needleTag(i % needles)] }] }));
}

/** Two tags with 100 events each, 10 have both. @param {Context} context */
export function measureTwoTags(context) {
  const needles = needleCount(context.size);
  return measureQuery(context, { count: 2000, found: twiceTaggedEvents }, (i) => ({
    items: [{ tags: [needleTag(i % needles), secondNeedleTag(i % needles)] }],
  }));
}

/** One type, a tenth of all events. @param {Context} context */
export function measureType(context) {
  // Of a million events each takes a good part of a second.
  const count = context.size < 1_000_000 ? 20 : 5;
  return measureQuery(context, { count, found: context.truth.tenth }, () => ({ items: [{ types: [tenthType] }] }));
}

/** The last event of each type in turn; one of them lies at the very beginning of the store. @param {Context} context */
export async function measureLast({ rival, open, prepared, truth, smoke }) {
  const store = await open(prepared);
  const types = Object.keys(truth.lastOfType);
  const findLast = async (/** @type {number} */ i) => {
    const type = types[i % types.length] ?? '';
    const event = store.last(type);
    expectEqual((event instanceof Promise ? await event : event)?.position, truth.lastOfType[type], `last ${type}`);
  };
  await warmUp({ count: 20, smoke }, findLast);
  const latencies = percentiles(await timeEach(smoke ? 50 : shareOf(rival, 5000), findLast));
  await store.close();
  return { values: { p50: latencies.p50 }, latencies };
}

/**
 * @param {Context} context
 * @param {{ count: number, found: number }} plan
 * @param {(i: number) => { items: { types?: string[], tags?: string[] }[] }} makeQuery
 */
async function measureQuery({ rival, open, prepared, smoke }, { count, found }, makeQuery) {
  const store = await open(prepared);
  const check = (/** @type {any[]} */ events) => {
    expectEqual(events.length, found, 'events found');
    let sum = 0;
    for (const event of events) sum += touch(event);
    if (!(sum > 0)) throw new Error('the events are empty');
  };
  const runQuery = (/** @type {number} */ i) => {
    const events = store.query(makeQuery(i));
    return events instanceof Promise ? events.then(check) : check(events);
  };
  await warmUp({ count: 3, smoke }, runQuery);
  const latencies = percentiles(await timeEach(smoke ? 5 : shareOf(rival, count), runQuery));
  await store.close();
  return { values: { p50: latencies.p50 }, latencies };
}
