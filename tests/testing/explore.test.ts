/*
 * goal: the explorer shows a race plainly, repeats it to the byte, and costs no waiting.
 * method: small handlers whose races are known, their time line compared as text; what is random prints its seed and path.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { decide, openStore, reject, type EventStore, type SequencedEvent } from '../../src/index.js';
import { explore, RaceFoundError, type CommandResult, type ExploreOptions, type ExploreReport } from '../../src/testing/index.js';
import { loadFastCheck } from '../../src/testing/explore/fast-check.js';
import { CourseDefined, coursesOf, SeatTaken, seatsOf, takenIn } from '../support/courses.js';
import { fastFolder } from '../support/folder.js';

type Enrol = { readonly courseId: string; readonly studentId: string };

const given = [CourseDefined({ courseId: 'c1', seats: 2 }), SeatTaken({ courseId: 'c1', studentId: 's0' })];
const enrolments = ['s1', 's2', 's3'].map((studentId): Enrol => ({ courseId: 'c1', studentId }));
const taken = (history: readonly SequencedEvent[]): number => history.filter(SeatTaken.is).length;

const naive = async (store: EventStore, { courseId, studentId }: Enrol): Promise<boolean> => {
  const seats = await store.read({ items: [{ types: ['SeatTaken'], tags: [`course:${courseId}`] }] }).toArray();
  if (seats.length >= 2) return false;
  await store.append(SeatTaken({ courseId, studentId }));
  return true;
};

const exploration: ExploreOptions<Enrol, boolean> = {
  given,
  commands: enrolments,
  act: naive,
  invariant: (history) => taken(history) <= 2 || `${taken(history)} of 2 seats taken`,
  label: ({ studentId, courseId }) => `enrol ${studentId} in ${courseId}`,
  describeRead: ({ command, events }) => `seats(${command.courseId}) → ${events.length} of 2`,
};

async function raceOf<Command, Result>(options: ExploreOptions<Command, Result>): Promise<RaceFoundError<Command, Result>> {
  const error: unknown = await explore(options).catch((thrown: unknown) => thrown);
  if (error instanceof RaceFoundError) return error as RaceFoundError<Command, Result>;
  throw new Error('No race was found.', { cause: error });
}

const never = (): Promise<never> => new Promise(() => undefined);

afterEach(() => vi.unstubAllEnvs());

describe('a race', () => {
  test('is shown as a timeline', async () => {
    expect((await raceOf({ ...exploration, seed: 1 })).timeline).toBe(
      [
        'time  A: enrol s1 in c1              B: enrol s2 in c1',
        'T1    read seats(c1) → 1 of 2',
        'T2                                   read seats(c1) → 1 of 2',
        'T3                                   append SeatTaken → position 3',
        'T4    append SeatTaken → position 4                                  ✗ 3 of 2 seats taken',
      ].join('\n'),
    );
  });

  test('says what is wrong, what it takes, and how to see it again', async () => {
    const { message, timeline, seed, path } = await raceOf({ ...exploration, seed: 1 });
    expect(message).toBe(
      `3 of 2 seats taken\n\n${timeline}\n\nFound with 2 commands and 1 switch between them, on 2 given events.\n` +
        `To repeat exactly this run: SEED=${seed} SEED_PATH=${path} in the environment, or "seed" and "path" as options of explore.`,
    );
  });

  test('is the same one from every seed', async () => {
    for (const seed of [1, 2, 3, 4, 5]) expect((await raceOf({ ...exploration, seed })).timeline).toBe((await raceOf({ ...exploration, seed: seed * 1000 })).timeline);
  });

  test('comes with what was stored and how each command ended', async () => {
    const { commands, results, history } = await raceOf(exploration);
    expect(commands).toEqual(enrolments.slice(0, 2));
    expect(results).toEqual(enrolments.slice(0, 2).map((command) => ({ command, status: 'fulfilled', value: true })));
    expect(history.map(({ type }) => type)).toEqual(['CourseDefined', 'SeatTaken', 'SeatTaken', 'SeatTaken']);
  });

  test('fits the terminal, and keeps what was answered', async () => {
    const { timeline } = await raceOf({ ...exploration, width: 80, label: ({ studentId }) => `a command with a long name, of ${studentId}\u001b[31m\n`, describeRead: () => undefined });
    expect(timeline.split('\n').every((line) => line.length <= 80)).toBe(true);
    expect(timeline).toContain('… → 1 event, head 2');
    expect(timeline).not.toContain('\u001b');
  });

  test('of decisions shows what their models answered', async () => {
    // The seats are looked at by the decision, but belong to no model: nothing guards them.
    const act = async (store: EventStore, command: Enrol): Promise<unknown> => {
      const seats = taken(await store.read().toArray());
      return decide(store, { mine: coursesOf(command.studentId), seats: seatsOf('c1') }, ({ mine }) => (seats < 2 && mine.length === 0 ? SeatTaken(command) : reject('no')));
    };
    const { timeline } = await raceOf({ given, commands: enrolments, act, invariant: (history) => taken(history) <= 2, label: ({ studentId }) => studentId });
    expect(timeline.split('\n').map((line) => line.slice(6).trim())).toEqual([
      expect.stringMatching(/^A: s1 +B: s2$/) as string,
      'read all → 2 events, head 2',
      'read all → 2 events, head 2',
      'read mine → [], seats → 2',
      'append SeatTaken → position 3',
      'read mine → [], seats → 2',
      expect.stringMatching(/^append SeatTaken → position 4 +✗/) as string,
    ]);
  });

  test('is found by several explorations at once, each in its own world', async () => {
    const races = await Promise.all([1, 2, 3].map((seed) => raceOf({ ...exploration, seed })));
    expect(new Set(races.map(({ timeline }) => timeline)).size).toBe(1);
  });

  test('of calls in parallel within one handler is found', async () => {
    // The outcome hangs on which of a handler's own two appends comes first, with the other handler's between them.
    const act = (store: EventStore, name: string): Promise<unknown> => Promise.all([store.append({ type: `${name}1`, data: null }), store.append({ type: `${name}2`, data: null })]);
    const { history } = await raceOf({ commands: ['a', 'b'], act, invariant: (events) => events.map(({ type }) => type).join() !== 'a2,b2,b1,a1', timeLimitMs: 20_000 });
    expect(history).toHaveLength(4);
  });
});

describe('a replay', () => {
  const waiting: ExploreOptions<Enrol, boolean> = {
    ...exploration,
    commands: fc.record({ courseId: fc.constant('c1'), studentId: fc.constantFrom('s1', 's2', 's3') }),
    act: async (store, command, { sleep, random }) => {
      await sleep(random() * 1000);
      return naive(store, command);
    },
  };

  test('by seed and path is the same to the byte', async () => {
    const { seed, path, message, history } = await raceOf(waiting);
    const again = await raceOf({ ...waiting, seed, path });
    expect(again.message).toBe(message);
    expect(again.history).toEqual(history);
    expect(again.runs).toBe(1);
  });

  test('is asked for by the environment too, but options come first', async () => {
    const { seed, path, message } = await raceOf(waiting);
    vi.stubEnv('SEED', String(seed));
    vi.stubEnv('SEED_PATH', path);
    expect((await raceOf(waiting)).message).toBe(message);
    expect((await raceOf({ ...waiting, seed: seed + 1 })).seed).not.toBe(seed);
  });

  test('of a race that was mended passes', async () => {
    const { seed, path } = await raceOf(exploration);
    expect(await explore({ ...exploration, seed, path, act: () => true })).toEqual({ runs: 1, seed });
  });

  test('of a seed alone makes the same runs', async () => {
    const { seed, path } = await raceOf({ ...waiting, seed: 7 });
    expect(await raceOf({ ...waiting, seed: 7 })).toMatchObject({ seed, path });
  });
});

describe('how much', () => {
  test('ends with the time limit, and says how many runs that were', async () => {
    const act = (store: EventStore): Promise<unknown> => store.append({ type: 'A', data: null });
    const { runs } = await explore({ commands: ['one', 'two'], act, invariant: () => true, runs: 10_000_000, timeLimitMs: 50 });
    expect(runs).toBeGreaterThan(0);
    expect(runs).toBeLessThan(10_000_000);
  });

  test('is thousands of orders a second with three commands', async () => {
    const before = process.cpuUsage();
    const act = (store: EventStore, command: Enrol): Promise<unknown> =>
      decide(store, { taken: takenIn(command.courseId) }, ({ taken: count }) => (count < 2 ? SeatTaken(command) : reject('full')));
    const { runs } = await explore({ given, commands: enrolments, act, invariant: (history) => taken(history) <= 2, runs: 2000, timeLimitMs: 60_000 });
    const { user, system } = process.cpuUsage(before);
    expect(runs).toBe(2000);
    console.log(`${Math.round((runs * 1e6) / (user + system))} runs of three commands per second of the processor`);
  });
});

describe('time', () => {
  test('is virtual: a handler that backs off for hours is done at once', async () => {
    const began = performance.now();
    const times: number[] = [];
    const act = async (store: EventStore, command: Enrol): Promise<void> => {
      const start = Date.now();
      await decide(
        store,
        { taken: takenIn(command.courseId) },
        ({ taken: count }) => (count < 2 ? SeatTaken(command) : reject('full')),
        // Neither sleep nor random is given: they are virtual all the same.
        { baseDelayMs: 3_600_000, maxDelayMs: 100 * 3_600_000 },
      );
      times.push(Date.now() - start);
    };
    await explore({ given, commands: enrolments, act, invariant: (history) => taken(history) <= 2, runs: 200, timeLimitMs: 60_000 });
    expect(Math.max(...times)).toBeGreaterThan(3_600_000 / 4);
    // Milliseconds of the processor for hours of back-off; a minute is for machines that do much else.
    expect(performance.now() - began).toBeLessThan(60_000);
  });

  test('is the same for timers, intervals, dates, signals and context', async () => {
    const seen: number[][] = [];
    const act = async (_: EventStore, __: string, context: { now(): number; sleep(ms: number): Promise<void> }): Promise<void> => {
      const start = context.now();
      const passed: number[] = [];
      const note = (): number => passed.push(new Date().getTime() - start);
      await context.sleep(1000);
      note();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      note();
      await new Promise<void>((resolve) => {
        let ticks = 0;
        const interval = setInterval(() => {
          if (++ticks < 3) return;
          clearInterval(interval);
          resolve();
        }, 1000).unref();
      });
      note();
      await new Promise((resolve) => AbortSignal.timeout(4000).addEventListener('abort', resolve));
      note();
      clearTimeout(setTimeout(() => passed.push(-1), 1));
      await context.sleep(1);
      seen.push(passed);
    };
    await explore({ commands: ['one'], act, invariant: () => true, runs: 3 });
    expect(seen).toEqual(Array(3).fill([1000, 3000, 6000, 10_000]));
  });

  test('is real outside the handlers, and afterwards', async () => {
    const originals = [setTimeout, clearTimeout, setInterval, clearInterval, Date, Math.random, AbortSignal.timeout, crypto.randomUUID];
    let outside = 0;
    const real = Date.now();
    const store = async (): Promise<EventStore> => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      outside = Date.now();
      return openStore({ directory: fastFolder(), durability: 'os', eventFiles: 'none' });
    };
    await raceOf({ ...exploration, store });
    expect(outside).toBeGreaterThanOrEqual(real);
    expect([setTimeout, clearTimeout, setInterval, clearInterval, Date, Math.random, AbortSignal.timeout, crypto.randomUUID]).toEqual(originals);
  });

  test('may have been replaced by the test runner: a handler that is stuck is noticed all the same', async () => {
    vi.useFakeTimers();
    try {
      expect((await raceOf({ commands: ['a', 'b'], act: never, invariant: () => true })).message).toContain('A and B wait for something that never comes');
    } finally {
      vi.useRealTimers();
    }
  });

  test('lets a time-out win against the store', async () => {
    const act = async (store: EventStore, command: Enrol): Promise<void> => {
      const timeout = new Promise((resolve) => setTimeout(resolve, 5000, 'late'));
      const append = (): Promise<unknown> => store.append(SeatTaken(command));
      if ((await Promise.race([append(), timeout])) === 'late') await append();
    };
    const { timeline } = await raceOf({ ...exploration, given: [], act, commands: enrolments.slice(0, 1), invariant: (history) => taken(history) <= 1 || 'taken twice' });
    expect(timeline.split('\n').map((line) => line.slice(6).trim())).toEqual(['A: enrol s1 in c1', 'wait 5 s', 'append SeatTaken → position 1', 'append SeatTaken → position 2   ✗ taken twice']);
  });
});

describe('an invariant', () => {
  const append = (store: EventStore): Promise<unknown> => store.append({ type: 'Happened', data: null });

  test.each<[string, ExploreOptions<string>['invariant'], string]>([
    ['a text', (history) => (history.length < 2 ? undefined : 'too many'), 'too many'],
    ['false', (history) => history.length < 2, 'the invariant does not hold'],
    ['what it throws', (history) => expect(history.length).toBeLessThan(2), 'expected 2 to be less than 2'],
    ['a promise', async (history) => history.length < 2 || 'too many later', 'too many later'],
  ])('may say so by %s', async (_, invariant, words) => {
    const { message, timeline } = await raceOf({ commands: ['a', 'b'], act: append, invariant });
    expect(message).toContain(words);
    expect(timeline).toContain(`T2                                  append Happened → position 2   ✗ ${words}`);
    expect(message).toContain('2 commands one after another: it takes no race, on 0 given events');
  });

  test('that throws gives its error as the cause', async () => {
    const cause = new Error('broken\nin two lines');
    const error = await raceOf({
      commands: ['a', 'b'],
      act: append,
      invariant() {
        throw cause;
      },
    });
    expect(error.cause).toBe(cause);
    expect(error.message).toContain('broken in two lines');
  });

  test('may look at how the commands ended', async () => {
    const { results } = await raceOf({
      commands: ['a', 'b'],
      act: (store) => store.head(),
      invariant: (_, { results: ended }) => ended.every(({ status }) => status === 'fulfilled') && !ended.every((result) => result.status === 'fulfilled' && result.value === 0),
    });
    expect(results).toMatchObject([{ value: 0 }, { value: 0 }]);
  });

  test('is checked after every commit if asked', async () => {
    // In the end all is well again.
    const act = async (store: EventStore): Promise<void> => {
      await store.append({ type: 'Opened', data: null });
      await store.append({ type: 'Closed', data: null });
    };
    const open = (history: readonly SequencedEvent[]): number => history.reduce((sum, { type }) => sum + (type === 'Opened' ? 1 : -1), 0);
    const options: ExploreOptions<string> = { commands: ['a', 'b'], act, invariant: (history) => open(history) < 2 || 'both are open' };
    await explore({ ...options, runs: 100 });
    const { timeline, results } = await raceOf({ ...options, checkEveryCommit: true });
    expect(timeline.split('\n').at(-1)).toMatch(/^T2 .*append Opened → position 2 +✗ both are open$/);
    expect(results.map(({ status }) => status)).toEqual(['pending', 'pending']);
  });
});

describe('a handler', () => {
  test('that fails is shown with its error', async () => {
    const cause = new TypeError('no such thing');
    const act = async (store: EventStore): Promise<void> => {
      if ((await store.head()) > 0) throw cause;
      await store.append({ type: 'Happened', data: null });
    };
    const error = await raceOf({ commands: ['a', 'b'], act, invariant: () => true });
    expect(error.cause).toBe(cause);
    expect(error.message).toMatch(/^B fails: TypeError: no such thing\n/);
    expect(error.timeline.split('\n').at(-1)).toMatch(/^T4 +fail: TypeError: no such thing +✗ B fails: TypeError: no such thing$/);
    const mayFail = (thrown: unknown, command: string): boolean => thrown === cause && command.length === 1;
    await explore({ commands: ['a', 'b'], act, invariant: () => true, mayFail, runs: 50 });
  });

  test('that throws in a timer fails', async () => {
    const act = (): Promise<never> => {
      setTimeout(() => {
        throw new Error('in a timer');
      }, 1);
      return never();
    };
    expect((await raceOf({ commands: ['a'], act, invariant: () => true })).message).toMatch(/^A fails: Error: in a timer\n/);
  });

  test('that lost a race may end with that', async () => {
    const act = (store: EventStore): Promise<unknown> => store.append({ type: 'Won', data: null }, { failIfEventsMatch: 'all' });
    await explore({
      commands: ['a', 'b'],
      act,
      invariant: (history, { results }) => history.length === 1 && results.filter(({ status }) => status === 'rejected').length === 1,
      runs: 50,
    });
  });

  test('that waits for ever is shown as far as it came', async () => {
    const act = async (store: EventStore, command: string): Promise<void> => {
      await store.append({ type: 'Begun', data: null });
      if (command === 'b') await never();
    };
    const { message, timeline } = await raceOf({ commands: ['a', 'b'], act, invariant: () => true });
    expect(message).toMatch(/^B waits for something that never comes\n/);
    expect(timeline.split('\n').slice(2)).toEqual(['T2                               append Begun → position 2', '✗ B waits for something that never comes']);
  });

  test('that goes on for ever is stopped', async () => {
    const act = async (store: EventStore): Promise<void> => {
      for (;;) await store.head();
    };
    const { message, timeline } = await raceOf({ commands: ['a'], act, invariant: () => true, maxSteps: 100 });
    expect(message).toMatch(/^not done after 100 calls: it may go on for ever\n/);
    expect(timeline).toContain('(40 rows left out)');
  });

  test('may wait for the real world', async () => {
    const act = async (store: EventStore): Promise<void> => {
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      await store.head();
      await crypto.subtle.digest('SHA-256', new Uint8Array(1000));
    };
    expect(await explore({ commands: ['a', 'b'], act, invariant: () => true, runs: 20, seed: 1 })).toEqual({ runs: 20, seed: 1 });
  });

  test.each<[string, () => Promise<unknown>]>([
    ['some turns of the event loop', () => new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))))],
    ['a file', () => readFile(new URL(import.meta.url))],
    ['a thread', () => promisify<number, Buffer>(randomBytes)(16)],
  ])('that waits for %s is in time for every order, and its race repeats', async (_, work) => {
    // Else the quick one would always be done before the slow one begins, and nothing would be found.
    const act = async (store: EventStore, command: Enrol): Promise<boolean> => {
      if (command.studentId === 's1') await work();
      return naive(store, command);
    };
    const found = await raceOf({ ...exploration, act, runs: 100, seed: 1 });
    expect(found.timeline).toBe((await raceOf({ ...exploration, seed: 1 })).timeline);
    expect((await raceOf({ ...exploration, act, seed: found.seed, path: found.path })).message).toBe(found.message);
  });

  test('that does not wait for its append stores all the same', async () => {
    const act = async (store: EventStore, command: Enrol): Promise<boolean> => {
      const seats = await store.read({ items: [{ types: ['SeatTaken'], tags: [`course:${command.courseId}`] }] }).toArray();
      if (seats.length < 2) void store.append(SeatTaken(command));
      return seats.length < 2;
    };
    expect((await raceOf({ ...exploration, act, seed: 1 })).timeline).toBe((await raceOf({ ...exploration, seed: 1 })).timeline);
  });

  test('that waits for another one holds nobody up', async () => {
    // A lock in memory makes the naive handler a right one.
    const locks = new Map<string, Promise<unknown>>();
    const act = (store: EventStore, command: Enrol): Promise<boolean> => {
      const mine = (locks.get(command.courseId) ?? Promise.resolve()).then(() => naive(store, command));
      locks.set(command.courseId, mine);
      return mine;
    };
    const began = performance.now();
    expect((await explore({ ...exploration, act, runs: 300, timeLimitMs: 60_000, seed: 1 })).runs).toBe(300);
    // Waiting 100 ms for each of its hundreds of blocked calls would take a minute.
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  test('with something that outlives its run is shown all the same', async () => {
    let calls = 0;
    const act = async (store: EventStore): Promise<void> => void (await store.append({ type: ++calls === 1 ? 'First' : 'Later', data: null }));
    const { message, timeline } = await raceOf({ commands: ['a', 'b'], act, invariant: (history) => history.every(({ type }) => type === 'Later') || 'it is the first', seed: 1 });
    expect(message).toContain('It did not fail again when it was repeated');
    expect(timeline).toContain('append First → position ');
    expect(timeline).toContain('✗ it is the first');
  });

  test('may follow the store', async () => {
    const act = async (store: EventStore, name: string): Promise<string[]> => {
      if (name !== 'follower') return [String((await store.append({ type: name, data: null })).first)];
      const seen: string[] = [];
      for await (const { type } of store.subscribe('all', { onCaughtUp: () => seen.push('caught up') })) {
        seen.push(type);
        if (seen.filter((one) => one !== 'caught up').length === 3) break;
      }
      return seen;
    };
    const orders = new Set<string>();
    const invariant = (history: readonly SequencedEvent[], { results }: { results: readonly CommandResult<string, string[]>[] }): boolean => {
      const [first] = results;
      const seen = first?.status === 'fulfilled' ? first.value : [];
      orders.add(seen.join());
      return seen.filter((one) => one !== 'caught up').join() === history.map(({ type }) => type).join();
    };
    await explore({ given: [{ type: 'given', data: null }], commands: ['follower', 'a', 'b'], act, invariant, runs: 300, timeLimitMs: 20_000 });
    // Both orders of the appends, and caught up before, between and after them (in the end it stops before it is).
    expect(orders.size).toBeGreaterThanOrEqual(4);
  });

  test('may use leases and states, which are part of the race', async () => {
    const count = async (store: EventStore, expected: boolean): Promise<void> => {
      const found = await store.state.load('counter');
      await store.state.save('counter', ((found?.value as number | undefined) ?? 0) + 1, expected ? { expected: found?.version ?? 0 } : {});
    };
    const finish = async (store: EventStore): Promise<void> => void (await store.append({ type: 'Counted', data: (await store.state.load('counter'))!.value }));
    const invariant = (history: readonly SequencedEvent[]): boolean => history.some(({ data }) => data === 2);
    const careless = async (store: EventStore): Promise<void> => {
      await count(store, false);
      await finish(store);
    };
    const leased = async (store: EventStore): Promise<void> => {
      const lease = await store.state.lease('counting');
      await count(store, true);
      await lease.release();
      await finish(store);
    };
    expect((await raceOf({ commands: ['a', 'b'], act: careless, invariant })).timeline).toMatch(/load counter → nothing[^]*save counter → 2/);
    await explore({ commands: ['a', 'b'], act: leased, invariant, runs: 100 });
  });
});

describe('commands', () => {
  test('are generated, two or more at once, and the same twice at times', async () => {
    const lists: string[][] = [];
    const invariant: ExploreOptions<string>['invariant'] = (_, { results }) => void lists.push(results.map(({ command }) => command));
    await explore({ commands: fc.uuid(), concurrent: 4, act: (store) => store.head(), invariant, runs: 200 });
    expect(new Set(lists.map(({ length }) => length))).toEqual(new Set([2, 3, 4]));
    expect(lists.some(([first, second]) => first === second)).toBe(true);
  });

  test('and what is given shrink', async () => {
    const { commands, history } = await raceOf({
      given: fc.array(fc.record({ type: fc.constant('Given'), data: fc.nat() }), { maxLength: 10 }),
      commands: fc.nat(),
      act: async (store, amount) => {
        if ((await store.head()) < 3) return;
        await store.append({ type: 'Paid', data: amount });
      },
      invariant: (events) => events.filter(({ type, data }) => type === 'Paid' && (data as number) >= 7).length < 2,
      seed: 5,
    });
    expect(commands).toEqual([7, 7]);
    expect(history.map(({ type, data }) => [type, data])).toEqual([['Given', 0], ['Given', 0], ['Given', 0], ['Paid', 7], ['Paid', 7]]);
  });
});

test('the first of many commands may be any of them', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const act = (store: EventStore, name: string): Promise<unknown> => store.append({ type: name, data: null });
  for (const first of names.slice(1)) {
    expect((await raceOf({ commands: names, act, invariant: (history) => history[0]?.type !== first, seed: 1 })).commands).toEqual(['a', first]);
  }
});

test('a race that comes late in long handlers is found', async () => {
  const act = async (store: EventStore, command: Enrol): Promise<boolean> => {
    for (let i = 0; i < 60; i++) await store.head();
    return naive(store, command);
  };
  expect((await raceOf({ ...exploration, act, seed: 1 })).message).toContain('2 commands and 1 switch');
});

test('what is shown fails as what was found: shrinking does not stray', async () => {
  // With one command fewer the follower waits for ever, which is not what is wrong.
  const act = async (store: EventStore, name: string): Promise<void> => {
    if (name !== 'follower') return void (await store.append({ type: 'Ordered', data: name }));
    let seen = 0;
    for await (const { position } of store.subscribe({ items: [{ types: ['Ordered'] }] })) {
      await store.append({ type: 'Shipped', data: position });
      if (++seen === 2) return;
    }
  };
  const invariant = (history: readonly SequencedEvent[]): boolean => history.map(({ type }) => type).join() !== 'Ordered,Shipped,Ordered,Shipped';
  const { message, commands } = await raceOf({ commands: ['follower', 'a', 'b'], act, invariant, seed: 1 });
  expect(message).toMatch(/^the invariant does not hold\n/);
  expect(commands).toHaveLength(3);
});

test('a race of three commands is shown with two if other given events allow it', async () => {
  // With two seats free it takes three, with one seat two: but then the same order of calls does no harm.
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const free = fc.constantFrom(1, 2).map((seatsFree) => [CourseDefined({ courseId: 'c1', seats: 2 }), ...Array.from({ length: 2 - seatsFree }, (_, i) => SeatTaken({ courseId: 'c1', studentId: `early-${i}` }))]);
    const act = async (store: EventStore, command: Enrol): Promise<boolean> => {
      await store.head();
      return naive(store, command);
    };
    expect((await raceOf({ ...exploration, given: free, act, seed })).commands).toHaveLength(2);
  }
});

describe('a store', () => {
  test('of files shows the same race', async () => {
    const store = (): Promise<EventStore> => openStore({ directory: fastFolder(), durability: 'os', eventFiles: 'none' });
    const inMemory = await raceOf({ ...exploration, seed: 3 });
    expect((await raceOf({ ...exploration, seed: 3, store })).message).toBe(inMemory.message);
  });

  test('that cannot be opened is no race', async () => {
    const failure = new Error('no store');
    const store = (): EventStore => {
      throw failure;
    };
    await expect(explore({ ...exploration, store })).rejects.toBe(failure);
  });
});

describe('the right handler', () => {
  test('passes, and the report says how much was tried', async () => {
    const act = (store: EventStore, command: Enrol) =>
      decide(store, { seats: seatsOf('c1'), taken: takenIn('c1'), courses: coursesOf(command.studentId) }, ({ seats, taken: count, courses }) =>
        count < seats && courses.length < 1 ? SeatTaken(command) : reject('no'),
      );
    const report = await explore({ given, commands: enrolments, act, invariant: (history) => taken(history) <= 2, runs: 300, timeLimitMs: 20_000, seed: 9 });
    expect(report).toEqual({ runs: 300, seed: 9 });
  });
});

describe('options', () => {
  test.each<[string, object, string]>([
    ['an unknown one', { invariants: 1 }, 'options.invariants'],
    ['no handler', { act: undefined }, 'options.act is missing'],
    ['no commands', { commands: [] }, 'options.commands is empty'],
    ['commands that are neither', { commands: 'all' }, 'options.commands is the string "all"; it must be an array or an arbitrary of fast-check'],
    ['half a run', { runs: 0.5 }, 'options.runs is 0.5; it must be a whole number of at least 1'],
    ['one at once', { concurrent: 1 }, 'options.concurrent is 1; it must be a whole number from 2 to 8'],
    ['a path without a seed', { path: '0:1/0.1/1-1' }, 'options.seed is missing'],
    ['a path that is none', { seed: 1, path: '/etc' }, 'options.path is the string "/etc"; it must be a path that explore printed'],
    ['a narrow terminal', { width: 10 }, 'options.width is 10'],
  ])('with %s are refused', async (_, change, message) => {
    await expect(explore({ ...exploration, ...change })).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining(message) as string });
  });

  test('of the environment are checked too', async () => {
    vi.stubEnv('SEED', 'abc');
    await expect(explore(exploration)).rejects.toThrow('SEED is NaN');
    vi.stubEnv('SEED', '1');
    vi.stubEnv('SEED_PATH', 'x');
    await expect(explore(exploration)).rejects.toThrow('SEED_PATH is the string "x"');
  });

  test('are typed from end to end', async () => {
    const act = async (_: EventStore, command: { n: number }): Promise<string> => String(command.n);
    const invariant = (history: readonly SequencedEvent[], outcome: { results: readonly CommandResult<{ n: number }, string>[] }): boolean => history.length <= outcome.results.length;
    expectTypeOf(explore({ commands: fc.record({ n: fc.nat() }), act, invariant, runs: 1 })).toEqualTypeOf<Promise<ExploreReport>>();
    await explore({
      commands: fc.record({ n: fc.nat() }),
      act: async (store, command) => {
        expectTypeOf(store).toEqualTypeOf<EventStore>();
        expectTypeOf(command).toEqualTypeOf<{ n: number }>();
        return command.n;
      },
      invariant: (_, { results }) => {
        expectTypeOf(results).toEqualTypeOf<readonly CommandResult<{ n: number }, number>[]>();
      },
      label: ({ n }) => `${n}`,
      runs: 1,
    });
    // @ts-expect-error the handler takes other commands
    void explore({ commands: [{ m: 1 }], act, invariant: () => true, runs: 1 }).catch(() => undefined);
    // @ts-expect-error a number is no verdict
    void explore({ commands: [{ n: 1 }], act, invariant: () => 1, runs: 1 }).catch(() => undefined);
    // @ts-expect-error no such option
    await explore({ commands: [{ n: 1 }], act, invariant: () => true, times: 1 }).catch(() => undefined);
  });
});

test('without fast-check it is said what to install', async () => {
  const missing = async (): Promise<never> => {
    throw new Error("Cannot find package 'fast-check'");
  };
  await expect(loadFastCheck(missing)).rejects.toThrow('npm install --save-dev fast-check@4');
});
