import { tracingChannel } from 'node:diagnostics_channel';
import { afterEach, describe, expect, test } from 'vitest';
import { decide, openMemoryStore, openProjection, projection, type AppendTrace, type DecideTrace, type EventStore, type ProjectTrace, type ReadTrace } from '../../src/index.js';
import { traced, traces } from '../../src/core/traces.js';
import { CourseDefined, freshStores, SeatTaken, seatsOf, takenIn } from '../support/courses.js';

type Heard = { what: string; message: object };

const stopping: (() => void)[] = [];
afterEach(() => stopping.splice(0).forEach((stop) => stop()));

/** Notes what is published on a channel until the test ends: each message as it was at that moment. */
function listen(name: string): Heard[] {
  const heard: Heard[] = [];
  const note = (what: string) => (message: object) => void heard.push({ what, message: { ...message } });
  const subscribers = { start: note('start'), end: note('end'), asyncStart: note('asyncStart'), asyncEnd: note('asyncEnd'), error: note('error') };
  const channel = tracingChannel(name);
  channel.subscribe(subscribers);
  stopping.push(() => channel.unsubscribe(subscribers));
  return heard;
}

const whats = (heard: readonly Heard[]): string[] => heard.map(({ what }) => what);
const last = <Message>(heard: readonly Heard[]): Message => heard.at(-1)!.message as Message;

describe.each(freshStores)('traces of the %s store', (kind, open) => {
  const folder = kind === 'memory' ? undefined : expect.stringMatching(/default$/);
  let store: EventStore;
  afterEach(() => store.close());

  test('tell an append from start to end, with its result', async () => {
    store = await open();
    const heard = listen('opossum:append');
    const condition = { failIfEventsMatch: 'all', after: 0 } as const;
    await store.append({ type: 'Happened', data: 1 }, condition);
    expect(whats(heard)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(heard[0]!.message).toEqual({ ...(folder && { directory: folder }), events: { type: 'Happened', data: 1 }, condition });
    expect(last<AppendTrace>(heard).result).toEqual({ first: 1, last: 1, duplicate: false });
  });

  test('tell an append that is refused, whatever was given', async () => {
    store = await open();
    const heard = listen('opossum:append');
    await expect(store.append(undefined as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(whats(heard)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(last<AppendTrace>(heard)).toMatchObject({ error: { code: 'INVALID_INPUT' } });
  });

  test('tell each pass of a read, and how many events it handed out', async () => {
    store = await open();
    await store.append([1, 2, 3].map((data) => ({ type: 'Happened', data })));
    const heard = listen('opossum:read');
    const stream = store.read({ items: [{ types: ['Happened'] }] }, { after: 1 });
    expect(heard).toEqual([]);
    await stream.toArray();
    expect(whats(heard)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(heard[0]!.message).toMatchObject({ query: { items: [{ types: ['Happened'] }] }, options: { after: 1 }, events: 0 });
    expect(last<ReadTrace>(heard).events).toBe(2);
    for await (const _ of stream) break;
    await stream.first();
    await stream.head();
    expect(whats(heard).filter((what) => what === 'start')).toHaveLength(3);
    expect(whats(heard).filter((what) => what === 'asyncEnd')).toHaveLength(3);
  });

  test('tell a read that fails', async () => {
    store = await open();
    const heard = listen('opossum:read');
    await expect(store.read('all', { after: 7 }).toArray()).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
    expect(whats(heard)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(last<ReadTrace>(heard)).toMatchObject({ error: { code: 'POSITION_AHEAD' }, events: 0 });
  });

  test('tell a decision, its lost attempts and its outcome', async () => {
    store = await open();
    await store.append(CourseDefined({ courseId: 'c1', seats: 5 }));
    const decisions = listen('opossum:decide');
    const reads = listen('opossum:read');
    await decide(
      store,
      { seats: seatsOf('c1'), taken: takenIn('c1') },
      async (_, { attempt }) => {
        if (attempt === 1) await store.append(SeatTaken({ courseId: 'c1', studentId: 'rival' }));
        return SeatTaken({ courseId: 'c1', studentId: 's1' });
      },
      { sleep: async () => undefined },
    );
    expect(whats(decisions)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(last<DecideTrace>(decisions)).toMatchObject({ models: ['seats', 'taken'], attempts: 2, conflicts: [2], result: { outcome: 'appended', last: 3 } });
    expect(whats(reads).filter((what) => what === 'start')).toHaveLength(2);
  });

  test('tell what a decision threw', async () => {
    store = await open();
    const heard = listen('opossum:decide');
    const slip = new Error('a slip');
    await expect(decide(store, { seats: seatsOf('c1') }, () => { throw slip; })).rejects.toBe(slip);
    expect(whats(heard)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(last<DecideTrace>(heard)).toMatchObject({ attempts: 1, error: slip });
  });
});

test('a projection tells each save: what was applied since the one before, and how many keys that changed', async () => {
  const store = openMemoryStore();
  const heard = listen('opossum:project');
  const definition = projection({ name: 'counter', version: 3, query: { items: [{ types: ['Counted'] }] }, key: ({ data }) => data as string, initial: 0, evolve: (count) => count + 1 });
  const view = await openProjection(store, definition);
  const appendAndWait = async (...keys: string[]): Promise<void> => {
    const { last: other } = await store.append(keys.flatMap((data) => [{ type: 'Counted', data }, { type: 'Other', data }]));
    await view.waitFor(other - 1);
  };
  try {
    await appendAndWait('a', 'b', 'a', 'a');
    await expect.poll(() => heard.length).toBe(4);
    await appendAndWait('b');
    await expect.poll(() => heard.length).toBe(8);
    expect(whats(heard)).toEqual([1, 2].flatMap(() => ['start', 'end', 'asyncStart', 'asyncEnd']));
    const messages: ProjectTrace[] = [{ projection: 'counter', version: 3, position: 7, events: 4, keys: 2 }, { projection: 'counter', version: 3, position: 9, events: 1, keys: 1 }];
    expect([heard[0]!.message, heard[4]!.message]).toEqual(messages);
  } finally {
    await view.close();
    await store.close();
  }
});

test('no message is made while nobody listens', async () => {
  const makeMessage = (): never => {
    throw new Error('A message was made.');
  };
  await expect(traced(traces.append, makeMessage, async (message) => message)).resolves.toBeUndefined();
});

test('a listener that comes or goes in the middle of an operation leaves it alone', async () => {
  const store = openMemoryStore();
  const heard = listen('opossum:append');
  const first = store.append({ type: 'Happened', data: 1 });
  stopping.splice(0).forEach((stop) => stop());
  await expect(first).resolves.toMatchObject({ first: 1 });
  expect(whats(heard)).toEqual(['start', 'end']);
});
