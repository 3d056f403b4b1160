/*
 * What the lane for a real account (tests/cosmos/azure.test.ts) does beside the conformance suite: the race over two clients, and
 * what operations are charged. tests/cosmos/race.test.ts runs the same against the strict server.
 */
import type { Container } from '@azure/cosmos';
import { randomUUID } from 'node:crypto';
import { openCosmosStore } from '../../../src/cosmos/index.js';
import type { NewEvent } from '../../../src/index.js';
import { SeededRandom } from '../../../src/testing/simulation/seeded-random.js';
import { enrolAll, problemsOf } from './race.js';

/** Sums what the service charges, and how many answers said so. What the SDK tries again by itself is not seen. */
class Charges {
  units = 0;
  answers = 0;

  add(answer: unknown): void {
    const charge = (answer as { headers?: Record<string, unknown> } | undefined)?.headers?.['x-ms-request-charge'];
    if (charge === undefined) return;
    this.units += Number(charge);
    this.answers++;
  }
}

export type ChargedOperation = { readonly what: string; readonly answers: number; readonly units: number };

/** The same container (or what it hands out for requests), with its answers counted. */
function counted<T extends object>(target: T, charges: Charges): T {
  return new Proxy(target, {
    get(_, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (name === 'items') return counted(value as object, charges);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const result = Reflect.apply(value, target, args) as unknown;
        if (result instanceof Promise) return noted(result, charges);
        return typeof result === 'object' && result !== null ? counted(result, charges) : result;
      };
    },
  });
}

/** An error has the headers of the answer that it stands for. */
async function noted(answer: Promise<unknown>, charges: Charges): Promise<unknown> {
  const result = await answer.catch((error: unknown) => {
    charges.add(error);
    throw error;
  });
  charges.add(result);
  return result;
}

/** The race over one store for each container. Resolves to what went wrong, and what it was charged. */
export async function accountRace(containers: readonly Container[]): Promise<{ problems: string[]; charged: ChargedOperation }> {
  const charges = new Charges();
  const context = `race-${randomUUID()}`;
  const stores = await Promise.all(containers.map((container) => openCosmosStore({ container: counted(container, charges), context })));
  try {
    let outcomes: Awaited<ReturnType<typeof enrolAll>> = [];
    const race = async (): Promise<void> => void (outcomes = await enrolAll(stores, new SeededRandom(1)));
    const charged = await measure(charges, `the race for ten places over ${stores.length} clients`, race);
    // A store never shows less than it has seen: the one that has seen most has the last event.
    const heads = await Promise.all(stores.map((store) => store.head()));
    const head = Math.max(...heads);
    const events = await stores[heads.indexOf(head)]!.read().toArray();
    return { problems: problemsOf(outcomes, events, head), charged };
  } finally {
    for (const store of stores) await store.close();
  }
}

/** The operations of the table "Cost" in docs/cosmos.md, with events whose data is a text of 1,000 letters. */
export async function chargedOperations(container: Container): Promise<ChargedOperation[]> {
  const charges = new Charges();
  const store = await openCosmosStore({ container: counted(container, charges), context: `cost-${randomUUID()}` });
  const events = (count: number): NewEvent[] => Array.from({ length: count }, () => ({ type: 'Measured', tags: ['a:1', 'b:2'], data: 'x'.repeat(1000) }));
  const missing = { items: [{ tags: ['none'] }] };
  const operations: [what: string, run: () => Promise<unknown>][] = [
    ['first append', () => store.append(events(1))],
    ['append without condition', () => store.append(events(1))],
    ['append with the newest head as after', () => store.append(events(1), { failIfEventsMatch: missing, after: 2 })],
    ['append with a condition that must be asked', () => store.append(events(1), { failIfEventsMatch: missing })],
    ['append of 99 events', () => store.append(events(99))],
    ['head', () => store.head()],
    ['read of 100 events', () => store.read('all', { limit: 100 }).toArray()],
  ];
  try {
    const charged: ChargedOperation[] = [];
    for (const [what, run] of operations) charged.push(await measure(charges, what, run));
    return charged;
  } finally {
    await store.close();
  }
}

async function measure(charges: Charges, what: string, run: () => Promise<unknown>): Promise<ChargedOperation> {
  const { answers, units } = charges;
  await run();
  return { what, answers: charges.answers - answers, units: charges.units - units };
}
