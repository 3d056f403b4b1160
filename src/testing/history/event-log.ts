/*
 * The one order of commits, as the history tells it: what lies at each position, who said so first, and since when it can be
 * there. Questions about it are answered by binary search, so that checking takes time in proportion to what was recorded.
 */
import { matchesQuery, type Query, type QueryItem } from '../../core/query.js';
import type { AppendOperation, Operation, RecordedEvent } from './operation.js';

/** What is known of an event. */
export type Fact = Partial<RecordedEvent> & { readonly sum?: number };

export type Entry = {
  readonly position: number;
  fact: Fact;
  /** Who told of it first; undefined for the final events. */
  by: Operation | undefined;
  /** The append that stored it, when the history has it. */
  maker?: AppendOperation;
  /** The first position of its batch and the last, when the maker is known. */
  batch?: { readonly first: number; readonly last: number };
  /** It cannot have been there before; -Infinity when nothing is known. */
  since: number;
};

export class EventLog {
  readonly #entries = new Map<number, Entry>();
  readonly #firsts = new Map<AppendOperation, number>();
  readonly #matches = new Map<string, readonly number[]>();
  #positions: readonly number[] | undefined;
  /** The entry up to each of `#positions` that came last in time. */
  #latest: readonly Entry[] = [];
  readonly #byType = new Map<string, number[]>();
  readonly #byTag = new Map<string, number[]>();

  at(position: number): Entry | undefined {
    return this.#entries.get(position);
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** Adds what `by` says of a position. Returns the entry that says otherwise, if there is one. */
  claim(position: number, fact: Fact, by: Operation | undefined): Entry | undefined {
    const known = this.#entries.get(position);
    if (!known) {
      this.#entries.set(position, { position, fact, by, since: -Infinity });
      return undefined;
    }
    if (!agrees(known.fact, fact)) return known;
    known.fact = { ...fact, ...known.fact };
    return undefined;
  }

  /** To be called once everything is claimed and attributed, and before the questions below. */
  seal(): void {
    const positions = [...this.#entries.keys()].sort((a, b) => a - b);
    const latest: Entry[] = [];
    for (const position of positions) {
      const entry = this.#entries.get(position)!;
      const before = latest.at(-1);
      latest.push(before !== undefined && before.since >= entry.since ? before : entry);
      if (entry.maker && entry.batch) this.#firsts.set(entry.maker, entry.batch.first);
      if (entry.fact.type !== undefined) addTo(this.#byType, entry.fact.type, position);
      for (const tag of entry.fact.tags ?? []) addTo(this.#byTag, tag, position);
    }
    this.#positions = positions;
    this.#latest = latest;
  }

  /** All positions of which something is known, in order. */
  get positions(): readonly number[] {
    return this.#positions ?? [];
  }

  /** Where the events of an append begin; undefined when nobody saw them. */
  firstOf(append: AppendOperation): number | undefined {
    return this.#firsts.get(append);
  }

  /** The event up to `position` (inclusive) that came last in time: `position` cannot have been the head before its `since`. */
  latestUpTo(position: number): Entry | undefined {
    return this.#latest[lowerBound(this.positions, position + 1) - 1];
  }

  /**
   * The first position above `after` that matches; undefined when there is none. What matches is kept for each item and not for each
   * query: queries are of all kinds, and many of them share an item that matches half of everything.
   */
  firstMatch(query: Query, after: number): number | undefined {
    if (query === 'all') return this.positions[lowerBound(this.positions, after + 1)];
    let first: number | undefined;
    for (const item of query.items) {
      const matches = this.#matchesOf(item);
      const match = matches[lowerBound(matches, after + 1)];
      if (match !== undefined && (first === undefined || match < first)) first = match;
    }
    return first;
  }

  isMatch(query: Query, position: number): boolean {
    const { type, tags } = this.at(position)?.fact ?? {};
    return query === 'all' || (type !== undefined && tags !== undefined && matchesQuery(query, { type, tags }));
  }

  /** Positions of all events that match, in order. */
  #matchesOf(item: QueryItem): readonly number[] {
    const key = JSON.stringify(item);
    let matches = this.#matches.get(key);
    if (!matches) this.#matches.set(key, (matches = this.#select(item)));
    return matches;
  }

  #select(item: QueryItem): number[] {
    const { types, tags } = item;
    const lists = (tags ?? []).map((tag) => this.#byTag.get(tag) ?? []);
    const typed = [...new Set(types)].map((type) => this.#byType.get(type) ?? []);
    const ofTypes = typed.reduce((sum, list) => sum + list.length, 0);
    const shortest = lists.reduce<readonly number[] | undefined>((least, list) => (least && least.length <= list.length ? least : list), undefined);
    const candidates = shortest === undefined || (types && ofTypes < shortest.length) ? typed.flat().sort((a, b) => a - b) : shortest;
    const query: Query = { items: [item] };
    return candidates.filter((position) => this.isMatch(query, position));
  }
}

/** The first index whose value is `least` or more. */
export function lowerBound(sorted: readonly number[], least: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

function agrees(a: Fact, b: Fact): boolean {
  const same = <Key extends keyof Fact>(key: Key): boolean => a[key] === undefined || b[key] === undefined || a[key] === b[key];
  return same('id') && same('type') && same('data') && same('sum') && (!a.tags || !b.tags || sameTexts(a.tags, b.tags));
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

function addTo(lists: Map<string, number[]>, key: string, position: number): void {
  const list = lists.get(key);
  if (list) list.push(position);
  else lists.set(key, [position]);
}
