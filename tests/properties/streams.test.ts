/*
 * Goal: a stream's versions are the ranks of its events and nothing else, no two batches get one version, and repetitions change nothing.
 * Method: random histories compared step by step with a model of a few lines; random appends made at once, their answers compared with what is stored.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isOpossumError, type WrongExpectedVersionError } from '../../src/core/errors.js';
import type { EventStore } from '../../src/core/event-store.js';
import type { NewEvent } from '../../src/core/event.js';
import { openMemoryStore } from '../../src/memory/memory-event-store.js';
import type { StreamReadOptions } from '../../src/modelling/stream-reading.js';
import { stream, type ExpectedVersion, type Stream, type StreamAppendResult } from '../../src/modelling/stream.js';
import { fileStoresIn, type FileStores } from '../support/file-stores.js';
import { fastRoot } from '../support/folder.js';

const makeFileStore = fileStoresIn(fastRoot);
const ids = ['a', 'b', 'a:b'] as const;
type Id = (typeof ids)[number];

type Made = Pick<FileStores, 'store' | 'another' | 'dispose'>;
const makeMemoryStore = async (): Promise<Made> => {
  const store = openMemoryStore();
  return { store, another: async () => store, dispose: () => store.close() };
};

/** The same store for somebody who has not counted anything yet. */
const unknowing = (store: EventStore): EventStore => ({
  append: (...args) => store.append(...args),
  read: (...args) => store.read(...args),
  subscribe: (...args) => store.subscribe(...args),
  state: store.state,
  head: () => store.head(),
  close: () => store.close(),
  [Symbol.asyncDispose]: () => store.close(),
});

/** A number is told from the stream's version, so that it means something whatever was appended. */
type Expectation = 'none' | 'exists' | 'any' | { fromVersion: number };
type Batch = { id: Id; numbers: readonly number[]; ownIds: boolean };
type Step =
  | { kind: 'append'; batch: Batch; expectation: Expectation }
  | { kind: 'repeat'; which: number; change: 'none' | 'part' | 'extended' | 'content'; expectation: Expectation }
  /** Past the streams: with the tags of none, one or two of them. */
  | { kind: 'raw'; streams: readonly Id[] }
  | { kind: 'read'; id: Id; options: StreamReadOptions }
  | { kind: 'ask'; id: Id };
type Handled = Step & { by: 'one' | 'another' | 'unknowing' };

const idArb = fc.constantFrom(...ids);
const expectationArb: fc.Arbitrary<Expectation> = fc.oneof(
  fc.constantFrom('none' as const, 'exists' as const, 'any' as const),
  fc.record({ fromVersion: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }) }) }),
);
const batchArb: fc.Arbitrary<Batch> = fc.record({ id: idArb, numbers: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }), ownIds: fc.boolean() });
const stepArb: fc.Arbitrary<Handled> = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), batch: batchArb, expectation: expectationArb }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('repeat' as const),
          which: fc.nat(20),
          change: fc.constantFrom('none' as const, 'none' as const, 'part' as const, 'extended' as const, 'content' as const),
          expectation: expectationArb,
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('raw' as const), streams: fc.subarray([...ids], { maxLength: 2 }) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('read' as const),
          id: idArb,
          options: fc.record(
            { fromVersion: fc.integer({ min: 1, max: 12 }), toVersion: fc.integer({ min: 1, max: 12 }), limit: fc.integer({ min: 1, max: 5 }), backwards: fc.boolean() },
            { requiredKeys: [] },
          ),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('ask' as const), id: idArb }) },
    ),
    fc.constantFrom('one' as const, 'another' as const, 'unknowing' as const),
  )
  .map(([step, by]) => ({ ...step, by }));

/** What a store holds, and what streams make of it. */
class Model {
  readonly #log: { id: string | undefined; content: string; streams: readonly string[] }[] = [];

