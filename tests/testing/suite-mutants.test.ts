/*
 * goal: the suite finds stores that break a rule; a rule that no case holds is no rule.
 * method: the memory store is made wrong in one way at a time; the case that is named must fail, and it passes with the right store.
 */
import { describe, expect, test } from 'vitest';
import { isOpossumError, matchesQuery, openMemoryStore, type AppendCondition, type EventStore, type EventStream, type NewEvent, type SequencedEvent } from '../../src/index.js';
import { eventStoreSuite, type SuiteCase } from '../../src/testing/index.js';
import { storeCalls } from '../support/store-calls.js';

type Change = (store: EventStore) => Partial<EventStore>;

/** What is wrong with a store, how it is made so, and the case that finds it. */
const mutants: readonly (readonly [flaw: string, finder: string, change: Change])[] = [
  ['after is inclusive', 'conditions: after is exclusive', (store) => ({ append: (events, condition, options) => store.append(events, condition && { ...condition, ...(condition.after && { after: condition.after - 1 }) }, options) })],
  ['conditions are checked without after', 'conditions: the head of a read is the after of a decision', (store) => ({ append: (events, condition, options) => store.append(events, condition && { failIfEventsMatch: condition.failIfEventsMatch }, options) })],
  ['conditions look at the first item only', 'conditions: the first conflict may lie anywhere in a batch, and each item of the query finds its own', (store) => ({ append: (events, condition, options) => store.append(events, firstItem(condition), options) })],
  ['conditions are ignored when nothing of their tags is there yet', 'conditions: the head of an empty read guards against the first event', ignoresUnknownTags],
  ['a condition may rest on a position ahead', 'conditions: after beyond the head is refused', aheadIsHead],
  ['a read may start ahead', 'reads: after beyond the head is refused, however the stream is used', (store) => ({ read: (query, options) => tolerant(store.read(query, options)) })],
  ['a read of an empty store may start anywhere', 'reads: after on an empty store is refused, unless it is 0', readsAheadWhenEmpty],
  ['a subscription may start ahead', 'subscriptions: after beyond the head is refused, however the stream is used', subscribesAhead],
  ['conditions come before the look for repetitions', 'idempotency: a repetition succeeds although its condition fails by now', conditionFirst],
  ['positions ahead come before the look for repetitions', 'idempotency: a repetition is known before its condition is looked at, even one that rests on a position ahead', aheadFirst],
  ['ids are not looked up', 'idempotency: the same event again returns its position', (store) => ({ append: (events, condition, options) => store.append(listOf(events).map(({ id: _, ...rest }) => rest), condition, options) })],
  ['a repetition is told of as new', 'idempotency: the same batch again returns its positions', (store) => ({ append: async (...call) => ({ ...(await store.append(...call)), duplicate: false }) })],
  ['a batch is torn into single appends', 'appends: batches appended together lie together and leave no gap', tears],
  ['a batch with a bad event is stored as far as it is good', 'appends: a batch with one bad event appends nothing', storesTheGoodPart],
  ['the head of a read is its last match', 'conditions: the head of an empty read guards against the first event', (store) => ({ read: (query, options) => changed(store.read(query, options), (stream) => ({ head: async () => (await stream.toArray()).at(-1)?.position ?? 0 })) })],
  ['the head of a read is told anew', 'reads: the snapshot is taken when the stream is first used', (store) => ({ read: (query, options) => changed(store.read(query, options), () => ({ head: () => store.head() })) })],
  ['each use of a stream takes a snapshot', 'reads: the snapshot is taken when the stream is first used', (store) => ({ read: (query, options) => anew(() => store.read(query, options)) })],
  ['before is inclusive', 'reads: after, before, limit and backwards, in every combination', (store) => ({ read: (query, options = {}) => store.read(query, options.before ? { ...options, before: options.before + 1 } : options) })],
  ['the limit counts what does not match', 'reads: after, before, limit and backwards, in every combination', (store) => ({ read: (query, options = {}) => store.read(query, options.limit ? { ...options, before: Math.min(options.before ?? Infinity, (options.after ?? 0) + options.limit + 1) } : options) })],
  ['readers share what they get', 'reads: readers own what they get', shares],
  ['subscribers share what they get', 'subscriptions: give each reader a copy of its own', sharesSubscribed],
  ['an abort is not heard by reads', 'reads: an aborted signal rejects with its reason', (store) => ({ read: (query, { signal: _, ...options } = {}) => store.read(query, options) })],
  ['an abort of a read throws an error of its own', 'reads: an aborted signal rejects with its reason', (store) => ({ read: (query, options) => store.read(query, options?.signal?.aborted ? { ...options, signal: AbortSignal.abort() } : options) })],
  ['an abort is not heard by appends', 'closing and aborting: an append with an aborted signal rejects with its reason and stores nothing', (store) => ({ append: (events, condition) => store.append(events, condition) })],
  ['an aborted append keeps its id', 'closing and aborting: an aborted append leaves its id free, and those beside it alone', storesThenAborts],
  ['an abort of a subscription is thrown', 'subscriptions: end quietly when aborted while they wait', throwsAborts],
  ['a subscription tells more than once that it caught up', 'subscriptions: tell once that they have caught up', catchesUpOften],
  ['a subscription catches up before it gives its events', 'subscriptions: tell once that they have caught up', catchesUpEarly],
  ['a subscription begins after its first pass', 'subscriptions: begin anew with each iteration', goesOn],
  ['a subscription gives repetitions again', 'idempotency: a repetition reaches no subscription again', repeatsToSubscribers],
  ['tags are compared without regard to case', 'plain data: hostile tags stay distinct', (store) => ({ append: (events, condition, options) => store.append(folded(events), condition, options) })],
  ['types are trimmed', 'plain data: hostile types stay distinct', (store) => ({ append: (events, condition, options) => store.append(listOf(events).map((event) => (typeof event.type === 'string' && event.type.trim() ? { ...event, type: event.type.trim() } : event)), condition, options) })],
  ['time stamps are rounded', 'appends: time stamps of any precision are kept, a leap second too', (store) => ({ append: (events, condition, options) => store.append(listOf(events).map((event) => (event.timestamp ? { ...event, timestamp: event.timestamp.replace(/\.\d+Z$/, 'Z') } : event)), condition, options) })],
  ['queries miss what lies after position 2,048', 'many events: queries and conditions find what they would find in an array', (store) => ({ read: (query, options) => (query === 'all' ? store.read(query, options) : filtered(store.read(query, options), ({ position, tags }) => position <= 2048 || !tags.includes('late'))) })],
  ['a long condition is cut', 'limits: a condition of nearly 1 MiB is checked', (store) => ({ append: (events, condition, options) => store.append(events, cut(condition), options) })],
  ['a closed store goes on', 'closing and aborting: a closed store refuses everything', () => ({ close: async () => undefined })],
];

