import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineEvent, openMemoryStore, openProjection, projection, ProjectionFailedError, StorageFailedError, type EventStore, type IndexValues, type NewEvent, type OpenProjectionOptions, type Projection, type StateStore } from '../../src/index.js';
import { Lookups } from '../../src/projecting/lookups.js';
import { emptyGeneration } from '../../src/projecting/manifest.js';
import { Segments } from '../../src/projecting/segments.js';
import { Table } from '../../src/projecting/table.js';
import { fileStoresIn } from '../support/file-stores.js';
import { fastRoot } from '../support/folder.js';
import { storeCalls } from '../support/store-calls.js';

const makeFileStores = fileStoresIn(fastRoot);

const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), teacher: z.string() }), { tags: (data) => ({ course: data.courseId }) });
const SeatTaken = defineEvent('SeatTaken', z.object({ courseId: z.string() }), { tags: (data) => ({ course: data.courseId }) });
const CourseDropped = defineEvent('CourseDropped', z.object({ courseId: z.string() }), { tags: (data) => ({ course: data.courseId }) });

type Course = { teacher: string; taken: number };
const makeCourses = (version = 1) =>
  projection({
    name: 'courses',
    version,
    events: [CourseDefined, SeatTaken, CourseDropped],
    key: (event) => event.data.courseId,
    initial: (): Course => ({ teacher: '', taken: 0 }),
    evolve: (course, event) => {
      if (event.type === 'CourseDropped') return undefined;
      if (event.type === 'CourseDefined') return { ...course, teacher: event.data.teacher };
      course.taken += version;
      return course;
    },
    index: (course) => ({ teacher: course.teacher }),
  });
const courses = makeCourses();

/** Counts each event once, by its key: any event applied twice or never shows. */
const counterOf = (name: string, version = 1) =>
  projection({
    name,
    version,
    query: 'all',
    key: (event) => event.data as string,
    initial: { count: 0, sum: 0 },
    evolve: (state, event) => ({ count: state.count + 1, sum: state.sum + event.position * version }),
    index: (state) => ({ parity: state.count % 2 }),
  });

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function opened<State, Index extends IndexValues>(store: EventStore, definition: Projection<State, Index>, options?: OpenProjectionOptions) {
  const view = await openProjection(store, definition, options);
  open.push(view);
  return view;
}

const kinds: [string, () => Promise<{ store: EventStore; another(): Promise<EventStore> }>][] = [
  [
    'memory',
    async () => {
      const store = openMemoryStore();
      open.push(store);
      return { store, another: async () => store };
    },
  ],
  [
    'file',
    async () => {
      const stores = await makeFileStores({ durability: 'os', eventFiles: 'none' });
      open.push({ close: () => stores.dispose() });
      return stores;
    },
  ],
];

async function appendAll(store: EventStore, events: readonly NewEvent[]): Promise<number> {
  return (await store.append(events)).last;
}

const numbered = (count: number, keys: number): NewEvent[] => Array.from({ length: count }, (_, i) => ({ type: 'Counted', data: `k${(i * 7919) % keys}` }));

/** The same definition, and the positions of the events that it was given to apply. */
function noting<State, Index extends IndexValues>(definition: Projection<State, Index>): { definition: Projection<State, Index>; applied: number[] } {
  const applied: number[] = [];
  const rules = definition['~projection'];
  const evolve: typeof rules.evolve = (...args) => (applied.push(args[1].position), rules.evolve(...args));
  return { definition: { ...definition, '~projection': { ...rules, evolve } }, applied };
}

/** What a counter must hold of the store's events. */
async function counted(store: EventStore, version = 1): Promise<Map<string, { count: number; sum: number }>> {
  const states = new Map<string, { count: number; sum: number }>();
  for await (const { data, position } of store.read()) {
    const { count, sum } = states.get(data as string) ?? { count: 0, sum: 0 };
    states.set(data as string, { count: count + 1, sum: sum + position * version });
  }
  return states;
}

