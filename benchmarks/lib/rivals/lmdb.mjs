/*
 * The strongest store on lmdb that we could write: events by position as msgpack with shared structures (its fastest
 * encoding), tags and types as keys with sorted duplicates. Without `overlappingSync` a commit returns after fdatasync of the
 * data and a synchronous write of the meta page, and neither `noSync` nor `noMetaSync` is set. Ids are not unique here either.
 */
import { randomUUID } from 'node:crypto';
import { open as openEnvironment } from 'lmdb';
import { ConditionFailed } from '../guards.mjs';

/** @typedef {{ types?: string[], tags?: string[] }} Item */
/** @typedef {{ items: Item[] }} Query */
/** @typedef {import('lmdb').Database<number, string>} Postings */

/** @param {string} folder */
export function open(folder) {
  const { environment, events, tags, types } = openDatabases(folder);
  const get = (/** @type {number} */ position) => withPosition(position, events.get(position));
  const matching = finder({ events, tags, types });

  const head = () => {
    for (const key of events.getKeys({ reverse: true, limit: 1 })) return typeof key === 'number' ? key : 0;
    return 0;
  };
  const appendOne = (/** @type {any[]} */ added, /** @type {{ failIfEventsMatch: Query, after: number } | undefined} */ condition) => {
    if (condition?.failIfEventsMatch.items.some((item) => matching.existsAfter(item, condition.after))) throw new ConditionFailed('append condition failed');
    let position = head();
    for (const event of added) {
      position++;
      const stored = { type: event.type, tags: event.tags, data: event.data, id: randomUUID(), metadata: event.metadata, timestamp: new Date().toISOString() };
      events.putSync(position, stored, { append: true });
      types.putSync(event.type, position);
      for (const tag of event.tags) tags.putSync(tag, position);
    }
    return position;
  };

  return {
    append: (/** @type {any} */ added, /** @type {any} */ condition) => environment.transactionSync(() => appendOne(Array.isArray(added) ? added : [added], condition)),
    appendGroup: (/** @type {{ event: any, condition: any }[]} */ calls) =>
      environment.transactionSync(() => calls.map(({ event, condition }) => appendOne([event], condition))),
    query: (/** @type {Query} */ query) => matching.read(query),
    last: (/** @type {string} */ type) => {
      for (const position of types.getValues(type, { reverse: true, limit: 1 })) return get(position);
      return undefined;
    },
    /** Synchronous, so in one snapshot. @param {Query} query */
    readForDecision(query) {
      environment.resetReadTxn();
      return { events: matching.read(query), head: head() };
    },
    /** @param {(event: any) => void} visit */
    scan(visit) {
      for (const { key, value } of events.getRange({ start: 1 })) visit(withPosition(key, value));
    },
    /** Polls every millisecond: lmdb tells nobody in another process. @param {(event: any) => boolean} visit @param {() => void} onCaughtUp */
    async follow(visit, onCaughtUp) {
      let caughtUp = false;
      for (let after = 0; ; ) {
        environment.resetReadTxn();
        const before = after;
        for (const { key, value } of events.getRange({ start: after + 1 })) {
          after = key;
          if (!visit(withPosition(key, value))) return;
        }
        if (after > before) continue;
        if (!caughtUp) onCaughtUp();
        caughtUp = true;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    head: () => {
      environment.resetReadTxn();
      return head();
    },
    close: () => environment.close(),
  };
}

/** @param {string} folder */
function openDatabases(folder) {
  const environment = openEnvironment({ path: folder, overlappingSync: false, noMemInit: true, mapSize: 2 ** 33, maxDbs: 4 });
  /** @type {import('lmdb').Database<any, number>} */
  const events = environment.openDB('events', { sharedStructuresKey: Symbol.for('structures') });
  /** @type {Postings} */
  const tags = environment.openDB('tags', { dupSort: true, encoding: 'ordered-binary' });
  /** @type {Postings} */
  const types = environment.openDB('types', { dupSort: true, encoding: 'ordered-binary' });
  return { environment, events, tags, types };
}

/** @param {{ events: import('lmdb').Database<any, number>, tags: Postings, types: Postings }} databases */
function finder({ events, tags, types }) {
  /** Of tags and types, the tags are asked first, since fewer events have them; types are looked at in the event. @param {Item} item @param {number} after */
  const positionsOf = (item, after) => {
    const [first, ...others] = item.tags ?? [];
    if (first === undefined) return sortedUnion((item.types ?? []).map((type) => postings(types, type, after + 1)));
    let positions = postings(tags, first, after + 1);
    for (const tag of others) if (positions[0] !== undefined) positions = intersection(positions, postings(tags, tag, positions[0]));
    return positions;
  };
  /** @param {Item} item @param {number} position @param {any} event */
  const hasType = ({ tags: wantedTags, types: wantedTypes }, position, event = undefined) =>
    wantedTags === undefined || wantedTypes === undefined || wantedTypes.includes((event ?? events.get(position)).type);

  return {
    /** @param {Item} item @param {number} after */
    existsAfter: (item, after) => positionsOf(item, after).some((position) => hasType(item, position)),
    /** @param {Query} query @returns {any[]} */
    read({ items }) {
      const [only] = items;
      /** @type {Map<number, any>} */
      const found = new Map();
      for (const item of items) {
        for (const position of positionsOf(item, 0)) {
          if (found.has(position)) continue;
          const event = withPosition(position, events.get(position));
          if (hasType(item, position, event)) found.set(position, event);
        }
      }
      return items.length === 1 && only ? [...found.values()] : [...found.values()].sort((a, b) => a.position - b.position);
    },
  };
}

/** Faster than `asArray`. @param {Postings} database @param {string} key @param {number} start */
function postings(database, key, start) {
  const positions = [];
  for (const position of database.getValues(key, { start })) positions.push(position);
  return positions;
}

/** @param {number[]} a @param {number[]} b both rising */
function intersection(a, b) {
  const both = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [x = 0, y = 0] = [a[i], b[j]];
    if (x === y) both.push(x);
    if (x <= y) i++;
    if (y <= x) j++;
  }
  return both;
}

/** @param {number[][]} lists */
function sortedUnion(lists) {
  return lists.length === 1 ? (lists[0] ?? []) : [...new Set(lists.flat())].sort((a, b) => a - b);
}

/** @param {number} position @param {any} event */
function withPosition(position, event) {
  event.position = position;
  return event;
}
