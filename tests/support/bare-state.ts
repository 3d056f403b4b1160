import type { Disk } from '../../src/disk/disk.js';
import { FileStateStore } from '../../src/state/file-state-store.js';
import { Simulation, type SimulatedProcess } from '../../src/testing/simulation/simulation.js';
import type { SyncModel } from '../../src/testing/index.js';

/** Where the states are of machines made here. */
export const contextFolder = '/data/default';

/** A simulated machine with an empty folder of a context: no ledger, which states have no need of. */
export async function bareMachine(seed: number, syncModel: SyncModel = 'posix'): Promise<Simulation> {
  const simulation = new Simulation({ seed, syncModel });
  const { disk } = simulation.start('maker').ports;
  await disk.makeDirectory('/data');
  await disk.makeDirectory(contextFolder);
  await disk.syncDirectory('/');
  await disk.syncDirectory('/data');
  return simulation;
}

/** The states of that context as a process sees them, on its own disk unless another is given. */
export function bareState({ ports: { clock, random, openLock, disk } }: SimulatedProcess, other: Disk = disk): FileStateStore {
  return new FileStateStore({ directory: contextFolder, durable: true, readOnly: false, disk: other, clock, random, openLock });
}
