/*
 * Goal: no single moment of a small workload, or of the recovery from it, is one at which a power cut breaks a promise.
 * Method: the workload runs once to count the changes of the disk, then once for each of them and each thing that the cut
 * may leave; the recovery is cut at each of its changes in turn.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SyncModel } from '../../src/testing/index.js';
import type { Simulation } from '../../src/testing/simulation/simulation.js';
import { explained, recoverAndCheck, runAll, type Promises, type Step } from '../support/crash-world.js';
import { cutEverywhere, cuts, prepared, runTo, type Workload } from '../support/every-cut.js';

const append: Step = { do: 'append', count: 2, tag: 4 };

const workloads: readonly Workload[] = [
  { name: 'a new store and its first event', before: [], processes: [[append]] },
  { name: 'one append and a close', before: [append], processes: [[append]] },
  { name: 'a group of appends', before: [append], processes: [[{ do: 'burst', appends: 3, tag: 2 }]] },
  { name: 'a decision', before: [append], processes: [[{ do: 'decide', tag: 1 }]] },
  { name: 'two processes appending', before: [append], processes: [[append], [{ do: 'append', count: 1, tag: 1 }]] },
  { name: 'a retry after a lost answer', before: [append], processes: [[{ do: 'resend', which: 0 }, append]] },
];

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs a cut at every change of', (syncModel) => {
  test.each(workloads)('$name', async (workload) => {
    expect(await cutEverywhere(workload, syncModel, cuts)).toBeGreaterThan(3);
  });

  test('the recovery from a cut, at which recovering again ends the same', async () => {
    const workload = workloads[2]!;
    const recovery: readonly Step[] = [{ do: 'read' }, append];
    const crash = async (cutAt: number): Promise<{ simulation: Simulation; promises: Promises }> => {
      const { simulation, promises } = await prepared(workload, syncModel, cutAt);
      await runTo(simulation, cutAt, { data: 'torn', entries: 'torn' }, () => runAll(simulation, workload.processes, promises));
      return { simulation, promises };
    };
    for (const cutAt of [1, 2, 3, 4]) {
      const probe = await crash(cutAt);
      const changes = await runTo(probe.simulation, Infinity, cuts[0]!, () => runAll(probe.simulation, [recovery], probe.promises));
      for (let again = 1; again <= changes; again++) {
        const { simulation, promises } = await crash(cutAt);
        await explained(simulation, `cut at change ${cutAt}, then at change ${again} of the recovery`, async () => {
          await runTo(simulation, again, { data: 'torn', entries: 'torn' }, () => runAll(simulation, [recovery], promises));
          simulation.cutPower({ data: 'lost', entries: 'lost' });
          await recoverAndCheck(simulation, promises, 'R');
        });
      }
    }
  });
});

// With all kinds of cuts, and smaller blocks: sealed-blocks.test.ts.
test('a cut at every change of sealing a block of the index', async () => {
  const filling: Workload = {
    name: 'sealing',
    eventFiles: 'none',
    before: [{ do: 'append', count: 4095, tag: 0 }],
    processes: [[{ do: 'append', count: 2, tag: 0 }]],
  };
  expect(await cutEverywhere(filling, 'posix', [{ data: 'torn', entries: 'kept' }, { data: 'lost', entries: 'torn' }])).toBeGreaterThan(5);
});

test('a simulation repeats its seed to the byte', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const [a, b] = await Promise.all(
        [1, 2].map(async () => {
          const { simulation, promises } = await prepared(workloads[4]!, 'posix', seed);
          await runAll(simulation, workloads[4]!.processes, promises);
          simulation.cutPower();
          return { trace: simulation.disk.trace, files: simulation.disk.files() };
        }),
      );
      expect(a).toEqual(b);
    }),
    { numRuns: 20 },
  );
});
