/* Stores to damage: made once on a simulated disk, then copied for each damage. */
import path from 'node:path';
import type { AppendCondition } from '../../src/core/condition.js';
import type { NewEvent, SequencedEvent } from '../../src/core/event.js';
import type { EnginePorts } from '../../src/engine/engine.js';
import { openEngine, type OpenStoreOptions } from '../../src/engine/open-store.js';
import { repairOn, type RepairOptions, type RepairReport } from '../../src/engine/upkeep/repair.js';
import { verifyOn, type VerifyReport } from '../../src/engine/upkeep/verify.js';
import { openLedgerFileReadOnly, headerPoint } from '../../src/ledger/header.js';
import { scanChain } from '../../src/ledger/scan-chain.js';
import { storedBatch } from '../../src/ledger/stored-batch.js';
import type { Scheduler } from '../../src/testing/simulation/scheduler.js';
import { SeededRandom } from '../../src/testing/simulation/seeded-random.js';
import { SimulatedClock } from '../../src/testing/simulation/simulated-clock.js';
import { SimulatedDisk } from '../../src/testing/simulation/simulated-disk.js';
import { SimulatedLocks } from '../../src/testing/simulation/simulated-lock.js';
import { Simulation, type SimulatedProcess } from '../../src/testing/simulation/simulation.js';

export const root = '/data';
export const folder = '/data/default';
export const inFolder = (name: string): string => path.join(folder, name);

/** All files by path. */
export type Files = ReadonlyMap<string, Buffer>;

export type Batch = { readonly events: readonly NewEvent[]; readonly condition?: AppendCondition };

/** Appended with one event of each kind of content, batches and conditions. */
export const someBatches: readonly Batch[] = [
  { events: [{ type: 'Opened', tags: ['a:1'], id: 'e1', data: { seats: 10 } }] },
  {
    events: [
      { type: 'Joined', tags: ['a:1', 'b:é'], id: 'e2', data: null, metadata: { by: 'test' } },
      { type: 'Joined', tags: ['a:1'], id: 'e3', data: ['ünï', 1.5] },
      { type: 'Left', tags: [], id: 'e4', data: 'x' },
    ],
    condition: { failIfEventsMatch: { items: [{ types: ['Closed'] }] }, after: 1 },
  },
  { events: [{ type: 'Closed', tags: ['a:1'], id: 'e5', data: true }], condition: { failIfEventsMatch: 'all', after: 4 } },
];

/** What these tools need of a process. */
export type Process = Pick<SimulatedProcess, 'ports' | 'openStore'>;

/** A disk with these files, and a process on it. */
export async function diskWith(files: Files, seed = 1): Promise<{ simulation: Simulation; process: SimulatedProcess }> {
  const simulation = new Simulation({ seed });
  const process = simulation.start('P');
  await fill(simulation.disk, process, files);
  return { simulation, process };
}

/**
 * The same for one process that never waits: each operation is done at once, so thousands of damages take seconds. Timers
 * that keep no process alive never go off.
 */
export async function quickDiskWith(files: Files): Promise<{ disk: SimulatedDisk; process: Process }> {
  const scheduler = instantScheduler();
  const disk = new SimulatedDisk('posix', scheduler, new SeededRandom(1));
  const actor = { name: 'P', isAlive: true };
  const clock = new SimulatedClock(actor, scheduler);
  const locks = new SimulatedLocks(new SeededRandom(2), 0);
  const ports: EnginePorts = {
    disk: disk.portOf(actor),
    clock,
    random: new SeededRandom(3),
    openLock: (directory) => locks.lockOf(actor, directory, clock),
    engines: new Map(),
    warn: (message) => {
      throw new Error(message);
    },
  };
  const process = { ports, openStore: (options: OpenStoreOptions) => openEngine(options, ports) };
  await fill(disk, process, files);
  return { disk, process };
}

function instantScheduler(): Scheduler {
  const startMs = Date.UTC(2026, 0, 1);
  let nowMs = 0;
  // The mapped type makes the compiler tell when the scheduler learns more.
  const scheduler: { readonly [K in keyof Scheduler]: Scheduler[K] } = {
    get nowMs() {
      return nowMs;
    },
    get wallMs() {
      return startMs + nowMs;
    },
    turn() {
      nowMs += 0.02;
      return Promise.resolve();
    },
    timer(_actor, delayMs, run, keepAlive) {
      if (!keepAlive) return () => undefined;
      const immediate = setImmediate(() => {
        nowMs += delayMs;
        run();
      });
      return () => clearImmediate(immediate);
    },
    advance(durationMs) {
      nowMs += durationMs;
      return Promise.resolve();
    },
    removeDead: () => undefined,
  };
  return scheduler as Scheduler;
}

async function fill(disk: SimulatedDisk, process: Process, files: Files): Promise<void> {
  const made = new Set(['/']);
  const make = async (directory: string): Promise<void> => {
    if (made.has(directory)) return;
    await make(path.dirname(directory));
    await process.ports.disk.makeDirectory(directory);
    await process.ports.disk.syncDirectory(path.dirname(directory));
    made.add(directory);
  };
  for (const [file, bytes] of files) {
    await make(path.dirname(file));
    disk.overwrite(file, bytes);
  }
}

/** The files of a store that was closed after these appends, one after another. */
export async function storeFiles(eventFiles: OpenStoreOptions['eventFiles'] & string, batches = someBatches, seed = 7): Promise<Files> {
  const simulation = new Simulation({ seed });
  const process = simulation.start('P');
  const store = await process.openStore({ directory: root, eventFiles });
  for (const { events, condition } of batches) await store.append(events, condition);
  await store.close();
  return new Map([...simulation.disk.files()].filter(([file]) => !file.includes('ledger.lock')));
}

/** A changed copy: a file with `undefined` is gone. */
export function changed(files: Files, changes: Readonly<Record<string, Buffer | undefined>>): Files {
  const copy = new Map(files);
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes) copy.set(inFolder(name), bytes);
    else for (const file of files.keys()) if (file === inFolder(name) || file.startsWith(`${inFolder(name)}/`)) copy.delete(file);
  }
  return copy;
}

export const verify = (process: Process): Promise<VerifyReport> => verifyOn({ directory: root }, process.ports);
export const repair = (process: Process, options: Partial<RepairOptions> = {}): Promise<RepairReport> => repairOn({ directory: root, ...options }, process.ports);

export async function readAll(process: Process): Promise<SequencedEvent[]> {
  const store = await process.openStore({ directory: root, readOnly: true });
  try {
    return await store.read().toArray();
  } finally {
    await store.close();
  }
}

export type StoredFrame = { readonly first: number; readonly time: number; readonly condition: AppendCondition | undefined; readonly events: readonly SequencedEvent[] };

/** The batches as the ledger has them. */
export async function readFrames(process: Process): Promise<StoredFrame[]> {
  const { file, header } = await openLedgerFileReadOnly(folder, process.ports.disk);
  const frames: StoredFrame[] = [];
  for await (const frame of scanChain(file, header, headerPoint(header), (await file.stat()).size)) {
    const { first, count, time, condition, event } = storedBatch(frame);
    frames.push({ first, time, condition, events: Array.from({ length: count }, (_, i) => event(i)) });
  }
  await file.close();
  return frames;
}

/** Files of the folder, without the lock's. */
export function filesOf(disk: SimulatedDisk): Map<string, Buffer> {
  return new Map([...disk.files()].filter(([file]) => !file.includes('ledger.lock')));
}
