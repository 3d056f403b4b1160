/* What is built on EventStore alone works on Cosmos DB as it is: one case each; what they do in full is tested on memory and files. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createStateContainer, openCosmosStore } from '../../src/cosmos/index.js';
import { decide, isOpossumError, openProjection, projection, reject, repository, type EventStore, type SequencedEvent } from '../../src/index.js';
import { cloudDocumentDatabase, explore, RaceFoundError, scenario, withFaults } from '../../src/testing/index.js';
import { CourseDefined, SeatTaken, seatsOf, takenIn } from '../support/courses.js';
import { StrictServer } from '../support/cosmos/strict-server.js';

const hurry = { poll: { minMs: 5, maxMs: 20 }, retry: { baseDelayMs: 1, maxDelayMs: 4 } };

let server: StrictServer;
const closing: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  server = await StrictServer.start();
});
afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});
afterAll(() => server.stop());

/** An empty store that who gets it closes. */
const openEmpty = async (): Promise<EventStore> => openCosmosStore({ container: await server.container(), ...hurry });

/** Two stores on the same events, over two clients, as two processes have them. */
async function openPair(): Promise<[EventStore, EventStore]> {
  const { database, id } = await server.container();
  await createStateContainer(database, `${id}-state`);
  const open = async (client: number): Promise<EventStore> => {
    const own = server.sharedClient(client).database(database.id);
    const store = await openCosmosStore({ container: own.container(id), stateContainer: own.container(`${id}-state`), ...hurry });
    closing.push(store);
    return store;
  };
  return [await open(0), await open(1)];
}

type Enrol = { readonly courseId: string; readonly studentId: string };

const enrol = (store: EventStore, { courseId, studentId }: Enrol) =>
  decide(
    store,
    { seats: seatsOf(courseId), taken: takenIn(courseId) },
    ({ seats, taken }) => (taken < seats ? SeatTaken({ courseId, studentId }, { id: `${courseId}-${studentId}` }) : reject('full')),
    { maxAttempts: 100, baseDelayMs: 1, maxDelayMs: 4 },
  );

const course = CourseDefined({ courseId: 'c1', seats: 2 });
const students = (count: number): Enrol[] => Array.from({ length: count }, (_, n) => ({ courseId: 'c1', studentId: `s${n}` }));

test('openProjection shows what another process appended, and goes on from what it saved', async () => {
  const [writer, reader] = await openPair();
  let applied = 0;
  const courses = projection({
    name: 'courses',
    events: [CourseDefined, SeatTaken],
    key: ({ data }) => data.courseId,
    initial: { seats: 0, taken: 0 },
    evolve: (state, event) => {
      applied++;
      return event.type === 'CourseDefined' ? { ...state, seats: event.data.seats } : { ...state, taken: state.taken + 1 };
    },
    index: ({ seats, taken }) => ({ isFull: taken === seats }),
  });
  const { last } = await writer.append([course, CourseDefined({ courseId: 'c2', seats: 1 }), SeatTaken({ courseId: 'c2', studentId: 's1' })]);
  const view = await openProjection(reader, courses);
  closing.push(view);
  await view.waitFor(last);
  expect(await view.get('c1')).toEqual({ seats: 2, taken: 0 });
  expect(await view.find('isFull', true)).toEqual([['c2', { seats: 1, taken: 1 }]]);
  await view.close();

  const again = await openProjection(writer, courses);
  closing.push(again);
  await again.waitFor((await writer.append(SeatTaken({ courseId: 'c1', studentId: 's2' }))).last);
  expect(await again.get('c1')).toEqual({ seats: 2, taken: 1 });
  expect(applied).toBe(4);
});

test('explore finds the race of a careless handler, and none in a careful one', async () => {
  const careless = async (store: EventStore, command: Enrol): Promise<void> => {
    const taken = await store.read({ items: [{ types: ['SeatTaken'] }] }).toArray();
    if (taken.length < 1) await store.append(SeatTaken(command));
  };
  const taken = (history: readonly SequencedEvent[]): number => history.filter(SeatTaken.is).length;
  const container = await server.container();
  let opened = 0;
  const store = () => openCosmosStore({ container, context: `run-${++opened}`, ...hurry });
  const options = { store, given: [CourseDefined({ courseId: 'c1', seats: 1 })], commands: students(2), runs: 5, timeLimitMs: 60_000, seed: 1 };
  const invariant = (history: readonly SequencedEvent[]): boolean => taken(history) === 1;
  expect((await explore({ ...options, act: enrol, invariant })).runs).toBeGreaterThan(0);
  await expect(explore({ ...options, act: careless, invariant })).rejects.toThrow(RaceFoundError);
});

test('withFaults around it takes nobody a place, and gives nobody two', async () => {
  const stores = await openPair();
  await stores[0].append(course);
  const untilAnswered = async (command: Enrol, seed: number): Promise<unknown> => {
    const store = withFaults(stores[seed % 2]!, { ...cloudDocumentDatabase, seed, latencyMs: 2, retryAfterMs: 1 });
    for (;;) {
      try {
        return (await enrol(store, command)).outcome;
      } catch (error) {
        if (!isOpossumError(error, 'STORAGE_FAILED')) throw error;
      }
    }
  };
  await Promise.all(students(8).map((command, seed) => untilAnswered(command, seed)));
  const taken = (await stores[0].read().toArray()).filter(SeatTaken.is);
  expect(new Set(taken.map(({ data }) => data.studentId)).size).toBe(2);
  expect(taken).toHaveLength(2);
});

test('scenario runs a handler on a store of its own', async () => {
  const [first, second, third] = students(3) as [Enrol, Enrol, Enrol];
  const full = scenario(enrol, { store: openEmpty }).given([course, SeatTaken(first), SeatTaken(second)]);
  await full.when(third).then(reject('full'));
  await scenario(enrol, { store: openEmpty }).given(course).when(first).then(SeatTaken(first));
});

test('repository keeps what two processes change at once', async () => {
  const stores = await openPair();
  const accounts = stores.map((store) =>
    repository({ store, streamOf: (id) => `account-${id}`, initial: 0, evolve: (sum, event: { type: string; data: number }) => sum + event.data, retry: { maxAttempts: 100, baseDelayMs: 1, maxDelayMs: 4 } }),
  );
  const results = await Promise.all(Array.from({ length: 6 }, (_, n) => accounts[n % 2]!.update('a', () => ({ type: 'Paid', data: 2 ** n }))));
  expect(results.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6]);
  for (const one of accounts) expect(await one.load('a')).toEqual({ state: 63, version: 6 });
});
