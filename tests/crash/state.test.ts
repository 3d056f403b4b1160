/*
 * Goal: a state whose save resolved is there after any crash, whole, or one that was saved later; a save or removal that was refused never
 * comes alive; and of those who save or remove on the same version one wins, however often a lease is stolen.
 * Method: small workloads on the simulated disk, cut at every change; random races of processes with kills, failing calls and power cuts.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isOpossumError } from '../../src/core/errors.js';
import type { SavedState, StateStore } from '../../src/core/state-store.js';
import type { PowerCut, Survival, SyncModel } from '../../src/testing/index.js';
import { gone, Simulation, type SimulatedProcess } from '../../src/testing/simulation/simulation.js';
import { bareMachine, bareState } from '../support/bare-state.js';
import { explained } from '../support/crash-world.js';

const directory = '/data';
const name = 'a/b';
const big = 'x'.repeat(1500);

async function openState(process: SimulatedProcess): Promise<StateStore> {
  return (await process.openStore({ directory, eventFiles: 'none' })).state;
}

async function machine(seed: number, syncModel: SyncModel, lockTheft = 0): Promise<Simulation> {
  const simulation = new Simulation({ seed, syncModel, lockTheft });
  await (await simulation.start('maker').openStore({ directory, eventFiles: 'none' })).close();
  return simulation;
}

/** A value that says which save it came from; long ones have more than one sector to tear. */
const valueOf = (n: number): { n: number; filler: string } => ({ n, filler: n % 2 ? big : '' });

type Step = 'save' | 'remove' | 'save elsewhere';

/** What may be found after a crash: what was told last, and everything that was tried since. The number of a save, or 0 for nothing. */
class Expectation {
  told = { n: 0, version: 0 };
  tried: number[] = [];

  settle(n: number, version: number): void {
    this.told = { n, version };
    this.tried = [];
  }

  check(found: SavedState | undefined): void {
    const n = (found?.value as { n: number } | undefined)?.n ?? 0;
    expect([this.told.n, ...this.tried]).toContain(n);
    if (found) expect(found.value).toEqual(valueOf(n));
    if (found && n !== 0 && !this.tried.includes(0)) expect(found.version).toBeGreaterThanOrEqual(this.told.version);
  }
}

async function runSteps(state: StateStore, steps: readonly Step[], expectation: Expectation, first = 1): Promise<void> {
  for (const [i, step] of steps.entries()) {
    const n = first + i;
    if (step === 'save elsewhere') await state.save('a', valueOf(n));
    else {
      expectation.tried.push(step === 'save' ? n : 0);
      if (step === 'save') expectation.settle(n, await state.save(name, valueOf(n)));
      else {
        await state.remove(name);
        expectation.settle(0, 0);
      }
    }
  }
}

const workloads: readonly (readonly Step[])[] = [
  ['save', 'save', 'save', 'save'],
  ['save', 'save', 'remove', 'save', 'save', 'remove', 'save'],
  ['save elsewhere', 'save', 'remove', 'save elsewhere', 'remove', 'save'],
];

const cuts: readonly PowerCut[] = [
  { data: 'lost', entries: 'lost' },
  { data: 'lost', entries: 'kept' },
  // By chance, so more than once.
  ...Array.from({ length: 6 }, (): PowerCut => ({ data: 'torn', entries: 'torn' })),
];

