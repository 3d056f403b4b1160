import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  AppendConditionFailedError,
  decide,
  DecisionConflictError,
  decisionModel,
  defineEvent,
  openMemoryStore,
  reject,
  StorageFailedError,
  type AppendCondition,
  type EventStore,
  type NewEvent,
  type Outcome,
  type Query,
  type StandardSchemaV1,
} from '../../src/index.js';
import { CourseDefined, coursesOf, freshStores, SeatTaken, seatsOf, takenIn } from '../support/courses.js';

/** The same store, noting what is asked of it. `append` stands in for the store's own when given. */
function watched(store: EventStore, append?: EventStore['append']) {
  const reads: (Query | undefined)[] = [];
  const appends: { events: NewEvent | readonly NewEvent[]; condition: AppendCondition | undefined }[] = [];
  const watching: EventStore = {
    read: (query, options) => (reads.push(query), store.read(query, options)),
    append: (events, condition, options) => (appends.push({ events, condition }), (append ?? store.append.bind(store))(events, condition, options)),
    subscribe: (query, options) => store.subscribe(query, options),
    head: () => store.head(),
    state: store.state,
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
  return { store: watching, reads, appends };
}

const models = (courseId: string, studentId: string) => ({ seats: seatsOf(courseId), taken: takenIn(courseId), mine: coursesOf(studentId) });
const take = (courseId: string, studentId: string) => SeatTaken({ courseId, studentId });
const noWait = { sleep: async () => undefined };

describe.each(freshStores)('decide on the %s store', (_, open) => {
  test('reads once, gives each event to the models whose query it matches, and appends on the condition of all of them', async () => {
    const inner = await open();
    await inner.append([CourseDefined({ courseId: 'c1', seats: 2 }), take('c1', 's1'), take('c2', 's2'), take('c2', 's3'), { type: 'Other', data: null }]);
    const { store, reads, appends } = watched(inner);
    const result = await decide(store, models('c1', 's2'), (state, context) => {
      expect(state).toEqual({ seats: 2, taken: 1, mine: ['c2'] });
      expect(context).toEqual({ attempt: 1, head: 5, signal: undefined });
      return [take('c1', 's2')];
    });
    expect(result).toEqual({ outcome: 'appended', state: { seats: 2, taken: 1, mine: ['c2'] }, events: [take('c1', 's2')], first: 6, last: 6, duplicate: false, attempts: 1 });
    const boundary = {
      items: [
        { types: ['CourseDefined'], tags: ['course:c1'] },
        { types: ['SeatTaken'], tags: ['course:c1'] },
        { types: ['SeatTaken'], tags: ['student:s2'] },
      ],
    };
    expect(reads).toEqual([boundary]);
    expect(appends).toEqual([{ events: [take('c1', 's2')], condition: { failIfEventsMatch: boundary, after: 5 } }]);
    await store.close();
  });

  test('decides again on fresh states after a conflict, and never on what has nothing to do with it', async () => {
    const store = await open();
    await store.append(CourseDefined({ courseId: 'c1', seats: 5 }));
    const seen: unknown[] = [];
    const retries: unknown[] = [];
    const options = { ...noWait, onRetry: ({ attempt }: { attempt: number }) => void retries.push(attempt) };
    const result = await decide(
      store,
      { taken: takenIn('c1') },
      async ({ taken }, { attempt, head }) => {
        seen.push({ taken, attempt, head });
        // Somebody else: twice in the way, then on another course.
        await store.append(take(attempt < 3 ? 'c1' : 'c2', `other${attempt}`));
        return take('c1', 's1');
      },
      options,
    );
    expect(seen).toEqual([
      { taken: 0, attempt: 1, head: 1 },
      { taken: 1, attempt: 2, head: 2 },
      { taken: 2, attempt: 3, head: 3 },
    ]);
    expect(result).toMatchObject({ outcome: 'appended', first: 5, attempts: 3 });
    expect(retries).toEqual([1, 2]);
    await store.close();
  });

  test('does not miss what comes between the end of the read and the append', async () => {
    const inner = await open();
    await inner.append(take('c1', 's0'));
    const { store } = watched(inner);
    let rivals = 0;
    const racing: EventStore = {
      ...store,
      read(query, options) {
        const stream = inner.read(query, options);
        async function* thenRival() {
          yield* stream;
          if (rivals++ === 0) await inner.append(take('c1', 'rival'));
        }
        return { toArray: () => stream.toArray(), first: () => stream.first(), head: () => stream.head(), [Symbol.asyncIterator]: thenRival };
      },
    };
    const result = await decide(racing, { taken: takenIn('c1') }, () => take('c1', 's1'), noWait);
    expect(result).toMatchObject({ outcome: 'appended', state: { taken: 2 }, first: 3, attempts: 2 });
    await store.close();
  });

  test('explains whom it lost to when the attempts are used up', async () => {
    const store = await open();
    await store.append(CourseDefined({ courseId: 'c1', seats: 50 }));
    const crowd = Array.from({ length: 12 }, (_, i) => take('c1', `s${i}`));
    const failed = decide(store, { room: takenIn('c1'), mine: coursesOf('s1') }, async () => (await store.append(crowd), take('c1', 's1')), { ...noWait, maxAttempts: 2 });
    const error = await failed.then(
      () => expect.unreachable(),
      (reason: unknown) => reason as DecisionConflictError,
    );
    expect(error).toBeInstanceOf(DecisionConflictError);
    expect(error).toMatchObject({ code: 'DECISION_CONFLICT', retryable: true, attempts: 2, details: { attempts: 2, after: 13 } });
    expect(error.cause).toBeInstanceOf(AppendConditionFailedError);
    expect(error.conflicts).toBe(error.details['conflicts']);
    expect(error.conflicts.map(({ position }) => position)).toEqual([14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
    const [stored] = await store.read('all', { after: 14, limit: 1 }).toArray();
    expect(error.conflicts[1]).toEqual({ position: 15, type: 'SeatTaken', tags: ['course:c1', 'student:s1'], timestamp: stored!.timestamp, models: ['room', 'mine'] });
    expect(error.conflicts[0]!.models).toEqual(['room']);
    expect(error.message).toContain(`event 15 ("SeatTaken", "course:c1", "student:s1") of ${stored!.timestamp}, which concerns "room" and "mine"`);
    expect(await store.head()).toBe(25);
    await store.close();
  });

  test.each<[string, () => Outcome, object]>([
    ['nothing at all', () => undefined, { outcome: 'nothing', events: [] }],
    ['an empty batch', () => [], { outcome: 'nothing', events: [] }],
    ['a rejection', () => reject({ code: 'full', seats: 2 }), { outcome: 'rejected', rejected: { code: 'full', seats: 2 }, events: [] }],
  ])('appends nothing when it returns %s', async (_, decision, expected) => {
    const { store, appends } = watched(await open());
    expect(await decide(store, { taken: takenIn('c1') }, decision)).toEqual({ ...expected, state: { taken: 0 }, attempts: 1 });
    expect(appends).toEqual([]);
    await store.close();
  });

  test('passes on what the decision throws, be it what a conflict looks like, and appends nothing', async () => {
    const { store, appends } = watched(await open());
    const conflict = new AppendConditionFailedError({ position: 1, type: 'A', tags: [] }, { failIfEventsMatch: 'all' });
    for (const error of [new Error('no'), conflict, undefined]) {
      let calls = 0;
      const failing = decide(store, { taken: takenIn('c1') }, () => {
        calls++;
        throw error;
      });
      await expect(failing).rejects.toBe(error);
      expect(calls).toBe(1);
    }
    expect(appends).toEqual([]);
    await store.close();
  });

  test('passes on bad events by their path, and answers a repetition with the first positions', async () => {
    const store = await open();
    await expect(decide(store, { taken: takenIn('c1') }, () => [take('c1', 's1'), { type: '', data: 1 }])).rejects.toMatchObject({ path: 'events[1].type' });
    const once = () => SeatTaken({ courseId: 'c1', studentId: 's1' }, { id: 'command-1' });
    expect(await decide(store, { taken: takenIn('c1') }, once)).toMatchObject({ first: 1, duplicate: false });
    expect(await decide(store, { taken: takenIn('c1') }, once)).toMatchObject({ outcome: 'appended', first: 1, duplicate: true });
    expect(await store.head()).toBe(1);
    await store.close();
  });

  test('stops when its signal aborts: before reading, while reading, in the decision, or between attempts', async () => {
    const inner = await open();
    const { store, reads } = watched(inner);
    const reason = new Error('enough');
    await expect(decide(store, { taken: takenIn('c1') }, () => [], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(reads).toEqual([]);
    await inner.append([take('c2', 's1'), take('c2', 's2')]);
    const whileReading = new AbortController();
    const aborting = decisionModel({ events: [SeatTaken], initial: 0, handlers: { SeatTaken: (n) => (whileReading.abort(reason), n + 1) } });
    await expect(decide(store, { aborting }, () => expect.unreachable(), { signal: whileReading.signal })).rejects.toBe(reason);
    const whileDeciding = new AbortController();
    const decision = () => (whileDeciding.abort(reason), take('c1', 's1'));
    await expect(decide(store, { taken: takenIn('c1') }, decision, { signal: whileDeciding.signal })).rejects.toBe(reason);
    expect(await inner.head()).toBe(2);
    const whileWaiting = new AbortController();
    const losing = async () => (await inner.append(take('c1', 's2')), take('c1', 's1'));
    const options = { signal: whileWaiting.signal, baseDelayMs: 1e9, maxDelayMs: 1e9, random: () => 0.9, onRetry: () => setImmediate(() => whileWaiting.abort(reason)) };
    await expect(decide(store, { taken: takenIn('c1') }, losing, options)).rejects.toBe(reason);
    await store.close();
  });
});

describe('decide', () => {
  test('does not try again when nobody knows whether the events were stored', async () => {
    const lost = new StorageFailedError('The sync failed.', 'unknown');
    const { store, appends } = watched(openMemoryStore(), () => Promise.reject(lost));
    await expect(decide(store, { taken: takenIn('c1') }, () => take('c1', 's1'))).rejects.toBe(lost);
    expect(appends).toHaveLength(1);
  });

  test('tells what it knows of a conflict when it cannot read any more', async () => {
    const inner = openMemoryStore();
    const { store } = watched(inner, async (events, condition) => {
      await inner.append(take('c1', 's2'));
      return inner.append(events, condition).finally(() => inner.close());
    });
    const failed = decide(store, { room: takenIn('c1') }, () => take('c1', 's1'), { maxAttempts: 1 });
    await expect(failed).rejects.toMatchObject({ conflicts: [{ position: 1, type: 'SeatTaken', tags: ['course:c1', 'student:s2'], timestamp: undefined, models: ['room'] }] });
  });

  test('begins each attempt with a fresh state, though a handler changes the one it is given', async () => {
    const store = openMemoryStore();
    await store.append(take('c1', 's1'));
    const initial = { ids: new Set<string>() };
    const students = decisionModel({ events: [SeatTaken], initial, handlers: { SeatTaken: (state, { data }) => (state.ids.add(data.studentId), state) } });
    const sizes: number[] = [];
    await decide(store, { students }, async ({ students: { ids } }, { attempt }) => {
      sizes.push(ids.size);
      if (attempt === 1) await store.append(take('c1', 's2'));
      ids.add('left over');
      return take('c1', 's3');
    }, noWait);
    expect(sizes).toEqual([1, 2]);
    expect(initial.ids.size).toBe(0);
  });

  test('takes events whose schema answers later', async () => {
    const schema: StandardSchemaV1<string, string> = { '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value: String(value) }) } };
    const Said = defineEvent('Said', schema);
    const words = decisionModel({ events: [Said], initial: '', handlers: { Said: (text, { data }) => text + data } });
    const store = openMemoryStore();
    await store.append([await Said.createAsync('a'), await Said.createAsync('b')]);
    expect(await decide(store, { words }, async ({ words: text }) => Said.createAsync(text))).toMatchObject({ state: { words: 'ab' }, events: [{ data: 'ab' }] });
  });

  test('refuses to decide on events that it cannot understand', async () => {
    const store = openMemoryStore();
    await store.append({ type: 'SeatTaken', tags: ['course:c1'], data: { courseId: 'c1' } });
    await expect(decide(store, { taken: takenIn('c1') }, () => [])).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'event 1 (SeatTaken).data.studentId' });
    await store.append({ type: 'SeatTaken', tags: ['course:c2'], data: { seat: 7 }, metadata: { schemaVersion: 2 } });
    await expect(decide(store, { taken: takenIn('c2') }, () => [])).rejects.toThrow('Update the program');
  });

  test('refuses no models, and unknown options', async () => {
    await expect(decide(openMemoryStore(), {}, () => [])).rejects.toMatchObject({ path: 'models' });
    await expect(decide(openMemoryStore(), { taken: takenIn('c1') }, () => [], { maxRetries: 3 } as object)).rejects.toMatchObject({ path: 'options.maxRetries' });
  });
});

describe('a decision model', () => {
  const good = { events: [SeatTaken], initial: 0, handlers: { SeatTaken: (n: number) => n + 1 } };

  test('is refused when a handler is missing, unknown or no function, or an event is there twice', () => {
    const NamedLikeAMethod = defineEvent('toString', z.null());
    // The type checker is not asked here: programs in JavaScript have none.
    const refused: [options: object, path: string][] = [
      [{ ...good, handlers: {} }, 'decision model handlers["SeatTaken"]'],
      [{ ...good, handlers: { ...good.handlers, Seat: () => 0 } }, 'decision model handlers.Seat'],
      [{ ...good, handlers: { SeatTaken: 1 } }, 'decision model handlers["SeatTaken"]'],
      [{ ...good, events: [NamedLikeAMethod], handlers: {} }, 'decision model handlers["toString"]'],
      [{ ...good, name: 'seats', events: [SeatTaken, SeatTaken] }, 'decision model "seats" events'],
      [{ ...good, events: [], handlers: {} }, 'query.items[0].types'],
      [{ ...good, initail: 0 }, 'decision model.initail'],
    ];
    for (const [options, path] of refused) expect(() => decisionModel(options as typeof good), path).toThrow(expect.objectContaining({ path }));
  });

  test('takes as its initial state what can be copied, or a function', () => {
    class Counter {
      count = 0;
    }
    const options = { events: [SeatTaken], handlers: { SeatTaken: <T>(state: T) => state } };
    expect(() => decisionModel({ ...options, initial: new Counter() })).toThrow('a Counter that cannot be copied');
    expect(() => decisionModel({ ...options, initial: { count: () => 0 } })).toThrow('cannot be copied');
    expect(decisionModel({ ...options, initial: () => new Counter() }).initial()).toBeInstanceOf(Counter);
    const model = decisionModel({ ...options, initial: [1] });
    expect(model.initial()).toEqual([1]);
    expect(model.initial()).not.toBe(model.initial());
  });
});
