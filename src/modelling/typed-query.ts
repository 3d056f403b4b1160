import { checkQuery } from '../core/check-input.js';
import { checkFields } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { Query, QueryItem } from '../core/query.js';
import type { CommonTagKey, EventDefinition } from './event-definition.js';
import type { TagOf } from './tag.js';

/** Which events: those of any of these kinds that carry all of these tags. An absent list does not restrict; one of the two is needed. */
export type EventSelection<Definition extends EventDefinition> = {
  events?: readonly Definition[];
  /** Only keys that events of every one of `events` carry: with another key an event could never match. */
  tags?: readonly TagOf<CommonTagKey<Definition>>[];
};

/**
 * Makes a query for events of these kinds with these tags.
 *
 * @example store.read(query({ events: [CourseDefined, SeatTaken], tags: [tag('course', 'c1')] }))
 * @throws InvalidInputError
 */
export function query<Definition extends EventDefinition = EventDefinition>(selection: EventSelection<Definition>): Query {
  const { events, tags } = checkFields(selection, 'query', selectionKeys, 'a query of event definitions') as EventSelection<Definition>;
  const item: QueryItem = {};
  if (events !== undefined) item.types = events.map(({ type }) => type);
  if (tags !== undefined) item.tags = tags;
  return checkQuery({ items: [item] });
}

const selectionKeys = new Set(['events', 'tags']);

/**
 * A query for what any of these queries matches. Items that say the same, be it in another order, are there once.
 *
 * @throws InvalidInputError when there is none.
 */
export function mergeQueries(...queries: readonly Query[]): Query {
  if (queries.length === 0) throw new InvalidInputError('queries', 'are none. Give at least one.');
  return mergeChecked(queries.map((one, i) => checkQuery(one, `queries[${i}]`)));
}

/** The same for queries that were checked already. */
export function mergeChecked(queries: readonly Query[]): Query {
  const items = new Map<string, QueryItem>();
  for (const one of queries) {
    if (one === 'all') return 'all';
    for (const item of one.items) {
      const key = JSON.stringify([sorted(item.types), sorted(item.tags)]);
      if (!items.has(key)) items.set(key, item);
    }
  }
  return { items: [...items.values()] };
}

/** Null is an absent list. */
function sorted(list: readonly string[] | undefined): readonly string[] | null {
  return list === undefined ? null : list.length < 2 ? list : [...list].sort();
}