  append(id: string, events: readonly NewEvent[], expected: ExpectedVersion): unknown {
    const contents = events.map(contentOf(id));
    const known = events.map((event) => (event.id === undefined ? -1 : this.#log.findIndex((stored) => stored.id === event.id)));
    if (known.some((at) => at >= 0)) {
      const first = known[0]!;
      const same = known.every((at, i) => at >= 0 && at === first + i && this.#log[at]!.content === contents[i]);
      return same ? this.#result(id, first, events.length, true) : { code: 'EVENT_ID_CONFLICT' };
    }
    const actual = this.positions(id).length;
    const fits = expected === 'any' || (expected === 'none' ? actual === 0 : expected === 'exists' ? actual > 0 : actual === expected);
    if (!fits) return { code: 'WRONG_EXPECTED_VERSION', expected, actual };
    this.#log.push(...events.map((event, i) => ({ id: event.id, content: contents[i]!, streams: [id] })));
    return this.#result(id, this.#log.length - events.length, events.length, false);
  }

  raw(streams: readonly string[]): void {
    this.#log.push({ id: undefined, content: '', streams });
  }

  /** The event with version v is at index v - 1. */
  positions(id: string): number[] {
    return this.#log.flatMap(({ streams }, i) => (streams.includes(id) ? [i + 1] : []));
  }

  read(id: string, { fromVersion = 1, toVersion = 1e9, limit = 1e9, backwards = false }: StreamReadOptions): [number, number][] {
    const all = this.positions(id).map((position, i): [number, number] => [i + 1, position]);
    const inRange = all.filter(([version]) => version >= fromVersion && version <= toVersion);
    return (backwards ? inRange.reverse() : inRange).slice(0, limit);
  }

  #result(id: string, first: number, count: number, duplicate: boolean): object {
    const last = first + count;
    return { version: this.positions(id).indexOf(last) + 1, first: first + 1, last, duplicate };
  }
}

const contentOf = (id: string) => (event: NewEvent): string => JSON.stringify([id, event.data]);

const eventsOf = ({ numbers, ownIds }: Batch, batchNumber: number): NewEvent[] =>
  numbers.map((n, i) => ({ type: 'Happened', data: n, ...(ownIds && { id: `own-${batchNumber}-${i}` }) }));

function changed(events: readonly NewEvent[], how: Extract<Step, { kind: 'repeat' }>['change']): NewEvent[] {
  if (how === 'part') return events.slice(-Math.ceil(events.length / 2));
  if (how === 'extended') return [...events, { type: 'Happened', data: 'more' }];
  if (how === 'content') return events.map((event, i) => (i === 0 ? { ...event, data: 'other' } : event));
  return [...events];
}

async function outcomeOf(work: Promise<StreamAppendResult>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (!isOpossumError(error)) throw error;
    const { code, expected, actual } = error as WrongExpectedVersionError;
    return code === 'WRONG_EXPECTED_VERSION' ? { code, expected, actual } : { code };
  }
}

async function compare(steps: readonly Handled[], { store, another }: Made): Promise<void> {
  const model = new Model();
  const batches: { id: Id; events: NewEvent[] }[] = [];
  const stores = { one: store, another: await another(), unknowing: unknowing(store) };
  const append = async (on: EventStore, id: Id, events: NewEvent[], expectation: Expectation): Promise<void> => {
    const expected = typeof expectation === 'string' ? expectation : Math.max(0, model.positions(id).length + expectation.fromVersion);
    const actual = await outcomeOf(stream(on, id).append(events, { expectedVersion: expected }));
    assert.deepEqual(actual, model.append(id, events, expected));
  };
  for (const step of steps) {
    const on = step.by === 'unknowing' ? unknowing(store) : stores[step.by];
    if (step.kind === 'append') {
      const events = eventsOf(step.batch, batches.length);
      if (step.batch.ownIds) batches.push({ id: step.batch.id, events });
      await append(on, step.batch.id, events, step.expectation);
    } else if (step.kind === 'repeat') {
      const batch = batches[step.which % Math.max(1, batches.length)];
      if (batch) await append(on, batch.id, changed(batch.events, step.change), step.expectation);
    } else if (step.kind === 'raw') {
      await on.append({ type: 'Raw', data: null, tags: step.streams.map((id) => `stream:${id}`) });
      model.raw(step.streams);
    } else if (step.kind === 'read') {
      const events = await stream(on, step.id).read(step.options).toArray();
      assert.deepEqual(events.map(({ version, position }) => [version, position]), model.read(step.id, step.options));
    } else {
      const version = model.positions(step.id).length;
      assert.deepEqual([await stream(on, step.id).version(), await stream(on, step.id).exists()], [version, version > 0]);
    }
  }
}

async function runHistories(make: () => Promise<Made>, runs: number): Promise<void> {
  const property = fc.asyncProperty(fc.array(stepArb, { minLength: 1, maxLength: 30, size: 'max' }), async (steps) => {
    const made = await make();
    try {
      await compare(steps, made);
    } finally {
      await made.dispose();
    }
  });
  await fc.assert(property, { numRuns: runs });
}

type Call = { batch: Batch; expectation: ExpectedVersion; twice: boolean; by: 'one' | 'another' | 'unknowing' };
const callArb: fc.Arbitrary<Call> = fc.record({
  batch: batchArb,
  expectation: fc.oneof(fc.constantFrom('none' as const, 'exists' as const, 'any' as const), fc.nat(12)),
  twice: fc.boolean(),
  by: fc.constantFrom('one' as const, 'another' as const, 'unknowing' as const),
});

type Answered = { id: Id; events: NewEvent[]; expectation: ExpectedVersion; answers: unknown[] };

/** Makes the calls of each round at once. */
async function race(rounds: readonly (readonly Call[])[], { store, another }: Made): Promise<void> {
  const stores = { one: store, another: await another() };
  const answered: Answered[] = [];
  let number = 0;
  for (const calls of rounds) {
    const answers = calls.map(async ({ batch, expectation, twice, by }): Promise<Answered> => {
      const events = eventsOf(batch, number++);
      const target: Stream = stream(by === 'unknowing' ? unknowing(store) : stores[by], batch.id);
      const append = (): Promise<unknown> => outcomeOf(target.append(events, { expectedVersion: expectation }));
      return { id: batch.id, events, expectation, answers: await Promise.all(twice && batch.ownIds ? [append(), append()] : [append()]) };
    });
    answered.push(...(await Promise.all(answers)));
  }
  await checkAnswers(answered, store);
}

async function checkAnswers(answered: readonly Answered[], store: EventStore): Promise<void> {
  let stored = 0;
  const log = await store.read().toArray();
  for (const { id, events, expectation, answers } of answered) {
    const ranks = log.filter(({ tags }) => tags.includes(`stream:${id}`)).map(({ position }) => position);
    const results = answers.filter((answer): answer is StreamAppendResult => !('code' in (answer as object)));
    const firsts = results.filter(({ duplicate }) => !duplicate);
    // Stored once or not at all; a repetition gets the same answer.
    assert.equal(firsts.length, results.length > 0 ? 1 : 0);
    for (const { version, first, last } of results) assert.deepEqual([version, first, last], [firsts[0]!.version, firsts[0]!.first, firsts[0]!.last]);
    for (const { version, first, last } of firsts) {
      stored += events.length;
      const before = version - events.length;
      assert.equal(last - first + 1, events.length);
      assert.deepEqual(ranks.slice(before, version), events.map((_, i) => first + i));
      assert.deepEqual(log.slice(first - 1, last).map(({ data }) => data), events.map(({ data }) => data));
      if (typeof expectation === 'number') assert.equal(before, expectation);
      if (expectation === 'none') assert.equal(before, 0);
      if (expectation === 'exists') assert.ok(before > 0);
    }
    for (const answer of answers as { code?: string; actual: number }[]) {
      if (answer.code === undefined) continue;
      assert.equal(answer.code, 'WRONG_EXPECTED_VERSION');
      assert.notEqual(expectation, 'any');
      assert.ok(expectation === 'exists' ? answer.actual === 0 : answer.actual !== (expectation === 'none' ? 0 : expectation));
      assert.ok(answer.actual <= ranks.length);
    }
  }
  assert.equal(log.length, stored);
}

async function runRaces(make: () => Promise<Made>, runs: number): Promise<void> {
  const roundsArb = fc.array(fc.array(callArb, { minLength: 1, maxLength: 10, size: 'max' }), { minLength: 1, maxLength: 4 });
  const property = fc.asyncProperty(roundsArb, async (rounds) => {
    const made = await make();
    try {
      await race(rounds, made);
    } finally {
      await made.dispose();
    }
  });
  await fc.assert(property, { numRuns: runs });
}

describe.each([
  { name: 'memory store', make: makeMemoryStore, runs: 300 },
  { name: 'file store', make: (): Promise<Made> => makeFileStore({ durability: 'os', eventFiles: 'none' }), runs: 100 },
])('streams on the $name', ({ make, runs }) => {
  test('do as the model does', async () => {
    await runHistories(make, runs);
  });

  test('answer appends made at once with what came of them', async () => {
    await runRaces(make, runs);
  });
});

describe('the comparison can fail', () => {
  test('is told from a store that ignores conditions', async () => {
    const careless = async (): Promise<Made> => {
      const store = openMemoryStore();
      const ignoring: EventStore = { ...unknowing(store), append: (events, _, options) => store.append(events, undefined, options) };
      return { store: ignoring, another: async () => ignoring, dispose: () => store.close() };
    };
    await expect(runRaces(careless, 300)).rejects.toThrow(/seed/);
    await expect(runHistories(careless, 300)).rejects.toThrow(/seed/);
  });
});
