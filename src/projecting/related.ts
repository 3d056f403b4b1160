import type { EventStore } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import { matchesQuery, type Query } from '../core/query.js';
import { mergeChecked } from '../modelling/typed-query.js';
import { failAt } from './evolving.js';
import type { ProjectionRules, RelatedRules } from './rules.js';

/** For each event of a batch the earlier events that it needs, by one read for all of them. */
export async function readRelated(
  store: EventStore,
  rules: ProjectionRules,
  related: RelatedRules,
  batch: readonly { event: SequencedEvent; query: Query | undefined }[],
): Promise<readonly (readonly SequencedEvent[])[]> {
  const queries = batch.flatMap(({ query }) => (query === undefined ? [] : [query]));
  if (queries.length === 0) return batch.map(() => []);
  // An event sees only what lies before it, so that building anew gives the same.
  const before = batch[batch.length - 1]!.event.position;
  const found: { stored: SequencedEvent; parsed: SequencedEvent | undefined }[] = [];
  for await (const stored of store.read(mergeChecked(queries), { before })) found.push({ stored, parsed: undefined });
  const wanted: SequencedEvent[][] = [];
  for (const { event, query } of batch) {
    const own: SequencedEvent[] = [];
    for (const one of query === undefined ? [] : found) {
      if (one.stored.position >= event.position) break;
      if (!matchesQuery(query!, one.stored)) continue;
      // Brought up to date for the event that needs it: if that fails, it is this event that cannot be applied.
      one.parsed ??= await failAtLater(rules, event, () => related.parse(one.stored));
      own.push(one.parsed);
    }
    wanted.push(own);
  }
  return wanted;
}

async function failAtLater<T>(rules: ProjectionRules, event: SequencedEvent, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return failAt(rules, event, () => {
      throw error;
    });
  }
}
