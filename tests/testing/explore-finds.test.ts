/*
 * goal: the explorer finds the mistakes that people make, for every seed and within a default run, and shows them small.
 * method: nine wrong handlers and some right ones, each explored from several seeds; how many runs it took is bounded, and the processor's time.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explore, RaceFoundError, type ExploreOptions } from '../../src/testing/index.js';
import { almostFull, broken, rightHandlers, wrongHandlers, type Enrol, type Handler } from './enrolment.js';

const commands = fc.constantFrom('s1', 's2', 's3', 's4').map((student): Enrol => ({ student, request: `request of ${student}` }));

const seatsFree = (free: number) => almostFull.slice(0, almostFull.length + 1 - free);

const setUp = (act: Handler, seed: number): ExploreOptions<Enrol, string> => ({
  given: fc.constantFrom(1, 2, 9).map(seatsFree),
  commands,
  act,
  invariant: (history) => broken(history),
  seed,
  label: ({ student }) => `enrol ${student}`,
});

const seeds = [1, 2, 3, 42, -7, 123_456_789];

describe.each(Object.entries(wrongHandlers))('%s', (_, act) => {
  test('is found, and shown with two commands', async () => {
    const runs: number[] = [];
    const before = process.cpuUsage();
    for (const seed of seeds) {
      const error: unknown = await explore(setUp(act, seed)).catch((thrown: unknown) => thrown);
      if (!(error instanceof RaceFoundError)) throw new Error(`seed ${seed}: nothing found`, { cause: error });
      expect(error.commands, error.message).toHaveLength(2);
      expect(error.message).toContain('✗');
      runs.push(error.runs);
    }
    const { user, system } = process.cpuUsage(before);
    const eachMs = (user + system) / 1000 / seeds.length;
    console.log(`runs until found: ${runs.join(', ')}; ${Math.round(eachMs)} ms of the processor each, with shrinking`);
    expect(eachMs).toBeLessThan(2000);
    // A default run tries 1,000.
    expect(Math.max(...runs)).toBeLessThan(300);
  });
});

describe.each(Object.entries(rightHandlers))('a handler that %s', (_, act) => {
  test('passes', async () => {
    for (const seed of seeds.slice(0, 2)) expect(await explore({ ...setUp(act, seed), runs: 300, timeLimitMs: 20_000 })).toEqual({ runs: 300, seed });
  });
});
