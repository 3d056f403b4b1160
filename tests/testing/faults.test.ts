/*
 * goal: what withFaults does is what it says, the same for the same seed; and a handler with idempotent ids survives all of it.
 * method: each fault alone at probability 1; then decisions that repeat what failed, under many seeds, judged by the history checker.
 */
import { describe, expect, test } from 'vitest';
import { decide, isOpossumError, openMemoryStore, reject, type EventStore, type SequencedEvent } from '../../src/index.js';
import { checkHistory, cloudDocumentDatabase, explore, recordHistory, SimulatedCrashError, ThrottledError, withFaults, type ActContext, type FaultOptions } from '../../src/testing/index.js';
import { CourseDefined, SeatTaken, seatsOf, takenIn } from '../support/courses.js';

const event = { type: 'A', data: null, id: 'a' };
const condition = { failIfEventsMatch: 'all' as const };

/** A store with faults, and the one behind it. */
function faulty(options: Partial<FaultOptions>) {
  const inner = openMemoryStore();
  return { inner, store: withFaults(inner, { seed: 1, ...options }) };
}

describe('withFaults', () => {
  test('passes everything on when nothing is asked for', async () => {
    const { inner, store } = faulty({});
    expect(await store.append(event)).toEqual({ first: 1, last: 1, duplicate: false });
    expect(await store.head()).toBe(1);
    expect(await store.read().toArray()).toEqual(await inner.read().toArray());
    for await (const one of store.read()) expect(one.id).toBe('a');
    expect(await store.read().first()).toMatchObject({ id: 'a' });
    expect(store.state).toBe(inner.state);
    await store.close();
    await expect(inner.head()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });

  test('loses the acknowledgement of what is stored, and the request of what is not', async () => {
    const lost = faulty({ unknownOutcome: 1 });
    await expect(lost.store.append(event)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown' });
    expect(await lost.inner.head()).toBe(1);
    const request = faulty({ lostRequest: 1 });
    await expect(request.store.append(event)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown' });
    expect(await request.inner.head()).toBe(0);
  });

  test('sees conflicts that are none, where there is a condition and an event', async () => {
    const { inner, store } = faulty({ conflicts: 1 });
    await store.append(event, condition);
    const refused = store.append({ type: 'B', data: null }, { ...condition, after: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED', position: 1 });
    await store.append({ type: 'B', data: null });
    expect(await inner.head()).toBe(2);
  });

  test('throttles any call, and says for how long', async () => {
    const { inner, store } = faulty({ throttled: 1, retryAfterMs: 7 });
    const error = await store.append(event).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ThrottledError);
    expect(error).toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', retryable: true, retryAfterMs: 7, details: { retryAfterMs: 7, status: 429 } });
    await expect(store.head()).rejects.toBeInstanceOf(ThrottledError);
    await expect(store.read().toArray()).rejects.toBeInstanceOf(ThrottledError);
    expect(await inner.head()).toBe(0);
  });

  test('crashes before an append or after it, and answers nothing any more', async () => {
    const heads = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const { inner, store } = faulty({ crash: 1, seed });
      await expect(store.append(event)).rejects.toBeInstanceOf(SimulatedCrashError);
      await expect(store.head()).rejects.toBeInstanceOf(SimulatedCrashError);
      await expect(store.read().first()).rejects.toBeInstanceOf(SimulatedCrashError);
      heads.add(await inner.head());
      expect(await withFaults(inner, { seed }).append(event)).toMatchObject({ first: 1 });
    }
    expect(heads).toEqual(new Set([0, 1]));
  });

  test('reads from a head of a while ago, never within a batch and never before "after"', async () => {
    const { inner, store } = faulty({ staleReads: 1 });
    for (let i = 0; i < 5; i++) await store.append([event, event].map(({ type, data }) => ({ type, data })));
    const sizes = new Set<number>();
    for (let i = 0; i < 60; i++) {
      const stream = store.read();
      const { length } = await stream.toArray();
      expect(length % 2).toBe(0);
      expect(await stream.head()).toBe(length);
      sizes.add(length);
      expect(await store.read('all', { after: 9 }).head()).toBeGreaterThanOrEqual(9);
    }
    expect(sizes.size).toBeGreaterThan(3);
    expect(await inner.read().toArray()).toHaveLength(10);
  });

  test('is slow on the clock that it is given', async () => {
    const waits: number[] = [];
    const { store } = faulty({ latency: 1, latencyMs: 1000, sleep: async (ms) => void waits.push(ms) });
    await store.append(event);
    await store.read().toArray();
    await store.head();
    expect(waits).toHaveLength(3);
    for (const ms of waits) expect(ms).toBeLessThan(1000);
  });

  test('refuses batches that are too large', async () => {
    const { store } = faulty({ maxBatchEvents: 2, maxBatchBytes: 1000 });
    const plain = { type: 'A', data: null };
    await store.append([plain, plain]);
    await expect(store.append([plain, plain, plain])).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'events' });
    await expect(store.append({ type: 'A', data: 'x'.repeat(1000) })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'events' });
  });

  test('refuses options that are none', () => {
    expect(() => faulty({ conflict: 1 } as object)).toThrow('options.conflict');
    expect(() => faulty({ conflicts: 2 })).toThrow('options.conflicts');
    expect(() => faulty({ latencyMs: -1 })).toThrow('options.latencyMs');
    expect(() => withFaults(openMemoryStore(), {} as FaultOptions)).toThrow('options.seed');
    expect(() => withFaults(openMemoryStore(), { seed: 0.5 })).toThrow('options.seed is 0.5; it must be a whole number');
    // @ts-expect-error: a seed is needed, so that a failure can be repeated.
    expect(() => withFaults(openMemoryStore(), { conflicts: 1 })).toThrow('options.seed');
  });

  test('does the same for the same seed', async () => {
    const errorsOf = async (seed: number): Promise<string> => {
      const { store } = faulty({ ...cloudDocumentDatabase, seed, sleep: async () => undefined });
      const outcomes: string[] = [];
      for (let i = 0; i < 50; i++) outcomes.push(await store.append({ type: 'A', data: i, id: `${i}` }, { ...condition, after: i }).then(() => 'ok', (error: Error) => error.message));
      return outcomes.join('\n');
    };
    expect(await errorsOf(1)).toBe(await errorsOf(1));
    expect(await errorsOf(1)).not.toBe(await errorsOf(2));
  });
});