/** The memory store, with some of its calls replaced. */
function make(change: Change): { store: EventStore; dispose(): Promise<void> } {
  const store = openMemoryStore();
  return { store: { ...storeCalls(store), ...change(store) }, dispose: () => store.close() };
}

function caseNamed(name: string, change: Change): SuiteCase {
  const found = eventStoreSuite({ make: () => make(change) }).find((one) => one.name === name);
  if (!found) throw new Error(`There is no case "${name}".`);
  return found;
}

describe('a store', () => {
  test.each(mutants)('in which %s fails "%s"', async (_, finder, change) => {
    await caseNamed(finder, () => ({})).run();
    // A subscription that misses what the case waits for would wait for ever.
    const waiting = new Promise((resolve) => setTimeout(() => resolve('waits for ever'), 1500).unref());
    const outcome = await Promise.race([caseNamed(finder, change).run().then(() => 'passed', () => 'failed'), waiting]);
    expect(outcome).not.toBe('passed');
  });

  test('that is changed in nothing passes, so the wrapper is not what fails', async () => {
    const cases = eventStoreSuite({ make: () => make(() => ({})) });
    for (const { name, run } of cases) if (!name.startsWith('limits')) await run();
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});

function listOf(events: NewEvent | readonly NewEvent[]): readonly NewEvent[] {
  return (Array.isArray(events) ? events : [events]) as readonly NewEvent[];
}

function changed(stream: EventStream, change: (stream: EventStream) => Partial<EventStream>): EventStream {
  const right: EventStream = { toArray: () => stream.toArray(), first: () => stream.first(), head: () => stream.head(), [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator]() };
  return Object.assign(right, change(stream));
}

function filtered(stream: EventStream, isGiven: (event: SequencedEvent) => boolean): EventStream {
  return changed(stream, () => ({ toArray: async () => (await stream.toArray()).filter(isGiven) }));
}

function anew(open: () => EventStream): EventStream {
  return { toArray: () => open().toArray(), first: () => open().first(), head: () => open().head(), [Symbol.asyncIterator]: () => open()[Symbol.asyncIterator]() };
}

/** Gives nothing where it should refuse a position ahead. */
function tolerant(stream: EventStream): EventStream {
  const instead = <T>(work: Promise<T>, value: T): Promise<T> => work.catch((error: unknown) => (isOpossumError(error, 'POSITION_AHEAD') ? value : Promise.reject(error as Error)));
  return changed(stream, () => ({ toArray: () => instead(stream.toArray(), []), first: () => instead(stream.first(), undefined), head: () => instead(stream.head(), 0) }));
}

function firstItem(condition: AppendCondition | undefined): AppendCondition | undefined {
  const query = condition?.failIfEventsMatch;
  return condition && typeof query === 'object' && Array.isArray(query?.items) ? { ...condition, failIfEventsMatch: { items: query.items.slice(0, 1) } } : condition;
}

function cut(condition: AppendCondition | undefined): AppendCondition | undefined {
  const query = condition?.failIfEventsMatch;
  return condition && typeof query === 'object' && query?.items?.length > 500 ? { ...condition, failIfEventsMatch: { items: query.items.slice(0, 500) } } : condition;
}

/** What was read as empty is not guarded: such a store locks only what it finds. */
function ignoresUnknownTags(store: EventStore): Partial<EventStore> {
  const guarded = new Set<string>();
  return {
    append: async (events, condition, options) => {
      const query = condition?.failIfEventsMatch;
      const tags = typeof query === 'object' ? query.items.flatMap((item) => item.tags ?? []) : [];
      const isKnown = tags.length === 0 || tags.some((tag) => guarded.has(tag));
      for (const tag of tags) guarded.delete(tag);
      return store.append(events, isKnown ? condition : undefined, options);
    },
  };
}

function aheadIsHead(store: EventStore): Partial<EventStore> {
  return {
    append: async (events, condition, options) => store.append(events, condition?.after === undefined ? condition : { ...condition, after: Math.min(condition.after, await store.head()) }, options),
  };
}

function readsAheadWhenEmpty(store: EventStore): Partial<EventStore> {
  return { read: (query, options) => changed(store.read(query, options), (stream) => ({ toArray: async () => ((await store.head()) === 0 ? [] : stream.toArray()) })) };
}

function subscribesAhead(store: EventStore): Partial<EventStore> {
  return { subscribe: (query, options) => tolerant(store.subscribe(query, options)) };
}

function conditionFirst(store: EventStore): Partial<EventStore> {
  return {
    append: async (events, condition, options) => {
      if (condition) {
        const conflict = await store.read(condition.failIfEventsMatch, { after: condition.after ?? 0 }).first();
        // A new event under the same condition: refused in the store's own words.
        if (conflict) return store.append({ type: 'Probe', data: null }, condition, options);
      }
      return store.append(events, condition, options);
    },
  };
}

function aheadFirst(store: EventStore): Partial<EventStore> {
  return {
    append: async (events, condition, options) => {
      if ((condition?.after ?? 0) > (await store.head())) return store.append({ type: 'Probe', data: null }, condition, options);
      return store.append(events, condition, options);
    },
  };
}

function tears(store: EventStore): Partial<EventStore> {
  return {
    append: async (events, condition, options) => {
      const results = [];
      for (const event of listOf(events)) results.push(await store.append(event, condition, options));
      return { ...results[0]!, last: results.at(-1)!.last };
    },
  };
}

function storesTheGoodPart(store: EventStore): Partial<EventStore> {
  return {
    append: async (events, condition, options) => {
      const good = listOf(events).filter(({ data }) => data !== undefined);
      const result = await store.append(good, condition, options);
      if (good.length < listOf(events).length) await store.append(events, undefined, options);
      return result;
    },
  };
}

function shares(store: EventStore): Partial<EventStore> {
  const given: SequencedEvent[] = [];
  const share = (event: SequencedEvent): SequencedEvent => (given[event.position] ??= event);
  return {
    read: (query, options) =>
      changed(store.read(query, options), (stream) => ({
        toArray: async () => (await stream.toArray()).map(share),
        first: async () => {
          const event = await stream.first();
          return event && share(event);
        },
      })),
  };
}

function sharesSubscribed(store: EventStore): Partial<EventStore> {
  const given: SequencedEvent[] = [];
  const share = (event: SequencedEvent): SequencedEvent => (given[event.position] ??= event);
  return {
    subscribe: (query, options) =>
      changed(store.subscribe(query, options), (stream) => ({
        first: async () => {
          const event = await stream.first();
          return event && share(event);
        },
        async *[Symbol.asyncIterator]() {
          for await (const event of stream) yield share(event);
        },
      })),
  };
}

function storesThenAborts(store: EventStore): Partial<EventStore> {
  return {
    append: async (events, condition, options) => {
      const result = await store.append(events, condition);
      options?.signal?.throwIfAborted();
      return result;
    },
  };
}

function throwsAborts(store: EventStore): Partial<EventStore> {
  return {
    subscribe: (query, options) =>
      changed(store.subscribe(query, options), (stream) => ({
        toArray: async () => {
          const events = await stream.toArray();
          options?.signal?.throwIfAborted();
          return events;
        },
      })),
  };
}

function catchesUpOften(store: EventStore): Partial<EventStore> {
  return {
    subscribe: (query, { onCaughtUp, ...options } = {}) =>
      store.subscribe(query, {
        ...options,
        onCaughtUp: (head) => {
          onCaughtUp?.(head);
          onCaughtUp?.(head);
        },
      }),
  };
}

function catchesUpEarly(store: EventStore): Partial<EventStore> {
  return {
    subscribe: (query, { onCaughtUp, ...options } = {}) =>
      changed(store.subscribe(query, options), (stream) => ({
        async *[Symbol.asyncIterator]() {
          onCaughtUp?.(await store.head());
          yield* stream;
        },
      })),
  };
}

/** Its place belongs to the subscription, not to the pass. */
function goesOn(store: EventStore): Partial<EventStore> {
  return {
    subscribe: (query, options = {}) => {
      let after = options.after ?? 0;
      return anew(() =>
        changed(store.subscribe(query, { ...options, after }), (stream) => ({
          async *[Symbol.asyncIterator]() {
            for await (const event of stream) {
              after = event.position;
              yield event;
            }
          },
        })),
      );
    },
  };
}

function repeatsToSubscribers(store: EventStore): Partial<EventStore> {
  const again: SequencedEvent[] = [];
  return {
    append: async (...call) => {
      const result = await store.append(...call);
      if (result.duplicate) again.push(...(await store.read('all', { after: result.first - 1, before: result.last + 1 }).toArray()));
      return result;
    },
    subscribe: (query = 'all', options) =>
      changed(store.subscribe(query, options), (stream) => ({
        async *[Symbol.asyncIterator]() {
          for await (const event of stream) {
            yield* again.splice(0).filter((one) => matchesQuery(query, one));
            yield event;
          }
        },
      })),
  };
}

function folded(events: NewEvent | readonly NewEvent[]): readonly NewEvent[] {
  return listOf(events).map((event) => (event.tags ? { ...event, tags: event.tags.map((tag) => tag.toLowerCase()) } : event));
}