/** Runs the workload until the given change of the disk; returns how many changes it has. */
async function runCutAt(simulation: Simulation, steps: readonly Step[], cutAt: number, cut: PowerCut, expectation: Expectation): Promise<number> {
  const process = simulation.start('A');
  const state = bareState(process);
  let changes = 0;
  simulation.disk.onOperation = ({ changes: isChange, path }) => {
    if (isChange && path.includes('/state') && ++changes === cutAt) simulation.cutPower(cut);
    return undefined;
  };
  await process.run(runSteps(state, steps, expectation));
  simulation.disk.onOperation = () => undefined;
  return changes;
}

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs', (syncModel) => {
  test.each(workloads.map((steps) => ({ steps })))('a cut at every change of $steps', async ({ steps }) => {
    const changes = await runCutAt(await bareMachine(1, syncModel), steps, Infinity, cuts[0]!, new Expectation());
    expect(changes).toBeGreaterThan(15);
    for (let cutAt = 1; cutAt <= changes + 1; cutAt++) {
      for (const [i, cut] of cuts.entries()) {
        const simulation = await bareMachine(cutAt * 7 + i, syncModel);
        const expectation = new Expectation();
        await explained(simulation, `cut ${JSON.stringify(cut)} at change ${cutAt} of ${changes}`, async () => {
          await runCutAt(simulation, steps, cutAt, cut, expectation);
          if (cutAt > changes) simulation.cutPower(cut);
          const state = bareState(simulation.start('B'));
          const found = await state.load(name);
          expectation.check(found);
          expect(await state.list('a')).toEqual(found ? [name] : []);
          // What is found is what a save with its version replaces.
          expect(await state.save(name, valueOf(99), { expected: found?.version ?? 0 })).toBeGreaterThan(found?.version ?? 0);
          simulation.cutPower({ data: 'lost', entries: 'lost' });
          expect((await bareState(simulation.start('C')).load(name))?.value).toEqual(valueOf(99));
        });
      }
    }
  });
});

test('a process killed at any change leaves the old value or the new one, and the next save clears up', async () => {
  const files = (simulation: Simulation): string[] => [...simulation.disk.files().keys()].filter((file) => file.includes('@/'));
  for (let killAt = 1, ended = false; !ended; killAt++) {
    const simulation = await bareMachine(killAt, 'posix');
    const expectation = new Expectation();
    const process = simulation.start('A');
    const state = bareState(process);
    let changes = 0;
    simulation.disk.onOperation = ({ changes: isChange, path }) => {
      if (isChange && path.includes('/state') && ++changes === killAt) simulation.kill('A');
      return undefined;
    };
    ended = (await process.run(runSteps(state, ['save', 'save', 'save', 'remove', 'save'], expectation))) !== gone;
    const next = bareState(simulation.start('B'));
    expectation.check(await next.load(name));
    await next.save(name, valueOf(98));
    const version = await next.save(name, valueOf(99));
    expect(files(simulation).sort()).toEqual([version - 1, version].map((one) => `/data/default/state/a/b@/${one}.json`).sort());
    await next.remove(name);
    expect(files(simulation)).toEqual([]);
  }
});

test('a folder that another made anew, and had no time to make last, is made to last', async () => {
  const simulation = await bareMachine(1);
  const state = bareState(simulation.start('A'));
  await state.save(name, valueOf(1));
  await bareState(simulation.start('B')).remove(name);
  await simulation.start('C').ports.disk.makeDirectory('/data/default/state/a/b@');
  await state.save(name, valueOf(2));
  simulation.cutPower({ data: 'lost', entries: 'lost' });
  expect((await bareState(simulation.start('D')).load(name))?.value).toEqual(valueOf(2));
});

const survival = fc.constantFrom<Survival>('lost', 'kept', 'torn');

/** One time from start to power cut in which processes add to a list. */
const life = fc.record({
  adds: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 3 }),
  cutAt: fc.integer({ min: 5, max: 150 }),
  cut: fc.record({ data: survival, entries: survival }),
  kill: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  fault: fc.option(fc.record({ at: fc.integer({ min: 1, max: 60 }), code: fc.constantFrom('EIO', 'ENOSPC', 'EMFILE', 'EACCES'), take: fc.nat(300) }), { nil: undefined }),
  /** Where the disk has no hard links, savers are safe only one after another. */
  useLease: fc.boolean(),
});

type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

/** What became of each try to add its name to the list. */
class Ledger {
  readonly acknowledged: string[] = [];
  readonly refused = new Set<string>();
  #tries = 0;