async function all<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

/** A state store that counts its calls, and fails or answers otherwise where it is told to. */
function watched(state: StateStore, instead: Partial<StateStore> = {}): StateStore & { saves: string[]; loads: string[] } {
  const saves: string[] = [];
  const loads: string[] = [];
  return {
    saves,
    loads,
    load: (name) => (loads.push(name), (instead.load ?? state.load.bind(state))(name)),
    save: (name, value, options) => (saves.push(name), (instead.save ?? state.save.bind(state))(name, value, options)),
    remove: (name, options) => (instead.remove ?? state.remove.bind(state))(name, options),
    list: (prefix) => state.list(prefix),
    lease: (name, options) => (instead.lease ?? state.lease.bind(state))(name, options),
  };
}

describe.each(kinds)('a projection on the %s store', (kind, make) => {
  test('shows the states of its keys, and what one appended oneself after waitFor', async () => {
    const { store } = await make();
    await store.append([CourseDefined({ courseId: 'c1', teacher: 't1' }), { type: 'Other', data: null }, SeatTaken({ courseId: 'c1' })]);
    const view = await opened(store, courses);
    await view.ready();
    expect(await view.get('c1')).toEqual({ teacher: 't1', taken: 1 });
    expect(await view.get('c2')).toBeUndefined();
    const last = await appendAll(store, [CourseDefined({ courseId: 'c2', teacher: 't1' }), SeatTaken({ courseId: 'c2' }), SeatTaken({ courseId: 'c2' })]);
    await view.waitFor(last);
    expect(await view.getMany(['c2', 'none', 'c1'])).toEqual(new Map([['c2', { teacher: 't1', taken: 2 }], ['c1', { teacher: 't1', taken: 1 }]]));
    expect((await all(view.entries())).sort()).toEqual([['c1', { teacher: 't1', taken: 1 }], ['c2', { teacher: 't1', taken: 2 }]]);
    expect(view.status()).toMatchObject({ name: 'courses', version: 1, servedVersion: 1, phase: 'live', position: last });
  });

  test('finds states by what the index gives, also after they changed or went away', async () => {
    const { store } = await make();
    const view = await opened(store, courses);
    await view.waitFor(await appendAll(store, [CourseDefined({ courseId: 'c2', teacher: 't1' }), CourseDefined({ courseId: 'c1', teacher: 't1' }), CourseDefined({ courseId: 'c3', teacher: 't2' })]));
    const keysOf = async (teacher: string) => (await view.find('teacher', teacher)).map(([key]) => key);
    expect(await keysOf('t1')).toEqual(['c1', 'c2']);
    await view.waitFor(await appendAll(store, [CourseDefined({ courseId: 'c1', teacher: 't2' }), CourseDropped({ courseId: 'c3' })]));
    expect(await keysOf('t1')).toEqual(['c2']);
    expect(await keysOf('t2')).toEqual(['c1']);
    expect(await view.find('teacher', 'nobody')).toEqual([]);
    expect(await view.get('c3')).toBeUndefined();
  });

  test('is not read again from the events when it is opened again', async () => {
    const { store } = await make();
    const state = watched(store.state);
    const last = await appendAll(store, numbered(300, 40));
    const first = await openProjection(store, counterOf('c'), { state });
    await first.waitFor(last);
    await first.close();
    const more = await appendAll(store, numbered(10, 7));
    const { definition, applied } = noting(counterOf('c'));
    const view = await opened(store, definition, { state });
    await view.waitFor(more);
    expect(applied).toEqual(Array.from({ length: 10 }, (_, i) => last + 1 + i));
    expect(new Map(await all(view.entries()))).toEqual(await counted(store));
  });

  test('goes through saves, merges and splits of its shards without losing or repeating anything', async () => {
    const { store } = await make();
    const note = 'x'.repeat(300);
    const fat = projection({
      name: 'fat',
      query: 'all',
      key: (event) => event.data as string,
      initial: { count: 0, note },
      evolve: (state) => (state.count === 3 ? undefined : { ...state, count: state.count + 1 }),
    });
    const expected = new Map<string, number>();
    let view = await openProjection(store, fat);
    for (let round = 0; round < 3; round++) {
      const events = numbered(6000, 2500);
      for (const { data } of events) {
        const count = expected.get(data as string) ?? 0;
        if (count === 3) expected.delete(data as string);
        else expected.set(data as string, count + 1);
      }
      await view.waitFor(await appendAll(store, events));
      await view.close();
      view = await openProjection(store, fat);
    }
    open.push(view);
    expect(new Map((await all(view.entries())).map(([key, { count }]) => [key, count]))).toEqual(expected);
    expect(expected.size).toBe(2500);
    const names = await store.state.list('projections/fat');
    expect(names.length).toBeGreaterThan(2);
    expect(names.length).toBeLessThan(30);
  });

  test('is built anew under a higher version, and the older one serves meanwhile', async () => {
    const { store } = await make();
    const old = await openProjection(store, courses);
    const last = await appendAll(store, [CourseDefined({ courseId: 'c1', teacher: 't1' }), SeatTaken({ courseId: 'c1' })]);
    await old.waitFor(last);
    await old.close();

    // Events are held back, so that the old states can be looked at.
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const slow: EventStore = {
      ...storeCalls(store),
      subscribe: (query, options) => {
        const stream = store.subscribe(query, options);
        const iterate = async function* () {
          await held;
          yield* stream;
        };
        return { ...stream, [Symbol.asyncIterator]: iterate };
      },
    };
    const rebuilt: string[] = [];
    const progress: number[] = [];
    const view = await opened(slow, makeCourses(10), { onRebuild: ({ reason }) => rebuilt.push(reason), onProgress: ({ ratio }) => progress.push(ratio) });
    expect(await view.get('c1')).toEqual({ teacher: 't1', taken: 1 });
    await until(() => view.status().rebuilding !== undefined);
    expect(view.status()).toMatchObject({ version: 10, servedVersion: 1, phase: 'catching-up', rebuilding: { position: 0, head: last } });
    goOn();
    await view.ready();
    expect(await view.get('c1')).toEqual({ teacher: 't1', taken: 10 });
    expect(rebuilt).toEqual(['version']);
    expect(progress.at(-1)).toBe(1);
    expect(view.status()).toMatchObject({ servedVersion: 10 });
    expect(view.status().rebuilding).toBeUndefined();
    await view.close();
    await expect(openProjection(store, makeCourses(9))).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('version 10 is saved') });
  });

  test('closed while it is built anew, goes on behind what was saved when it is opened again', async () => {
    const { store } = await make();
    const last = await appendAll(store, numbered(3000, 40));
    const old = await openProjection(store, counterOf('c'));
    await old.ready();
    await old.close();
    // Time leaps, so that a save is due after the first events that are read together; that save ends it.
    let nowMs = 0;
    const stop = new AbortController();
    const begun = await openProjection(store, counterOf('c', 2), { signal: stop.signal, now: () => (nowMs += 300), onRebuild: () => undefined, onProgress: () => stop.abort() });
    await until(() => begun.status().phase === 'closed');
    const { live, next } = (await store.state.load('projections/c/manifest'))!.value as { live: { version: number }; next: { version: number; checkpoint: { position: number } } };
    expect([live.version, next.version]).toEqual([1, 2]);
    const { position } = next.checkpoint;
    expect(position).toBeGreaterThan(0);
    expect(position).toBeLessThan(last);

    const told: string[] = [];
    const { definition, applied } = noting(counterOf('c', 2));
    const view = await opened(store, definition, { onRebuild: ({ reason }) => told.push(reason) });
    await view.ready();
    expect([applied[0], applied.length, told]).toEqual([position + 1, last - position, []]);
    expect(view.status()).toMatchObject({ servedVersion: 2, position: last });
    expect(new Map(await all(view.entries()))).toEqual(await counted(store, 2));
  });

  test('stops at an event that fails, and goes on there when it is opened again', async () => {
    const { store } = await make();
    let isMended = false;
    const picky = projection({
      name: 'picky',
      query: 'all',
      key: (event) => ['a', event.data as string],
      initial: 0,
      evolve: (count, event, key) => {
        if (event.type === 'Bad' && key !== 'a' && !isMended) throw new Error('will not have it');
        return count + 1;
      },
    });
    await store.append([{ type: 'Good', data: 'b' }, { type: 'Bad', data: 'b' }, { type: 'Good', data: 'b' }]);
    const errors: unknown[] = [];
    const view = await openProjection(store, picky, { onError: (error) => errors.push(error) });
    await view.waitFor(1);
    await expect(view.waitFor(3)).rejects.toMatchObject({ code: 'PROJECTION_FAILED', position: 2, message: expect.stringContaining('will not have it') });
    // Nothing of the event that failed, although its first key would have taken it.
    expect(await all(view.entries())).toEqual(expect.arrayContaining([['a', 1], ['b', 1]]));
    expect(view.status()).toMatchObject({ phase: 'failed', position: 1, error: expect.any(ProjectionFailedError) });
    expect(errors).toHaveLength(1);
    await view.close();
    isMended = true;
    const again = await opened(store, picky);
    await again.waitFor(3);
    expect(await again.get('a')).toBe(3);
  });

  test.each<[string, NewEvent, string]>([
    ['a key that is not a string', { type: 'T', data: 7 }, 'key of event 1'],
    ['an empty key', { type: 'T', data: '' }, 'key of event 1'],
    ['a key of more than 1 KiB', { type: 'T', data: 'é'.repeat(513) }, '1026 bytes'],
    ['a state that is no JSON', { type: 'Date', data: 'k' }, 'state of key "k".at'],
    ['a state of more than 1 MiB', { type: 'Long', data: 'k' }, 'state of key "k" takes'],
    ['an index value that is none', { type: 'Index', data: 'k' }, 'index.by'],
  ])('refuses %s, by event and path', async (_, event, text) => {
    const { store } = await make();
    const strange = projection({
      name: 'strange',
      query: 'all',
      key: ({ data }) => data as string,
      initial: {},
      evolve: (_state, { type }): object => (type === 'Date' ? { at: new Date() } : type === 'Long' ? { long: 'x'.repeat(1024 * 1024) } : { type }),
      index: (state) => ({ by: 'type' in state && state.type === 'Index' ? (Number.NaN as number) : 'fine' }),
    });
    await store.append(event);
    const view = await opened(store, strange);
    await expect(view.waitFor(1)).rejects.toThrow(text);
  });

  test('hands earlier related events over, by one read for many events', async () => {
    const { store } = await make();
    const reads: unknown[] = [];
    const noting: EventStore = { ...storeCalls(store), read: (query, options) => (reads.push(query), store.read(query, options)) };
    const seats = projection({
      name: 'seats',
      events: [SeatTaken],
      key: (event) => event.data.courseId,
      initial: { teachers: [] as string[] },
      related: { events: [CourseDefined], tags: (event) => [`course:${event.data.courseId}`] },
      evolve: (state, _event, _key, related) => ({ teachers: [...state.teachers, related.map(({ data }) => data.teacher).join('+')] }),
    });
    const defined = (teacher: string) => CourseDefined({ courseId: 'c1', teacher });
    await store.append([defined('t1'), SeatTaken({ courseId: 'c1' }), defined('t2'), SeatTaken({ courseId: 'c1' }), SeatTaken({ courseId: 'c2' }), defined('t3')]);
    const view = await opened(noting, seats);
    await view.waitFor(6);
    expect(await view.get('c1')).toEqual({ teachers: ['t1', 't1+t2'] });
    expect(await view.get('c2')).toEqual({ teachers: [''] });
    expect(reads.filter((query) => JSON.stringify(query).includes('CourseDefined'))).toHaveLength(1);
  });

  test('is built anew, and says so, when what is saved is damaged or belongs to other events', async () => {
    const { store } = await make();
    await store.append(numbered(50, 5));
    const definition = counterOf('c');
    const first = await openProjection(store, definition);
    await first.ready();
    await first.close();
    const saved = await store.state.load('projections/c/manifest');
    const manifest = saved!.value as { live: { checkpoint: object; deltas: object[] } };
    const spoilt: [string, unknown][] = [
      ['damaged', { format: 2 }],
      ['damaged', { ...manifest, live: { ...manifest.live, deltas: [{ bytes: 10, segment: 'gone' }] } }],
      ['damaged', { ...manifest, live: { ...manifest.live, shards: [['gone', 10]], deltas: [] } }],
      ['other-events', { ...manifest, live: { ...manifest.live, checkpoint: { position: 50, id: 'another' } } }],
      ['other-events', { ...manifest, live: { ...manifest.live, checkpoint: { position: 5000, id: 'x' } } }],
    ];
    for (const [reason, value] of spoilt) {
      await store.state.save('projections/c/manifest', value as never);
      const told: string[] = [];
      const view = await openProjection(store, definition, { onRebuild: (rebuild) => told.push(rebuild.reason), sleep: oneTurn });
      await view.waitFor(await appendAll(store, numbered(1, 5)));
      expect(new Map(await all(view.entries())), JSON.stringify(value).slice(0, 100)).toEqual(await counted(store));
      await until(() => told.length > 0);
      expect(told).toEqual([reason]);
      await view.close();
    }
  });

  test('never serves what belongs to other events, not even to somebody who may only read', async () => {
    const { store } = await make();
    await store.append(numbered(5, 2));
    const definition = counterOf('c');
    const first = await openProjection(store, definition);
    await first.ready();
    await first.close();
    const { value } = (await store.state.load('projections/c/manifest'))!;
    const manifest = value as { live: object };
    await store.state.save('projections/c/manifest', { ...manifest, live: { ...manifest.live, checkpoint: { position: 4, id: 'another' } } } as never);
    const reader = await opened(store, definition, { readOnly: true });
    expect(await all(reader.entries())).toEqual([]);
    expect(reader.status()).toMatchObject({ phase: 'reading', position: 0 });
    const applier = await opened(store, definition, { onRebuild: () => undefined });
    await applier.ready();
    await reader.ready();
    expect(new Map(await all(reader.entries()))).toEqual(await counted(store));
  });

  test('is applied by one of several, read by all, and taken over from one that closes', async () => {
    const { store, another } = await make();
    const definition = counterOf('c');
    const views = [await opened(store, definition), await opened(await another(), definition), await opened(store, definition, { readOnly: true })];
    await until(() => views[0]!.status().phase === 'live');
    for (let round = 0; round < 3; round++) {
      const last = await appendAll(store, numbered(100, 9));
      const expected = await counted(store);
      for (const view of views) {
        await view.waitFor(last);
        expect(new Map(await all(view.entries()))).toEqual(expected);
        expect((await view.find('parity', 1)).length).toBe([...expected.values()].filter(({ count }) => count % 2 === 1).length);
      }
      if (round === 0) await views.shift()!.close();
      if (round === 0) await until(() => views[0]!.status().phase === 'live');
    }
    expect(views.map((view) => view.status().phase)).toEqual(['live', 'reading']);
  });

  test('refuses two definitions of one name', async () => {
    const { store } = await make();
    const view = await openProjection(store, counterOf('c'));
    await expect(openProjection(store, counterOf('c'))).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('"c"') });
    await view.close();
    await opened(store, counterOf('c'));
  });

  test('goes on after saves that fail, and after another process saved', async () => {
    const { store } = await make();
    let failing = 0;
    const state = watched(store.state, {
      save: async (name, value, options) => {
        if (failing > 0 && failing-- > 0) throw new StorageFailedError('no room', 'not-committed');
        return store.state.save(name, value, options);
      },
    });
    const errors: unknown[] = [];
    const view = await opened(store, counterOf('c'), { state, sleep: oneTurn, onError: (error) => errors.push(error) });
    await view.waitFor(await appendAll(store, numbered(20, 3)));
    failing = 3;
    const last = await appendAll(store, numbered(20, 3));
    await view.waitFor(last);
    await until(() => failing === 0 && view.status().phase === 'live');
    expect(errors.length).toBeGreaterThan(0);
    // Somebody who lost the lease and does not know it.
    const { value } = (await store.state.load('projections/c/manifest'))!;
    await store.state.save('projections/c/manifest', value);
    await view.waitFor(await appendAll(store, numbered(20, 3)));
    await until(async () => JSON.stringify((await store.state.load('projections/c/manifest'))!.value).includes('"position":60'));
    await view.ready();
    expect(new Map(await all(view.entries()))).toEqual(await counted(store));
  });

  test('closed while a save fails, saves nothing behind it', async () => {
    const { store } = await make();
    let goOn = (): void => undefined;
    let isHeld = false;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const state = watched(store.state, {
      save: async (name, value, options) => {
        if (!isArmed) return store.state.save(name, value, options);
        isArmed = false;
        isHeld = true;
        await held;
        throw new StorageFailedError('no room', 'not-committed');
      },
    });
    let isArmed = false;
    const definition = counterOf('c');
    const view = await openProjection(store, definition, { state });
    await view.waitFor(await appendAll(store, numbered(5, 2)));
    await until(() => state.saves.length > 0);
    isArmed = true;
    await view.waitFor(await appendAll(store, [{ type: 'Counted', data: 'another key' }]));
    await until(() => isHeld);
    await view.waitFor(await appendAll(store, numbered(2, 2)));
    const closed = view.close();
    // By now it only waits for the save under way.
    for (let i = 0; i < 20; i++) await oneTurn();
    goOn();
    await closed;
    const again = await opened(store, definition);
    await again.ready();
    expect(new Map(await all(again.entries()))).toEqual(await counted(store));
  });

  test('saves nothing more after a save that failed while an event waited for what it needs', async () => {
    const { store } = await make();
    const gates = new Map<string, () => void>();
    const waitAt = (gate: string) => new Promise<void>((resolve) => gates.set(gate, resolve));
    let isArmed = false;
    const state = watched(store.state, {
      save: async (name, value, options) => {
        if (!isArmed) return store.state.save(name, value, options);
        isArmed = false;
        await waitAt('save');
        throw new StorageFailedError('no room', 'not-committed');
      },
    });
    const held = waitAt('schema');
    let isAsked = false;
    const Slow = defineEvent('Slow', z.string().refine(async (key) => {
      if (key !== 'k2') return true;
      isAsked = true;
      await held;
      return true;
    }));
    const definition = projection({ name: 'slow', events: [Slow], key: (event) => event.data, initial: 0, evolve: (count) => count + 1 });
    const view = await opened(store, definition, { state, sleep: oneTurn });
    await view.ready();
    isArmed = true;
    await store.append({ type: 'Slow', data: 'k1' });
    await until(() => gates.has('save'));
    const last = await appendAll(store, [{ type: 'Slow', data: 'k2' }]);
    await until(() => isAsked);
    gates.get('save')!();
    for (let i = 0; i < 20; i++) await oneTurn();
    gates.get('schema')!();
    await view.waitFor(last);
    await view.close();
    const again = await opened(store, definition);
    await again.waitFor(last);
    expect(await again.getMany(['k1', 'k2'])).toEqual(new Map([['k1', 1], ['k2', 1]]));
  });

  test('is built anew, and says so, when a read finds damage that applying does not touch', async () => {
    const { store, another } = await make();
    await store.append(Array.from({ length: 6000 }, (_, i) => ({ type: 'Counted', data: `key ${i} ${'x'.repeat(100)}` })));
    const definition = counterOf('c');
    const expected = await counted(store);
    for (const isReader of [false, true]) {
      const first = await openProjection(store, definition);
      await first.ready();
      await first.close();
      const { live } = (await store.state.load('projections/c/manifest'))!.value as { live: { shards: ([string, number] | null)[] } };
      const [name] = live.shards.find((shard) => shard !== null)!;
      await store.state.save(`projections/c/${name}`, { entries: 'gone' });
      const told: string[] = [];
      // Either of them may be the one that builds it anew.
      const options: OpenProjectionOptions = { onRebuild: ({ reason }) => told.push(reason), sleep: oneTurn };
      const applier = await openProjection(store, definition, options);
      await until(() => applier.status().phase === 'live');
      const reader = isReader ? await openProjection(await another(), definition, options) : applier;
      await expect(reader.getMany([...expected.keys()])).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
      // Whoever applies learns at its next save what another process found.
      const last = await appendAll(store, [{ type: 'Counted', data: 'one more' }]);
      await until(() => told.length > 0);
      await applier.waitFor(last);
      expect(new Map(await all(applier.entries()))).toEqual(await counted(store));
      expect(told).toEqual(['damaged']);
      await applier.close();
      await reader.close();
    }
  });

  test('what onError throws stops nothing', async () => {
    const { store } = await make();
    const bad = projection({ name: 'bad', query: 'all', key: () => 'k', initial: 0, evolve: () => { throw new Error('will not have it.'); } });
    const view = await openProjection(store, bad, { onError: () => { throw new Error('of the listener'); } });
    const last = await appendAll(store, numbered(1, 1));
    await expect(view.waitFor(last)).rejects.toThrow('will not have it. Nothing of that event was applied');
    await view.close();
  });

  test('ends with its signal, and with its store', async () => {
    const { store } = await make();
    const stop = new AbortController();
    const view = await openProjection(store, counterOf('c'), { signal: stop.signal });
    stop.abort();
    await until(() => view.status().phase === 'closed');
    await expect(view.get('k')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    const other = await openProjection(store, counterOf('d'));
    await other.ready();
    await store.close();
    await until(() => other.status().phase === 'closed');
    await expect(other.waitFor(1)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await other.close();
    expect(kind).toBeTypeOf('string');
  });

  test('waiting ends with its signal', async () => {
    const { store } = await make();
    const view = await opened(store, counterOf('c'));
    const reason = new Error('enough');
    const stop = new AbortController();
    const waiting = view.waitFor(1, { signal: stop.signal });
    stop.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});

test('a table that follows what another process saved lets go of keys that came and went without a trace in the shards', async () => {
  const store = openMemoryStore();
  const before = { ...emptyGeneration('g', 1), deltas: [{ bytes: 10, entries: [['k', 1]] as const }] };
  const table = await Table.load(before, new Segments(store.state, 'c', 'token'), new Lookups(() => ['term']));
  expect(await table.lookup('k')).toBe(1);
  expect(await table.keysWith('term')).toEqual(['k']);
  await table.follow({ ...before, deltas: [], checkpoint: { position: 2, id: 'two' } });
  expect(await table.lookup('k')).toBeUndefined();
  expect(await table.keysWith('term')).toEqual([]);
  await store.close();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await condition()); i++) {
    if (i > 2000) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const oneTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('refuses options that make no sense', async () => {
  const store = openMemoryStore();
  const wrong: [string, object][] = [['onError', { onError: 'log' }], ['onRebuild', { onRebuild: true }], ['onProgress', { onProgress: {} }], ['sleep', { sleep: 5 }], ['signal', { signal: 'stop' }], ['readOnly', { readOnly: 'yes' }]];
  for (const [field, options] of wrong) await expect(openProjection(store, courses, options), field).rejects.toMatchObject({ code: 'INVALID_INPUT', path: `options.${field}` });
  await store.close();
});
