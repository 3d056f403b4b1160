/* The eight classic scenarios of concurrent commands, each command in a process of its own. */
import { describe, expect, test } from 'vitest';
import { openStore } from '../../dist/index.js';
import type { AppendCondition, EventStore, Query } from '../../dist/index.js';
import { freshFolder } from '../support/folder.js';
import { runWorkers } from '../support/workers.js';

type Outcomes = { enrolled: string[]; full: string[]; already: string[]; conflicts: number };

const enrolmentsOf = (course: string): Query => ({ items: [{ types: ['Enrolled'], tags: [`course:${course}`] }] });
const enrolled = (course: string, student: string): { type: string; tags: string[]; data: null } => ({
  type: 'Enrolled',
  tags: [`course:${course}`, `student:${student}`],
  data: null,
});

async function onStore<T>(directory: string, use: (store: EventStore) => Promise<T>): Promise<T> {
  const store = await openStore({ directory });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

const countEnrolled = (directory: string, course: string): Promise<number> =>
  onStore(directory, async (store) => (await store.read(enrolmentsOf(course)).toArray()).length);

const sum = (outcomes: readonly Outcomes[], what: 'enrolled' | 'full' | 'already'): number =>
  outcomes.reduce((total, outcome) => total + outcome[what].length, 0);

describe('with several processes', () => {
  test('independent commands run without conflict', async () => {
    const directory = freshFolder();
    const jobs = ['a', 'b', 'c'].map((course) => ({ job: 'enrol', directory, course, seats: 100, students: Array.from({ length: 20 }, (_, i) => `${course}${i}`) }));
    const outcomes = await runWorkers<Outcomes>(jobs);
    expect(outcomes.map(({ conflicts }) => conflicts)).toEqual([0, 0, 0]);
    expect(sum(outcomes, 'enrolled')).toBe(60);
  });

  test('one seat left and two students: exactly one gets it', async () => {
    const directory = freshFolder();
    await onStore(directory, (store) => store.append(Array.from({ length: 9 }, (_, i) => enrolled('c', `s${i}`))));
    const outcomes = await runWorkers<Outcomes>(['x', 'y'].map((student) => ({ job: 'enrol', directory, course: 'c', seats: 10, students: [student] })));
    expect([sum(outcomes, 'enrolled'), sum(outcomes, 'full')]).toEqual([1, 1]);
    expect(await countEnrolled(directory, 'c')).toBe(10);
  });

  test('different courses: all succeed', async () => {
    const directory = freshFolder();
    const outcomes = await runWorkers<Outcomes>(['a', 'b', 'c', 'd'].map((course) => ({ job: 'enrol', directory, course, seats: 1, students: ['s'] })));
    expect(sum(outcomes, 'enrolled')).toBe(4);
  });

  test('the same student twice: enrolled once', async () => {
    const directory = freshFolder();
    const outcomes = await runWorkers<Outcomes>([1, 2, 3].map(() => ({ job: 'enrol', directory, course: 'c', seats: 10, students: ['s'] })));
    expect([sum(outcomes, 'enrolled'), sum(outcomes, 'already')]).toEqual([1, 2]);
    expect(await countEnrolled(directory, 'c')).toBe(1);
  });

  test('twenty students for ten seats: exactly ten', async () => {
    const directory = freshFolder();
    const outcomes = await runWorkers<Outcomes>(
      [0, 1, 2, 3].map((p) => ({ job: 'enrol', directory, course: 'c', seats: 10, students: Array.from({ length: 5 }, (_, i) => `s${p * 5 + i}`) })),
    );
    expect([sum(outcomes, 'enrolled'), sum(outcomes, 'full')]).toEqual([10, 10]);
    expect(await countEnrolled(directory, 'c')).toBe(10);
  });

  const appendIf = (directory: string, event: object, condition: AppendCondition): object => ({ job: 'appendIf', directory, event, condition });

  test('a failed append releases the lock', async () => {
    const directory = freshFolder();
    await onStore(directory, async (store) => {
      await store.append(enrolled('c', 's'));
      await expect(store.append(enrolled('c', 't'), { failIfEventsMatch: 'all' })).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED' });
      const [answer] = await runWorkers([{ ...appendIf(directory, enrolled('c', 't'), { failIfEventsMatch: 'all', after: 1 }), job: 'appendIf', store: { lockTimeout: 1000 } }]);
      expect(answer).toEqual({ first: 2, last: 2, duplicate: false });
    });
  });

  test('a stale "after" is detected', async () => {
    const directory = freshFolder();
    await onStore(directory, async (store) => {
      await store.append(enrolled('c', 's'));
      const stale = await store.head();
      await runWorkers([{ job: 'enrol', directory, course: 'c', seats: 10, students: ['t'] }]);
      await expect(store.append(enrolled('c', 'u'), { failIfEventsMatch: enrolmentsOf('c'), after: stale })).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED', position: 2 });
    });
  });

  test('a conflicting event is detected by failIfEventsMatch', async () => {
    const directory = freshFolder();
    const answers = await runWorkers<{ code?: string; position?: number; first?: number }>(
      ['x', 'y', 'z'].map((student) => ({ ...appendIf(directory, enrolled('c', student), { failIfEventsMatch: enrolmentsOf('c') }), job: 'appendIf' })),
    );
    expect(answers.filter(({ first }) => first === 1)).toHaveLength(1);
    expect(answers.filter(({ code }) => code !== undefined)).toEqual(Array(2).fill({ code: 'APPEND_CONDITION_FAILED', position: 1 }));
  });
});
