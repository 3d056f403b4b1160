/*
 * Goal: a store decides, stores and reads exactly as the reference does, whatever is done to it.
 * Method: random appends, repetitions, conditions, reads and reopenings run on both, and every outcome is compared.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AppendCondition } from '../../src/core/condition.js';
import { isOpossumError } from '../../src/core/errors.js';
import type { AppendResult, EventStore, ReadOptions } from '../../src/core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../src/core/event.js';
import type { Query } from '../../src/core/query.js';
import { openMemoryStore } from '../../src/memory/memory-event-store.js';
import type { StoreUnderTest } from '../../src/testing/index.js';
import { conditionArb, eventArb, queryArb, readOptionsArb, resolvePosition, type ReadShape } from './arbitraries.js';

/** The store that is compared with the reference, on fresh data. `reopen` closes every store that was handed out. */
export type ModelStore = StoreUnderTest;

/** What a command does to a store: narrow enough for an oracle of a few lines. */
export type Subject = {
  append(events: readonly NewEvent[], condition?: AppendCondition): Promise<AppendResult>;
  read(query: Query, options: ReadOptions): Promise<{ events: SequencedEvent[]; head: number }>;
  head(): Promise<number>;
};

export type ModelOptions = {
  runs: number;
  commandsMax: number;
  seed?: number;
  /** What is right; a memory store when absent. */
  reference?: () => Subject;
};

