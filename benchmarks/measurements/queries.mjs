import { needleCount, needleTag, secondNeedleTag, taggedEvents, tenthType, touch, twiceTaggedEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, timeRepeated, warmUp } from '../lib/statistics.mjs';

/** @typedef {import('../lib/context.mjs').Context} Context */

/** One tag, 100 events. @param {Context} context */
export function measureTag(context) {
  const needles = needleCount(context.size);
  return measureQuery(context, { least: 3, found: taggedEvents }, (i) => ({ items: [{ tags: [needleTag(i % needles)] }] }));
}

/** Two tags with 100 events each, 10 have both. @param {Context} context */
export function measureTwoTags(context) {
  const needles = needleCount(context.size);
  return measureQuery(context, { least: 3, found: twiceTaggedEvents }, (i) => ({
    items: [{ tags: [needleTag(i % needles), secondNeedleTag(i % needles)] }],
  }));
}

/** One type, a tenth of all events. @param {Context} context */
export function measureType(context) {
  // Of a million events each takes a good part of a second.
  const least = context.size < 1_000_000 ? 10 : 3;
  return measureQuery(context, { least, found: context.truth.tenth }, () => ({ items: [{ types: [tenthType] }] }));
}

/** The last event of each type in turn; one of them lies at the very beginning of the store. @param {Context} context */
export async function measureLast({ open, prepared, truth, smoke }) {
  const store = await open(prepared);
  const types = Object.keys(truth.lastOfType);
  const findLast = async (/** @type {number} */ i) => {
    const type = types[i % types.length] ?? '';
    const event = store.last(type);
    expectEqual((event instanceof Promise ? await event : event)?.position, truth.lastOfType[type], `last ${type}`);
  };
  await warmUp({ count: 20, smoke }, findLast);
  const latencies = percentiles(await timeRepeated({ count: 20, smoke }, findLast));
  await store.close();
  return { values: { p50: latencies.p50 }, latencies };
}

/**
 * @param {Context} context
 * @param {{ least: number, found: number }} plan how many queries at the least, and how many events each finds
 * @param {(i: number) => { items: { types?: string[], tags?: string[] }[] }} makeQuery
 */
async function measureQuery({ open, prepared, smoke }, { least, found }, makeQuery) {
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
  await warmUp({ count: 1, smoke }, runQuery);
  const latencies = percentiles(await timeRepeated({ count: smoke ? 3 : least, smoke }, runQuery));
  await store.close();
  return { values: { p50: latencies.p50 }, latencies };
}
