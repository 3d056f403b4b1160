import { decisionCount, decisionEvents, decisionQuery, makeEvents, needleCount, needleTag, secondNeedleTag, taggedEvents, tenthType, touch, twiceTaggedEvents } from './dataset.mjs';
import { expectEqual } from './guards.mjs';

/**
 * What the rivals must find in a prepared store, counted without any of them.
 * @typedef {{ size: number, touched: number, tenth: number, lastOfType: Record<string, number>, jsonBytes: number }} Truth
 */

/** @param {number} size @returns {Truth} */
export function countTruth(size) {
  /** @type {Map<string, number>} */
  const byTag = new Map();
  /** @type {Record<string, number>} */
  const lastOfType = {};
  let touched = 0;
  let tenth = 0;
  let twice = 0;
  let jsonBytes = 0;
  let i = 0;
  for (const event of makeEvents(size)) {
    const stored = { ...event, position: i + 1, id: '0'.repeat(36), timestamp: '0'.repeat(24) };
    touched += touch(stored);
    jsonBytes += JSON.stringify(event).length;
    lastOfType[event.type] = i + 1;
    if (event.type === tenthType) tenth++;
    if (event.tags.includes(needleTag(0)) && event.tags.includes(secondNeedleTag(0))) twice++;
    for (const tag of event.tags) byTag.set(tag, (byTag.get(tag) ?? 0) + 1);
    i++;
  }
  for (let n = 0; n < needleCount(size); n++) expectEqual(byTag.get(needleTag(n)), taggedEvents, needleTag(n));
  expectEqual(twice, twiceTaggedEvents, 'events with two tags');
  expectEqual(tenth, Math.floor(size / 10), tenthType);
  for (let n = 0; n < decisionCount(size); n++) {
    const found = decisionQuery(n).items.reduce((sum, item) => sum + (byTag.get(item.tags[0] ?? '') ?? 0), 0);
    expectEqual(found, decisionEvents, `events of decision ${n}`);
  }
  return { size, touched, tenth, lastOfType, jsonBytes };
}
