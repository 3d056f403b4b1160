/* The classic cases of Dynamic Consistency Boundaries: students enrol in courses that have few seats, many at a time. */
import assert from 'node:assert/strict';
import { isOpossumError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { Query } from '../../core/query.js';
import { group } from './case.js';
import { appended, event, range, refusal, tagged } from './tools.js';

type Outcome = 'enrolled' | 'full' | 'already';

/** Reads, decides, appends under the condition that nothing changed meanwhile, and begins again if something did. */
async function enrol(store: EventStore, student: string, course: string, seats: number): Promise<Outcome> {
  const query: Query = { items: [{ types: ['StudentEnrolled'], tags: [course] }] };
  for (;;) {
    const read = store.read(query);
    const enrolled = await read.toArray();
    if (enrolled.some(({ tags }) => tags.includes(student))) return 'already';
    if (enrolled.length >= seats) return 'full';
    try {
      await store.append(event('StudentEnrolled', [course, student]), { failIfEventsMatch: query, after: await read.head() });
      return 'enrolled';
    } catch (error) {
      if (!isOpossumError(error, 'APPEND_CONDITION_FAILED')) throw error;
    }
  }
}

async function seatsTaken(store: EventStore, course: string): Promise<number> {
  return (await store.read(tagged(course)).toArray()).length;
}

const count = (outcomes: readonly Outcome[], wanted: Outcome): number => outcomes.filter((outcome) => outcome === wanted).length;

export const scenarioGroup = group('scenarios', {
  'independent commands run without conflict': async ({ store }) => {
    const commands = range(1, 20).map((n) => store.append(event('Renamed', [`thing:${n}`]), { failIfEventsMatch: tagged(`thing:${n}`), after: 0 }));
    const results = await Promise.all(commands);
    assert.deepEqual(results.map(({ first }) => first).sort((a, b) => a - b), range(1, 20));
  },

  'one seat left and two students: exactly one gets it': async ({ store }) => {
    const outcomes = await Promise.all([enrol(store, 'student:a', 'course:1', 1), enrol(store, 'student:b', 'course:1', 1)]);
    assert.deepEqual([...outcomes].sort(), ['enrolled', 'full']);
    assert.equal(await seatsTaken(store, 'course:1'), 1);
  },

  'different courses all succeed': async ({ store }) => {
    const outcomes = await Promise.all(range(1, 10).map((n) => enrol(store, 'student:a', `course:${n}`, 1)));
    assert.equal(count(outcomes, 'enrolled'), 10);
    assert.equal(await seatsTaken(store, 'student:a'), 10);
  },

  'the same student twice: once': async ({ store }) => {
    const outcomes = await Promise.all([enrol(store, 'student:a', 'course:1', 10), enrol(store, 'student:a', 'course:1', 10)]);
    assert.deepEqual([...outcomes].sort(), ['already', 'enrolled']);
    assert.equal(await seatsTaken(store, 'course:1'), 1);
  },

  'twenty students for ten seats: exactly ten': async ({ store }) => {
    const outcomes = await Promise.all(range(1, 20).map((n) => enrol(store, `student:${n}`, 'course:1', 10)));
    assert.deepEqual([count(outcomes, 'enrolled'), count(outcomes, 'full')], [10, 10]);
    assert.equal(await seatsTaken(store, 'course:1'), 10);
  },

  'a failed append releases the lock': async ({ store }) => {
    await store.append(event('A'));
    for (const n of range(1, 5)) {
      await refusal(store.append(event('B'), { failIfEventsMatch: 'all' }), 'APPEND_CONDITION_FAILED');
      assert.deepEqual(await store.append(event('C')), appended(n + 1));
    }
  },

  'a stale after is detected': async ({ store }) => {
    await store.append(event('CourseDefined', ['course:1']));
    const mine = store.read(tagged('course:1'));
    const after = await mine.head();
    await store.append(event('CourseRenamed', ['course:1']));
    const { details } = await refusal(store.append(event('CourseClosed', ['course:1']), { failIfEventsMatch: tagged('course:1'), after }), 'APPEND_CONDITION_FAILED');
    assert.deepEqual([details.position, details.type, details.after], [2, 'CourseRenamed', 1]);
  },

  'a conflicting event is detected by failIfEventsMatch': async ({ store }) => {
    const unique = { failIfEventsMatch: tagged('name:algebra') };
    const outcomes = await Promise.allSettled(range(1, 8).map((n) => store.append(event('CourseDefined', [`course:${n}`, 'name:algebra']), unique)));
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isOpossumError(outcome.reason, 'APPEND_CONDITION_FAILED'));
    assert.equal(await seatsTaken(store, 'name:algebra'), 1);
  },
});
