import { z } from 'zod';
import { decide, decisionModel, defineEvent, openStore, tag } from '../../dist/index.js';
import { expectEqual } from '../lib/guards.mjs';
import { median, timeEach } from '../lib/statistics.mjs';

const CourseDefined = defineEvent('CourseDefined', z.object({ course: z.string(), seats: z.int(), title: z.string() }), { tags: ({ course }) => [tag('course', course)] });
const SeatTaken = defineEvent('SeatTaken', z.object({ course: z.string(), student: z.string(), note: z.string() }), {
  tags: ({ course, student }) => [tag('course', course), tag('student', student)],
});

const note = 'n'.repeat(150);
const boundarySize = 20;

/** @param {string} course */
const seatsOf = (course) => decisionModel({ events: [CourseDefined], tags: [tag('course', course)], initial: 0, handlers: { CourseDefined: (_, { data }) => data.seats } });
/** @param {string} course */
const takenIn = (course) => decisionModel({ events: [SeatTaken], tags: [tag('course', course)], initial: 0, handlers: { SeatTaken: (taken) => taken + 1 } });
/** @param {string} student */
const coursesOf = (student) => decisionModel({ events: [SeatTaken], tags: [tag('student', student)], initial: 0, handlers: { SeatTaken: (courses) => courses + 1 } });

/**
 * What `decide` costs over the same read and append made by hand: three models over 20 events, each parsed by its schema.
 * Both in turn, one decision each, so that both meet the same disk.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ fresh, smoke }) {
  const count = smoke ? 20 : 200;
  const warmUp = smoke ? 2 : 100;
  const store = await openStore({ directory: fresh, durability: 'commit' });
  /** @param {string} course */
  const plant = (course) => [
    CourseDefined({ course, seats: 100, title: 'A course like any other' }),
    ...Array.from({ length: boundarySize - 1 }, (_, i) => SeatTaken({ course, student: `${course}-s${i}`, note })),
  ];
  for (let n = 0; n < count; n += 50) await store.append([...Array(50).keys()].flatMap((i) => [...plant(`bare-${n + i}`), ...plant(`decide-${n + i}`)]));

  /** @param {string} course @param {string} student */
  const boundary = (course, student) => ({
    items: [
      { types: ['CourseDefined'], tags: [`course:${course}`] },
      { types: ['SeatTaken'], tags: [`course:${course}`] },
      { types: ['SeatTaken'], tags: [`student:${student}`] },
    ],
  });
  /** @type {number[]} */
  const overheads = [];
  /** @param {number} n */
  const bare = async (n) => {
    const course = `bare-${n}`;
    const query = boundary(course, 'newcomer-b');
    const stream = store.read(query);
    const events = await stream.toArray();
    expectEqual(events.filter(({ tags }) => tags.includes(`course:${course}`)).length, boundarySize, 'events read');
    await store.append({ type: 'SeatTaken', tags: [`course:${course}`, `student:x${n}`], data: { course, student: `x${n}`, note } }, { failIfEventsMatch: query, after: await stream.head() });
  };
  /** @param {number} n */
  const decided = async (n) => {
    const course = `decide-${n}`;
    const models = { seats: seatsOf(course), taken: takenIn(course), mine: coursesOf('newcomer-d') };
    const result = await decide(store, models, ({ seats, taken, mine }) => (taken < seats && mine < 5 ? SeatTaken({ course, student: `x${n}`, note }) : undefined));
    expectEqual(result.state.taken, boundarySize - 1, 'seats taken');
    expectEqual(result.outcome, 'appended', 'outcome');
  };
  /** @type {number[]} */
  const bareTimes = [];
  /** @type {number[]} */
  const decideTimes = [];
  await timeEach(count, async (n) => {
    // Which of the two goes first changes: the second finds warmer caches.
    for (const which of n % 2 === 0 ? [bare, decided] : [decided, bare]) {
      const [ms = NaN] = await timeEach(1, () => which(n));
      if (n >= warmUp) (which === bare ? bareTimes : decideTimes).push(ms);
    }
  });
  for (const [i, ms] of decideTimes.entries()) overheads.push(ms / (bareTimes[i] ?? NaN) - 1);
  await store.close();
  const [bareMs, decideMs] = [median(bareTimes), median(decideTimes)];
  return { values: { overhead: decideMs / bareMs - 1 }, notes: { bareMs, decideMs, medianOfPairs: median(overheads) } };
}
