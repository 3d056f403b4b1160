/* Random lives of a machine: what its processes do from one start to the next power cut, and what goes wrong meanwhile. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Survival, SyncModel } from '../../src/testing/index.js';
import { Simulation } from '../../src/testing/simulation/simulation.js';
import { explained, Promises, recoverAndCheck, runAll, type Step } from './crash-world.js';

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append'), count: fc.integer({ min: 1, max: 3 }), tag: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('burst'), appends: fc.integer({ min: 2, max: 4 }), tag: fc.nat(8) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('decide'), tag: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resend'), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('peek') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max: 3000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen') }) },
) as fc.Arbitrary<Step>;

const survival = fc.constantFrom<Survival>('lost', 'kept', 'torn');
const syncModel = fc.constantFrom<SyncModel>('posix', 'ext4');

/** What happens from one start of the machine to the next. */
const life = fc.record({
  processes: fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 }),
  /** The power goes at this change of the disk; after the last step when there are fewer. */
  cutAt: fc.integer({ min: 1, max: 120 }),
  cut: fc.record({ data: survival, entries: survival }),
  /** One operation that changes the disk fails. */
  fault: fc.option(
    fc.record({ at: fc.integer({ min: 1, max: 60 }), code: fc.constantFrom('ENOSPC', 'EIO', 'EMFILE', 'EACCES', 'short'), take: fc.nat(400) }),
    { nil: undefined, freq: 2 },
  ),
  /** A process is killed at this change of the disk. */
  kill: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined, freq: 2 }),
});

type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

async function live(simulation: Simulation, { processes, cutAt, cut, fault, kill }: Life, promises: Promises): Promise<void> {
  let changes = 0;
  let isOn = true;
  /** Who is killed in the moment between a failed sync and the mark of it cannot tell anybody (docs/decisions/007-readers-mend.md). */
  let mayBeKilled = true;
  simulation.disk.onOperation = ({ changes: isChange, process, kind }) => {
    if (!isChange || !isOn) return undefined;
    changes++;
    if (changes === kill && mayBeKilled) simulation.kill(process);
    if (changes === cutAt) {
      isOn = false;
      simulation.cutPower(cut);
    }
    if (changes !== fault?.at) return undefined;
    if (kind === 'sync') mayBeKilled = false;
    return fault.code === 'short' ? { shortWrite: fault.take } : { code: fault.code, take: fault.take };
  };
  await runAll(simulation, processes, promises);
  if (isOn) simulation.cutPower(cut);
  simulation.disk.onOperation = () => undefined;
}

type Runs = {
  readonly numRuns: number;
  readonly seed?: number;
  /** Events that are stored before the first life. */
  readonly before?: number;
  /** Called with what is left after each history. */
  readonly look?: (simulation: Simulation) => void;
};

/** Runs so many random histories, each on a machine of its own, and checks every promise after each. */
export function checkRandomLives({ before = 0, look, ...runs }: Runs): Promise<void> {
  const lives = fc.array(life, { minLength: 1, maxLength: 3 });
  const property = fc.asyncProperty(lives, syncModel, fc.constantFrom(0, 0.3), fc.integer(), async (all, model, lockTheft, seed) => {
    const simulation = new Simulation({ seed, syncModel: model, lockTheft });
    await explained(simulation, `seed ${seed}`, async () => {
      const promises = new Promises();
      if (before > 0) await runAll(simulation, [[{ do: 'append', count: before, tag: 0 }]], promises);
      for (const one of all) await live(simulation, one, promises);
      const once = await recoverAndCheck(simulation, promises, 'R');
      simulation.cutPower({ data: 'lost', entries: 'lost' });
      const twice = await recoverAndCheck(simulation, promises, 'S');
      expect(twice.slice(0, -1)).toEqual(once);
      look?.(simulation);
    });
  });
  return fc.assert(property, runs);
}
