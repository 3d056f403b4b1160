import type { Query, QueryItem } from '../core/query.js';
import type { Awaitable } from '../disk/disk.js';
import { IndexKey, keyKind } from './index-key.js';
import { allOf, anyOf, everySlot, type Matches } from './matches.js';
import type { Segment } from './segment.js';

/** A query in terms of keys: any item matches, all groups of an item, any key of a group. Undefined matches everything. */
export type QueryPlan = readonly PlannedItem[] | undefined;

type PlannedItem = readonly KeyGroup[];
type KeyGroup = readonly IndexKey[];

export function planQuery(query: Query): QueryPlan {
  return query === 'all' ? undefined : query.items.map(planItem);
}

/** Tags come first: they are the rarer keys, and an absent one saves looking up the rest. */
function planItem({ types, tags = [] }: QueryItem): PlannedItem {
  const groups: KeyGroup[] = tags.map((tag) => [new IndexKey(keyKind.tag, tag)]);
  if (types) groups.push(types.map((type) => new IndexKey(keyKind.type, type)));
  return groups;
}

/** The slots of the segment that match; undefined when there are none. A promise only where the segment has to read. */
export function findMatches(plan: QueryPlan, segment: Segment): Awaitable<Matches | undefined> {
  return plan === undefined ? everySlot : findAny(plan, (item) => findItem(item, segment));
}

function findItem(item: PlannedItem, segment: Segment): Awaitable<Matches | undefined> {
  return findAll(item, (group) => findAny(group, (key) => segment.matches(key)));
}

type Find<T> = (source: T) => Awaitable<Matches | undefined>;

function findAny<T>(sources: readonly T[], find: Find<T>, from = 0, found: Matches[] = []): Awaitable<Matches | undefined> {
  if (sources.length === 1) return find(sources[0]!);
  for (let i = from; i < sources.length; i++) {
    const matches = find(sources[i]!);
    if (matches instanceof Promise) {
      return matches.then((late) => findAny(sources, find, i + 1, late ? [...found, late] : found));
    }
    if (matches) found.push(matches);
  }
  return found.length > 0 ? anyOf(found) : undefined;
}

function findAll<T>(sources: readonly T[], find: Find<T>, from = 0, found: Matches[] = []): Awaitable<Matches | undefined> {
  for (let i = from; i < sources.length; i++) {
    const matches = find(sources[i]!);
    if (matches instanceof Promise) {
      return matches.then((late) => late && findAll(sources, find, i + 1, [...found, late]));
    }
    if (!matches) return undefined;
    found.push(matches);
  }
  return allOf(found);
}