const noWait = { sleep: async () => undefined };

/** Takes a seat. The event's id is the command's, so however often it is asked for, the seat is taken once. */
const takeSeat = (store: EventStore, course: string, student: string) =>
  decide(
    store,
    { seats: seatsOf(course), taken: takenIn(course), done: takenBy(course, student) },
    ({ seats, taken, done }) => {
      if (done) return [];
      return taken < seats ? SeatTaken({ courseId: course, studentId: student }, { id: `take-${course}-${student}` }) : reject('full');
    },
    { ...noWait, maxAttempts: 50 },
  );

const takenBy = (course: string, student: string) => {
  const model = takenIn(course);
  return {
    name: 'already taken',
    query: model.query,
    initial: () => false,
    apply: (done: boolean, one: SequencedEvent) => done || one.tags.includes(`student:${student}`),
  };
};

/** What a program does: says it again, as long as the outcome is not known or the store was too busy; a crash begins anew. */
async function untilAnswered<T>(open: () => EventStore, work: (store: EventStore) => Promise<T>): Promise<T> {
  let store = open();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(store);
    } catch (error) {
      if (attempt === 200) throw error;
      if (error instanceof SimulatedCrashError) store = open();
      else if (!isOpossumError(error, 'STORAGE_FAILED') && !isOpossumError(error, 'DECISION_CONFLICT')) throw error;
    }
  }
}

describe('a handler with idempotent ids', () => {
  test.each<[string, Partial<FaultOptions>]>([
    ['lost acknowledgements', { unknownOutcome: 0.5 }],
    ['lost requests', { lostRequest: 0.5 }],
    ['conflicts that are none', { conflicts: 0.5 }],
    ['crashes', { crash: 0.4 }],
    ['old reads', { staleReads: 0.7 }],
    ['a cloud document database', cloudDocumentDatabase],
    ['a cloud document database and crashes', { ...cloudDocumentDatabase, crash: 0.1 }],
  ])('survives %s', async (_, faults) => {
    let repeated = 0;
    for (let seed = 1; seed <= 15; seed++) {
      const inner = openMemoryStore();
      const { store: recorded, history } = recordHistory(inner);
      await recorded.append(CourseDefined({ courseId: 'c1', seats: 4 }));
      let stores = 0;
      const results = await Promise.all(
        Array.from({ length: 6 }, (_unused, student) => untilAnswered(() => withFaults(recorded, { ...noWait, ...faults, seed: seed * 1000 + ++stores }), (store) => takeSeat(store, 'c1', `s${student}`))),
      );
      const taken = (await inner.read().toArray()).filter(SeatTaken.is);
      // No seat twice, nobody twice, and nobody is told that he has a seat without having it.
      expect(taken, `seed ${seed}`).toHaveLength(4);
      expect(new Set(taken.map(({ data }) => data.studentId)).size).toBe(4);
      expect(results.filter(({ outcome }) => outcome === 'rejected')).toHaveLength(2);
      checkHistory(history, await inner.read().toArray());
      repeated += history.operations.filter(({ call }) => call === 'append').length - 5;
    }
    expect(repeated).toBeGreaterThan(10);
  });

  test('is never told by decide that an append of unknown outcome lost a race: that comes out as it is', async () => {
    const { inner, store } = faulty({ unknownOutcome: 1 });
    await inner.append(CourseDefined({ courseId: 'c1', seats: 4 }));
    await expect(takeSeat(store, 'c1', 's1')).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown' });
    expect(await inner.head()).toBe(2);
    expect(await takeSeat(withFaults(inner, { seed: 1 }), 'c1', 's1')).toMatchObject({ outcome: 'nothing' });
  });

  test('gives up after its attempts when conflicts never end', async () => {
    const { inner, store } = faulty({ conflicts: 1 });
    await inner.append(CourseDefined({ courseId: 'c1', seats: 4 }));
    await expect(takeSeat(store, 'c1', 's1')).rejects.toMatchObject({ code: 'DECISION_CONFLICT', attempts: 50 });
  });
});

test('faults and interleavings go together: a handler with idempotent ids keeps its rule', async () => {
  const act = async (store: EventStore, student: string, { random }: ActContext): Promise<void> => {
    const unreliable = withFaults(store, { ...cloudDocumentDatabase, seed: Math.floor(random() * 1e9) });
    for (;;) {
      try {
        await takeSeat(unreliable, 'c1', student);
        return;
      } catch (error) {
        if (!isOpossumError(error) || !error.retryable && error.code !== 'STORAGE_FAILED') throw error;
      }
    }
  };
  const given = [CourseDefined({ courseId: 'c1', seats: 2 })];
  const invariant = (history: readonly SequencedEvent[]): boolean => history.filter(SeatTaken.is).length === 2;
  expect((await explore({ given, commands: ['s1', 's2', 's3'], act, invariant, runs: 200, timeLimitMs: 20_000 })).runs).toBe(200);
});
