import fc from 'fast-check';
import { World, type Step, type StepKind } from './chain-rule-model.js';

/** How often each step is taken; the simplest first, towards which failures shrink. */
export type Weights = Partial<Record<StepKind, number>>;

export const withoutVanishing: Weights = {
  look: 2, append: 5, commit: 5, decide: 5, write: 6, sync: 4, tear: 2, kill: 1, 'cut power': 3, checkpoint: 1, damage: 1,
};
export const withVanishing = { ...withoutVanishing, 'fail sync': 3, evict: 4 };

function histories(weights: Weights): fc.Arbitrary<readonly Step[]> {
  const kinds = Object.entries(weights).flatMap(([kind, weight]) => Array<StepKind>(weight).fill(kind as StepKind));
  const step = fc.nat(2 ** 31 - 1).map((n): Step => ({ kind: kinds[n % kinds.length]!, process: (n >>> 6) % 3, dice: n >>> 8 }));
  return fc.array(step, { minLength: 1, maxLength: 24, size: 'max' });
}

/** A report of the shortest history that was found in which the ledger contradicts what somebody was told; undefined when there is none. */
export async function findCounterexample(weights: Weights, runs: { numRuns: number; seed?: number }, options: { trustsItsView?: boolean } = {}): Promise<string | undefined> {
  const property = fc.asyncProperty(fc.constantFrom(64, 512), histories(weights), (sector, steps) => new World({ sector, ...options }).run(steps));
  const details = await fc.check(property, { ...runs, includeErrorInReport: true });
  return details.failed ? fc.defaultReportMessage(details) : undefined;
}
