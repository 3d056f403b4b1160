/*
 * Goal: the memory store, which is the reference for all others, keeps the rules itself.
 * Method: random histories on it and on an oracle that spells each rule out once more, in another way.
 */
import { describe, expect, test } from 'vitest';
import type { AppendCondition } from '../../src/core/condition.js';
import { AppendConditionFailedError, EventIdConflictError, PositionAheadError } from '../../src/core/errors.js';
import type { NewEvent, SequencedEvent } from '../../src/core/event.js';
import type { Query } from '../../src/core/query.js';
import { openMemoryStore } from '../../src/memory/memory-event-store.js';
import { runModel, type ModelStore, type Subject } from './model.js';

function makeMemoryStore(): ModelStore {
  const store = openMemoryStore();
  return { store, reopen: async () => store, dispose: () => store.close() };
}

function makeOracle(): Subject {
  const log: SequencedEvent[] = [];

  function append(batch: readonly NewEvent[], condition?: AppendCondition): { first: number; last: number; duplicate: boolean } {
    const found = batch.map(({ id }) => log.find((stored) => id !== undefined && stored.id === id));
    found.forEach((stored, i) => {
      if (stored && contentOf(stored) !== contentOf(batch[i]!)) throw new EventIdConflictError('content', stored.id, stored.position);
    });
    const first = found.find((stored) => stored !== undefined);
    if (first) {
      const wanted = batch.map((_, i) => first.position + i).join();
      if (found.map((stored) => stored?.position).join() !== wanted) throw new EventIdConflictError('partial', first.id, first.position);
      return { first: first.position, last: first.position + batch.length - 1, duplicate: true };
    }
    if (condition) {
      const { failIfEventsMatch, after = 0 } = condition;
      if (after > log.length) throw new PositionAheadError(after, log.length);
      for (const stored of log) if (stored.position > after && matches(failIfEventsMatch, stored)) throw new AppendConditionFailedError(stored, condition);
    }
    const start = log.length + 1;
    for (const event of batch) {
      const { type, data, tags = [], id = 'made', metadata = {}, timestamp = 'now' } = event;
      log.push({ position: log.length + 1, type, data, tags: [...new Set(tags)], id, metadata, timestamp });
    }
    return { first: start, last: log.length, duplicate: false };
  }

  return {
    append: async (events, condition) => append(events, condition),
    head: async () => log.length,
    async read(query, { after = 0, before = 2 ** 53, limit = 2 ** 53, backwards = false }) {
      if (after > log.length) throw new PositionAheadError(after, log.length);
      const events: SequencedEvent[] = [];
      for (const stored of backwards ? log.toReversed() : log) {
        if (stored.position <= after || stored.position >= before || events.length === limit) continue;
        if (matches(query, stored)) events.push(stored);
      }
      return { events, head: before <= log.length ? before - 1 : log.length };
    },
  };
}

function matches(query: Query, { type, tags }: SequencedEvent): boolean {
  if (query === 'all') return true;
  for (const item of query.items) {
    const typeFits = !item.types || item.types.indexOf(type) >= 0;
    const missing = (item.tags ?? []).filter((tag) => !tags.includes(tag));
    if (typeFits && missing.length === 0) return true;
  }
  return false;
}

/** Equal texts for equal content, whatever the order of tags and keys. */
function contentOf({ type, tags = [], data }: NewEvent): string {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value;
  return JSON.stringify([type, [...new Set(tags)].sort(), data], sorted);
}

describe('memory store', () => {
  test('agrees with the oracle', async () => {
    await runModel(makeMemoryStore, { runs: 1500, commandsMax: 20, reference: makeOracle });
  });

  test('is told from an oracle that breaks a rule, so the comparison can fail', async () => {
    const careless = (): Subject => {
      const oracle = makeOracle();
      return { ...oracle, append: (events, condition) => oracle.append(events, condition?.after === undefined ? condition : { ...condition, after: condition.after + 1 }) };
    };
    await expect(runModel(makeMemoryStore, { runs: 1500, commandsMax: 20, reference: careless })).rejects.toThrow(/seed/);
  });
});
