/* Runs a workload on the simulated disk with a power cut at each of its changes. */
import type { PowerCut, SyncModel } from '../../src/testing/index.js';
import { Simulation } from '../../src/testing/simulation/simulation.js';
import { explained, Promises, recoverAndCheck, runAll, type Step } from './crash-world.js';

export type Workload = { readonly name: string; readonly before: readonly Step[]; readonly processes: readonly (readonly Step[])[]; readonly eventFiles?: 'none' };

export const cuts: readonly PowerCut[] = [
  { data: 'lost', entries: 'lost' },
  { data: 'kept', entries: 'lost' },
  { data: 'lost', entries: 'kept' },
  { data: 'torn', entries: 'torn' },
  { data: 'torn', entries: 'kept' },
];

/** Runs until the given change of the disk; returns how many changes there were. */
export async function runTo(simulation: Simulation, cutAt: number, cut: PowerCut, work: () => Promise<unknown>): Promise<number> {
  let changes = 0;
  simulation.disk.onOperation = ({ changes: isChange }) => {
    if (isChange && ++changes === cutAt) simulation.cutPower(cut);
    return undefined;
  };
  await work();
  simulation.disk.onOperation = () => undefined;
  return changes;
}

export async function prepared(workload: Workload, syncModel: SyncModel, seed: number): Promise<{ simulation: Simulation; promises: Promises }> {
  const simulation = new Simulation({ seed, syncModel });
  const promises = new Promises(workload.eventFiles);
  await runAll(simulation, workload.before.length > 0 ? [workload.before] : [], promises);
  return { simulation, promises };
}

/** Runs the workload with each cut at each of its changes, and checks what is left. Returns how many changes it has. */
export async function cutEverywhere(workload: Workload, syncModel: SyncModel, chosen: readonly PowerCut[]): Promise<number> {
  const first = await prepared(workload, syncModel, 1);
  const changes = await runTo(first.simulation, Infinity, cuts[0]!, () => runAll(first.simulation, workload.processes, first.promises));
  for (let cutAt = 1; cutAt <= changes; cutAt++) {
    for (const [i, cut] of chosen.entries()) {
      const { simulation, promises } = await prepared(workload, syncModel, i + 1);
      await explained(simulation, `cut ${JSON.stringify(cut)} at change ${cutAt} of ${changes}, seed ${simulation.seed}`, async () => {
        await runTo(simulation, cutAt, cut, () => runAll(simulation, workload.processes, promises));
        simulation.cutPower(cut);
        await recoverAndCheck(simulation, promises, 'R');
      });
    }
  }
  return changes;
}
