import { expectEqual, isConditionFailed } from './guards.mjs';
import { enrolment } from './dataset.mjs';

/**
 * How a race went for those who took part: for each of them how long it took until they had a seat, and how often they had
 * to try again.
 * @typedef {{ times: number[], retries: number[], busy: number }} Race
 */

/** @param {string} course */
export const seatsOf = (course) => ({ items: [{ types: ['StudentEnrolled'], tags: [`course:${course}`] }] });

/**
 * All racers of this process want a seat in the same course at the same time. Each reads who is in it, decides, and appends
 * on condition that nobody came since; who lost reads and decides again, at once. Everybody gets a seat in the end.
 * @param {any} store @param {string} course @param {readonly string[]} students @returns {Promise<Race>}
 */
export async function race(store, course, students) {
  /** @type {Race} */
  const result = { times: [], retries: [], busy: 0 };
  await Promise.all(
    students.map(async (student, seat) => {
      const event = enrolment(student, seat);
      event.tags[0] = `course:${course}`;
      const start = performance.now();
      for (let retries = 0; ; retries++) {
        const { events, head } = await store.readForDecision(seatsOf(course));
        expectEqual(events.some((/** @type {any} */ taken) => taken.tags.includes(`student:${student}`)), false, `${student} has a seat already`);
        // A decision waits for something or other: without that, a synchronous rival would know no race within a process.
        await new Promise((resolve) => setImmediate(resolve));
        try {
          await store.append(event, { failIfEventsMatch: seatsOf(course), after: head });
          result.times.push(performance.now() - start);
          result.retries.push(retries);
          return;
        } catch (error) {
          if (/** @type {{ code?: string }} */ (error).code === 'SQLITE_BUSY') result.busy++;
          else if (!isConditionFailed(error)) throw error;
        }
      }
    }),
  );
  return result;
}

/** Exactly these students are in the course, each once. @param {any} store @param {string} course @param {readonly string[]} students */
export async function expectSeats(store, course, students) {
  const taken = (await store.query(seatsOf(course))).map((/** @type {any} */ { tags }) => tags[1].replace('student:', ''));
  expectEqual(taken.sort().join(), [...students].sort().join(), `students in ${course}`);
}

/** @param {readonly Race[]} races @param {number} seconds @param {number} seats */
export function summarise(races, seconds, seats) {
  const retries = races.flatMap((one) => one.retries);
  const conflicts = retries.reduce((sum, count) => sum + count, 0);
  expectEqual(retries.length, seats, 'decisions');
  return { perSecond: seats / seconds, conflictRate: conflicts / (conflicts + seats), retriesEach: conflicts / seats, retriesMost: Math.max(...retries) };
}
