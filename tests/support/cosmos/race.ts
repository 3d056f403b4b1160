/* Twenty students race for ten places of a course, over five clients as five processes would have them. */
import type { openCosmosStore } from '../../../src/cosmos/index.js';
import type { EventStore } from '../../../src/core/event-store.js';
import { decide } from '../../../src/modelling/decide.js';
import { reject } from '../../../src/modelling/decision.js';
import { SeededRandom } from '../../../src/testing/simulation/seeded-random.js';
import { SeatTaken, takenIn } from '../courses.js';
import type { ClientOptions, StrictServer } from './strict-server.js';
import { Weather } from './weather.js';

const places = 10;
const students = 20;
const instances = 5;

export type RaceOptions = {
  readonly server: StrictServer;
  readonly seed: number;
  readonly weather?: Weather;
  readonly client?: ClientOptions;
  readonly open: typeof openCosmosStore;
  /** True when absent. */
  readonly hasUniqueKey?: boolean;
  readonly maxAttempts?: number;
};

/** Resolves to what went wrong: nothing, when the rule held, everyone got the right answer, and the stored events are in order. */
export async function race({ server, seed, weather = new Weather(), client = {}, open, hasUniqueKey = true, maxAttempts = 40 }: RaceOptions): Promise<string[]> {
  const random = new SeededRandom(seed);
  const container = await server.container({ hasUniqueKey });
  const retry = { maxAttempts, baseDelayMs: 1, maxDelayMs: 8 };
  const stores: EventStore[] = [];
  for (let i = 0; i < instances; i++) {
    const mine = server.sharedClient(i, client).database(container.database.id).container(container.id);
    const fork = random.fork();
    stores.push(await open({ container: mine, retry, random: () => fork.next() }));
  }
  server.weather = weather;
  try {
    const outcomes = await enrolAll(stores, random);
    const documents = server.documents(container);
    const events = documents.filter(({ kind }) => kind === 'event') as unknown as Taken[];
    return problemsOf(outcomes, events, Number(documents.find(({ kind }) => kind === 'ledger')?.head));
  } finally {
    server.weather = new Weather();
    for (const store of stores) await store.close();
    await container.delete();
  }
}

/** The race itself, over stores of any kind; how each student's call ended. */
export function enrolAll(stores: readonly EventStore[], random: SeededRandom): Promise<PromiseSettledResult<string>[]> {
  const enrol = async (n: number): Promise<string> => {
    const own = random.fork();
    const options = { maxAttempts: 100, baseDelayMs: 1, maxDelayMs: 5, random: () => own.next() };
    const store = stores[n % stores.length]!;
    const result = await decide(store, { taken: takenIn('c1') }, ({ taken }) => (taken < places ? SeatTaken({ courseId: 'c1', studentId: `s${n}` }) : reject('full')), options);
    return result.outcome;
  };
  return Promise.allSettled(Array.from({ length: students }, (_, n) => enrol(n)));
}

type Taken = { readonly position: number; readonly data: unknown };

/** What is wrong with what is stored, or with what was told of it. */
export function problemsOf(outcomes: readonly PromiseSettledResult<string>[], stored: readonly Taken[], head: number): string[] {
  const told = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason)));
  const events = [...stored].sort((a, b) => a.position - b.position);
  const takers = events.map(({ data }) => (data as { studentId: string }).studentId).sort();
  const winners = told.flatMap((outcome, n) => (outcome === 'appended' ? [`s${n}`] : [])).sort();
  return [
    ...(events.length === places ? [] : [`${events.length} places were taken`]),
    ...(new Set(takers).size === takers.length ? [] : ['somebody took two places']),
    ...(winners.join() === takers.join() ? [] : [`told ${winners.join()}, stored ${takers.join()}`]),
    ...(events.every(({ position }, i) => position === i + 1) && head === events.length ? [] : ['positions have gaps']),
    ...told.filter((outcome) => outcome !== 'appended' && outcome !== 'rejected'),
  ];
}
