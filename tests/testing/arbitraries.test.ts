/*
 * goal: whatever the arbitraries make, a store takes and gives back as it is; and histories are such as the handler accepts.
 * method: fast-check on the memory store.
 */
import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { decide, matchesQuery, openMemoryStore, reject, type EventStore, type NewEvent } from '../../src/index.js';
import { arbitraries } from '../../src/testing/index.js';
import { CourseDefined, SeatTaken, seatsOf, takenIn } from '../support/courses.js';

const made = arbitraries(fc);

/** What is asked of the mixture that an arbitrary makes, or of the way it shrinks, is asked of the same values each time. */
const seed = 20261121;

describe('arbitraries', () => {
  test('make batches that a store takes and gives back', async () => {
    await fc.assert(
      fc.asyncProperty(made.batch, async (batch) => {
        const store = openMemoryStore();
        await store.append(batch);
        const stored = await store.read().toArray();
        expect(stored.map(({ type, data }) => ({ type, data }))).toEqual(batch.map(({ type, data }) => ({ type, data })));
        batch.forEach(({ tags = [], metadata = {}, id }, i) => {
          expect(stored[i]).toMatchObject({ tags: [...new Set(tags)], ...(id === undefined ? {} : { id }) });
          expect(stored[i]!.metadata).toEqual(metadata);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('make queries and conditions that a store takes, and that match now and then', async () => {
    let matches = 0;
    await fc.assert(
      fc.asyncProperty(made.batch, made.query, made.conditionUpTo(1), async (batch, query, condition) => {
        const store = openMemoryStore();
        await store.append(batch);
        const stored = await store.read().toArray();
        const matching = stored.filter((event) => matchesQuery(query, event));
        expect(await store.read(query).toArray()).toEqual(matching);
        matches += matching.length;
        const stands = stored.some((event) => event.position > (condition.after ?? 0) && matchesQuery(condition.failIfEventsMatch, event));
        const work = store.append({ type: 'Next', data: null }, condition);
        await (stands ? expect(work).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED' }) : work);
      }),
      { numRuns: 300 },
    );
    expect(matches).toBeGreaterThan(50);
  });

  test('bring hostile texts, use given words, and make ids and conditions', () => {
    const texts = fc.sample(made.text, { numRuns: 500, seed });
    for (const one of ['CON', '..', '__proto__', '\0', '💥', 'x'.repeat(1024)]) expect(texts.some((text) => text.includes(one)), JSON.stringify(one)).toBe(true);
    expect(texts.every((text) => Buffer.byteLength(text) <= 1024)).toBe(true);
    expect(fc.sample(made.id, 300).every((id) => id !== '' && Buffer.byteLength(id) <= 255)).toBe(true);
    const own = arbitraries(fc, { types: ['Seat'], tags: ['c:1'] });
    expect(new Set(fc.sample(own.event, 50).map(({ type }) => type))).toEqual(new Set(['Seat']));
    expect(fc.sample(made.condition, 10).every(({ after }) => after === undefined)).toBe(true);
  });

  test('shrink', () => {
    const result = fc.check(fc.property(made.batch, (batch) => batch.length < 2), { seed });
    expect(result.counterexample?.[0]).toHaveLength(2);
    const [longest] = fc.check(fc.property(made.event, ({ tags = [] }) => tags.length === 0), { seed }).counterexample ?? [];
    expect(longest?.tags).toHaveLength(1);
    expect(longest?.tags?.[0]).toBe('A');
  });

  test('make typed events from data that fits', () => {
    const seats = made.eventOf(CourseDefined, fc.record({ courseId: fc.constantFrom('c1', 'c2'), seats: fc.nat({ max: 3 }) }));
    expectTypeOf(seats).toEqualTypeOf<fc.Arbitrary<ReturnType<typeof CourseDefined>>>();
    for (const { type, tags, data } of fc.sample(seats, 20)) expect([type, tags]).toEqual(['CourseDefined', [`course:${data.courseId}`]]);
    // @ts-expect-error: the data lacks what the schema asks for.
    made.eventOf(CourseDefined, fc.record({ courseId: fc.string() }));
  });
});

describe('histories', () => {
  type Enrol = { course: string; student: string };
  const enrol = (store: EventStore, { course, student }: Enrol) =>
    decide(store, { seats: seatsOf(course), taken: takenIn(course) }, ({ seats, taken }) => (taken < seats ? SeatTaken({ courseId: course, studentId: student }) : reject('full')));
  const commands = fc.record({ course: fc.constantFrom('c1', 'c2'), student: fc.constantFrom('s1', 's2', 's3') });
  const given: NewEvent[] = [CourseDefined({ courseId: 'c1', seats: 2 }), CourseDefined({ courseId: 'c2', seats: 1 })];
  const histories = made.histories({ commands, act: enrol, given });

  test('are what the handler makes of random commands', async () => {
    let full = 0;
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const { events, results, store } = await history.play();
        expect(results).toHaveLength(history.commands.length);
        for (const [course, seats] of [['c1', 2], ['c2', 1]] as const) {
          expect(events.filter((event) => SeatTaken.is(event) && event.data.courseId === course).length).toBeLessThanOrEqual(seats);
        }
        full += results.filter(({ outcome }) => outcome === 'rejected').length;
        await store.close();
      }),
      { numRuns: 100 },
    );
    expect(full).toBeGreaterThan(10);
  });

  test('shrink to few commands, and say which', async () => {
    const isShort = fc.asyncProperty(histories, async (history) => (await history.play()).events.length < 4);
    const { counterexample } = await fc.check(isShort, { seed });
    expect(counterexample?.[0].commands).toHaveLength(2);
    expect(String(counterexample?.[0])).toContain('history of [{"course":"c1"');
  });

  test('can be played on any store, and pass on what the handler throws', async () => {
    const store = openMemoryStore();
    const [history] = fc.sample(made.histories({ commands: fc.constant('x'), act: (one, type) => one.append({ type, data: null }), maxCommands: 3 }), 1);
    const played = await history!.play(store);
    expect(played.store).toBe(store);
    expect(await store.head()).toBe(history!.commands.length);
    const failing = fc.sample(fc.noShrink(made.histories({ commands: fc.constant(1), act: () => Promise.reject(new Error('no')) })).filter((one) => one.commands.length > 0), 1);
    await expect(failing[0]!.play()).rejects.toThrow('no');
  });
});