  async add(state: StateStore): Promise<void> {
    for (;;) {
      const found = await state.load('list').catch(passStorage);
      if (found === 'failed') return;
      const list = (found?.value ?? []) as string[];
      this.check(list);
      const id = `t${++this.#tries}`;
      try {
        const version = await state.save('list', [...list, id], { expected: found?.version ?? 0 });
        expect(version).toBeGreaterThan(found?.version ?? 0);
        this.acknowledged.push(id);
        return;
      } catch (error) {
        if (isOpossumError(error, 'STATE_CONFLICT')) this.refused.add(id);
        else if (!isOpossumError(error, 'STORAGE_FAILED')) throw error;
        else if (error.details['outcome'] === 'not-committed') this.refused.add(id);
      }
    }
  }

  check(list: readonly string[], sees = this.acknowledged.slice(0, 0)): void {
    expect(new Set(list).size).toBe(list.length);
    expect(list.filter((id) => this.refused.has(id))).toEqual([]);
    expect(list).toEqual(expect.arrayContaining([...sees]));
  }
}

function passStorage(error: unknown): 'failed' {
  if (isOpossumError(error, 'STORAGE_FAILED')) return 'failed';
  throw error;
}

async function live(simulation: Simulation, { adds, cutAt, cut, kill, fault, useLease }: Life, ledger: Ledger): Promise<void> {
  const processes = adds.map((_, i) => simulation.start('ABC'[i]!));
  const states = await Promise.all(processes.map(openState));
  let changes = 0;
  let isOn = true;
  simulation.disk.onOperation = ({ changes: isChange, process }) => {
    if (!isChange || !isOn) return undefined;
    changes++;
    if (changes === kill) simulation.kill(process);
    if (changes === cutAt) {
      isOn = false;
      simulation.cutPower(cut);
    }
    return changes === fault?.at ? { code: fault.code, take: fault.take } : undefined;
  };
  const work = async (state: StateStore, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const lease = useLease ? await state.lease('list').catch(passStorage) : undefined;
      if (lease === 'failed') return;
      await ledger.add(state);
      await lease?.release();
    }
  };
  await Promise.all(processes.map((process, i) => process.run(work(states[i]!, adds[i]!))));
  if (isOn) simulation.cutPower(cut);
  simulation.disk.onOperation = () => undefined;
}

describe.each([{ syncModel: 'posix' as const, lockTheft: 0.3 }, { syncModel: 'ext4' as const, lockTheft: 0 }])('processes that add to a list, $syncModel syncs, theft $lockTheft', ({ syncModel, lockTheft }) => {
  test('lose no addition that was acknowledged, and see none that was refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(life, { minLength: 1, maxLength: 3 }), async (seed, lives) => {
        const simulation = await machine(seed, syncModel, lockTheft);
        const ledger = new Ledger();
        await explained(simulation, `seed ${seed}`, async () => {
          for (const one of lives) {
            await live(simulation, one, ledger);
            const found = await (await openState(simulation.start('R'))).load('list');
            ledger.check((found?.value ?? []) as string[], ledger.acknowledged);
            simulation.cutPower({ data: 'kept', entries: 'kept' });
          }
        });
      }),
      { numRuns: 40 },
    );
  });
});

test('of several who save or remove on the same version one wins, and numbers that begin anew let nobody win twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.array(fc.array(fc.constantFrom('save', 'remove'), { minLength: 3, maxLength: 8 }), { minLength: 2, maxLength: 4 }), async (seed, processes) => {
      const simulation = await bareMachine(seed);
      const states = processes.map((_, i) => bareState(simulation.start(`P${i}`)));
      let made = 0;
      const work = async (state: StateStore, steps: readonly string[]): Promise<void> => {
        for (const step of steps) {
          const expected = (await state.load(name))?.version ?? 0;
          try {
            if (step === 'save') await state.save(name, 1, { expected });
            const removed = step === 'remove' && (await state.remove(name, { expected }));
            if (step === 'save' && expected === 0) made++;
            if (removed) made--;
          } catch (error) {
            if (!isOpossumError(error, 'STATE_CONFLICT')) throw error;
          }
        }
      };
      await explained(simulation, `seed ${seed}`, async () => {
        await Promise.all(states.map((state, i) => work(state, processes[i]!)));
        expect(made).toBe((await states[0]!.load(name)) === undefined ? 0 : 1);
      });
    }),
    { numRuns: 100 },
  );
});