/** Compares `runs` random histories; the failing one is shrunk and printed with its seed. */
export async function runModel(makeStore: () => ModelStore | Promise<ModelStore>, { runs, commandsMax, seed, reference }: ModelOptions): Promise<void> {
  const property = fc.asyncProperty(fc.array(commandArb, { minLength: 1, maxLength: commandsMax, size: 'max' }), async (commands) => {
    const made = await makeStore();
    try {
      await compare(commands, made, (reference ?? (() => subjectOf(openMemoryStore())))());
    } finally {
      await made.dispose();
    }
  });
  await fc.assert(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
}

type Append = { events: NewEvent[]; ownIds: (number | undefined)[]; condition: AppendCondition | undefined };

type Command =
  /** Several calls made at once; each decided after the one before it. */
  | { kind: 'append'; calls: Append[] }
  /** A batch of before again, as it was or changed. */
  | { kind: 'repeat'; which: number; change: 'none' | 'part' | 'reorder' | 'content' | 'extend' | 'shift'; condition: AppendCondition | undefined }
  | { kind: 'read'; query: Query; options: ReadShape }
  | { kind: 'head' }
  | { kind: 'reopen' }
  | { kind: 'another' };

const appendArb: fc.Arbitrary<Append> = fc
  .record({
    events: fc.oneof(
      { weight: 6, arbitrary: fc.array(eventArb, { minLength: 1, maxLength: 4 }) },
      { weight: 1, arbitrary: fc.array(eventArb, { minLength: 1, maxLength: 30, size: 'max' }) },
    ),
    ids: fc.oneof(
      // A batch of which every event has an id, so that it can be repeated.
      fc.integer({ min: 100, max: 400 }).map((first) => Array.from({ length: 30 }, (_, i) => first + i)),
      fc.array(fc.option(fc.integer({ min: 0, max: 25 }), { nil: undefined, freq: 3 }), { maxLength: 6 }),
    ),
    condition: fc.option(conditionArb, { nil: undefined, freq: 2 }),
  })
  .map(({ events, ids, condition }) => ({ events, ownIds: withoutRepeats(ids), condition }));

const commandArb: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), calls: fc.array(appendArb, { minLength: 1, maxLength: 3 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('repeat' as const),
      which: fc.nat(20),
      change: fc.constantFrom('none' as const, 'none' as const, 'part' as const, 'reorder' as const, 'content' as const, 'extend' as const, 'shift' as const),
      condition: fc.option(conditionArb, { nil: undefined }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read' as const), query: queryArb, options: readOptionsArb }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'head' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'another' as const }) },
);

async function compare(commands: readonly Command[], made: ModelStore, reference: Subject): Promise<void> {
  let stores = [made.store];
  let turn = 0;
  const batches: NewEvent[][] = [];
  for (const command of commands) {
    if (command.kind === 'reopen') {
      if (made.reopen) stores = [await made.reopen()];
    } else if (command.kind === 'another') {
      if (made.another && stores.length < 3) stores.push(await made.another());
    } else {
      const head = await reference.head();
      const steps = stepsOf(command, head, batches);
      const store = subjectOf(stores[turn++ % stores.length]!);
      // Calls made together; the reference takes one after the other.
      const actual = await Promise.all(steps.map((step) => outcomeOf(step(store))));
      const expected: unknown[] = [];
      for (const step of steps) expected.push(await outcomeOf(step(reference)));
      assert.deepEqual(actual, expected);
    }
  }
  await compareAll(stores, reference);
}

async function compareAll(stores: readonly EventStore[], reference: Subject): Promise<void> {
  const expected = await outcomeOf(reference.read('all', {}));
  for (const store of stores) assert.deepEqual(await outcomeOf(subjectOf(store).read('all', {})), expected);
}

type StepOnSubject = (subject: Subject) => Promise<unknown>;

function stepsOf(command: Exclude<Command, { kind: 'reopen' | 'another' }>, head: number, batches: NewEvent[][]): StepOnSubject[] {
  switch (command.kind) {
    case 'head':
      return [(subject) => subject.head()];
    case 'read': {
      const options = resolveOptions(command.options, head);
      return [(subject) => subject.read(command.query, options)];
    }
    case 'append': {
      const calls = command.calls.map((call) => ({ ...call, events: call.events.map((event, i) => withId(event, call.ownIds[i])) }));
      batches.push(...calls.map(({ events }) => events));
      return calls.map(({ events, condition }) => (subject) => subject.append(events, resolveCondition(condition, head)));
    }
    case 'repeat': {
      const batch = batches[command.which % Math.max(1, batches.length)];
      if (!batch) return [];
      const events = change(batch, command.change);
      return [(subject) => subject.append(events, resolveCondition(command.condition, head))];
    }
  }
}

function change(batch: readonly NewEvent[], how: Extract<Command, { kind: 'repeat' }>['change']): NewEvent[] {
  const [first, ...rest] = batch as [NewEvent, ...NewEvent[]];
  switch (how) {
    case 'none':
      return [...batch];
    case 'part':
      return batch.slice(0, Math.ceil(batch.length / 2));
    case 'shift':
      return rest.length > 0 ? rest : [first];
    case 'reorder':
      return [...batch].reverse();
    case 'content':
      return [...batch.slice(0, -1), { ...(batch.at(-1) as NewEvent), data: { changed: true } }];
    case 'extend':
      return [...batch, { type: 'A', data: 'more' }];
  }
}

const withId = (event: NewEvent, id: number | undefined): NewEvent => (id === undefined ? event : { ...event, id: `own:${id}` });

function withoutRepeats(ids: readonly (number | undefined)[]): (number | undefined)[] {
  return ids.map((id, i) => (id !== undefined && ids.indexOf(id) < i ? undefined : id));
}

function resolveCondition(condition: AppendCondition | undefined, head: number): AppendCondition | undefined {
  if (condition?.after === undefined) return condition;
  return { ...condition, after: resolvePosition(condition.after, head, 0) };
}

function resolveOptions({ after, before, ...rest }: ReadShape, head: number): ReadOptions {
  const options: ReadOptions = { ...rest };
  if (after !== undefined) options.after = resolvePosition(after, head, 0);
  if (before !== undefined) options.before = resolvePosition(before, head, 1);
  return options;
}

/** What came out, without what each store makes up by itself: ids and times. */
async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return plain(await work);
  } catch (error) {
    if (!isOpossumError(error)) throw error;
    return { code: error.code, details: { ...error.details }, message: error.message };
  }
}

function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('events' in value)) return value;
  const { events, head } = value as { events: SequencedEvent[]; head: number };
  const comparable = events.map(({ id, timestamp, ...event }) => ({
    ...event,
    id: id.startsWith('own:') ? id : 'made',
    timestamp: timestamp.startsWith('2001-') ? timestamp : 'now',
  }));
  return { head, events: comparable };
}

/** Reads in every form that a stream has, which must agree. */
function subjectOf(store: EventStore): Subject {
  return {
    append: (events, condition) => store.append(events, condition),
    head: () => store.head(),
    async read(query, options) {
      const stream = store.read(query, options);
      const [events, head, first] = [await stream.toArray(), await stream.head(), await stream.first()];
      assert.deepEqual(first, events[0]);
      const iterated: SequencedEvent[] = [];
      for await (const event of stream) iterated.push(event);
      assert.deepEqual(iterated, events);
      return { events, head };
    },
  };
}
