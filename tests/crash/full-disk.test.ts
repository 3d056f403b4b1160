/*
 * goal: a disk that is full for a while, at whatever moment, costs nothing that was acknowledged, and nobody stays stuck.
 * method: random workloads of one to three processes on the simulated disk, which has no room left from one operation to
 *   another, but for a few bytes that tear what is written; then every promise is checked, before and after a power cut.
 */
import fc from 'fast-check';
import { test } from 'vitest';
import { Simulation } from '../../src/testing/simulation/simulation.js';
import { explained, Promises, recoverAndCheck, runAll, type Step } from '../support/crash-world.js';

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('append'), count: fc.integer({ min: 1, max: 3 }), tag: fc.nat(8) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('burst'), appends: fc.integer({ min: 2, max: 4 }), tag: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('decide'), tag: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resend'), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max: 3000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen') }) },
) as fc.Arbitrary<Step>;

const processes = fc.array(fc.array(step, { minLength: 2, maxLength: 6 }), { minLength: 1, maxLength: 3 });
/** From operation `from` on there is room for `room` bytes more, for so many operations. */
const shortage = fc.record({ from: fc.integer({ min: 1, max: 200 }), operations: fc.integer({ min: 1, max: 200 }), room: fc.nat(1500) });

test('random workloads on a disk that is full for a while', async () => {
  await fc.assert(
    fc.asyncProperty(processes, fc.array(shortage, { minLength: 1, maxLength: 2 }), fc.integer(), async (all, shortages, seed) => {
      const simulation = new Simulation({ seed });
      const { disk } = simulation;
      const used = (): number => [...disk.files().values()].reduce((sum, { length }) => sum + length, 0);
      disk.onOperation = ({ number }) => {
        for (const { from, operations, room } of shortages) {
          if (number === from) disk.capacity = used() + room;
          if (number === from + operations) disk.capacity = Infinity;
        }
        return undefined;
      };
      await explained(simulation, `seed ${seed}`, async () => {
        const promises = new Promises();
        await runAll(simulation, all, promises);
        disk.onOperation = () => undefined;
        disk.capacity = Infinity;
        await recoverAndCheck(simulation, promises, 'R');
        simulation.cutPower({ data: 'lost', entries: 'lost' });
        await recoverAndCheck(simulation, promises, 'S');
      });
    }),
    { numRuns: 60 },
  );
});
