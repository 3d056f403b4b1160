/*
 * goal: however decisions race, a rule that they decide on is never broken, and everyone gets an answer.
 * method: 20 racers for 10 seats of a course, all at once, with random delays between reading and appending (fast-check), on each
 * kind of store. A racer can lose only to a seat taken meanwhile, so 11 attempts must be enough for everyone.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, reject } from '../../src/index.js';
import { CourseDefined, freshStores, SeatTaken, seatsOf, takenIn } from '../support/courses.js';

const seats = 10;
const racers = 20;

describe.each(freshStores)('20 racers for 10 seats on the %s store', (_, open) => {
  test('take each seat once, and are all answered', async () => {
    let conflicts = 0;
    const turns = fc.array(fc.nat({ max: 5 }), { minLength: racers, maxLength: racers });
    await fc.assert(
      fc.asyncProperty(turns, async (delays) => {
        const store = await open();
        await store.append(CourseDefined({ courseId: 'c1', seats }));
        const enrol = (racer: number) =>
          decide(
            store,
            { seats: seatsOf('c1'), taken: takenIn('c1') },
            async (state) => {
              for (let turn = 0; turn < delays[racer]!; turn++) await new Promise(setImmediate);
              return state.taken < state.seats ? SeatTaken({ courseId: 'c1', studentId: `s${racer}` }) : reject('full');
            },
            { maxAttempts: seats + 1, maxDelayMs: 2 },
          );
        const results = await Promise.all(Array.from({ length: racers }, (_, racer) => enrol(racer)));

        const stored = (await store.read().toArray()).filter(SeatTaken.is);
        const winners = results.flatMap((result, racer) => (result.outcome === 'appended' ? [{ position: result.first, student: `s${racer}` }] : []));
        expect(winners).toHaveLength(seats);
        expect(winners.sort((a, b) => a.position - b.position)).toEqual(stored.map(({ position, data }) => ({ position, student: data.studentId })));
        expect(results.filter(({ outcome }) => outcome === 'rejected')).toHaveLength(racers - seats);
        conflicts += results.reduce((sum, { attempts }) => sum + attempts - 1, 0);
        await store.close();
      }),
      { numRuns: 20 },
    );
    // Else they did not race.
    expect(conflicts).toBeGreaterThan(20);
  });
});
