/*
 * goal: a copy holds the events of its source in their order with all they have, wherever it was interrupted, and never mixes with other events.
 * method: copies between stores in memory and in folders, stopped after each append and gone on with; targets that hold something else.
 */
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  copyStore,
  openMemoryStore,
  openStore,
  type CopyOptions,
  type CopyProgress,
  type CopyResult,
  type EventStore,
  type InvalidInputError,
  type NewEvent,
  type SequencedEvent,
} from '../../src/index.js';
import { fastFolder } from '../support/folder.js';

const openFiles = (): Promise<EventStore> => openStore({ directory: fastFolder(), durability: 'os' });
const openMemory = async (): Promise<EventStore> => openMemoryStore();
const directions: [name: string, openFrom: () => Promise<EventStore>, openTo: () => Promise<EventStore>][] = [
  ['memory to files', openMemory, openFiles],
  ['files to memory', openFiles, openMemory],
  ['files to files', openFiles, openFiles],
];

/** Each with a time stamp of its own, unless one is given for all. */
function numbered(count: number, from = 1, timestamp?: string): NewEvent[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const own = new Date(Date.UTC(2020, 0, 1, 0, 0, n)).toISOString();
    return { id: `e${n}`, type: n % 2 ? 'Odd' : 'Even', tags: [`n:${n}`], data: { n, text: 'é' }, metadata: { user: `u${n % 3}` }, timestamp: timestamp ?? own };
  });
}

async function memoryOf(events: readonly NewEvent[]): Promise<EventStore> {
  const store = openMemoryStore();
  if (events.length > 0) await store.append(events);
  return store;
}

const all = (store: EventStore): Promise<SequencedEvent[]> => store.read().toArray();
const refusalOf = (work: Promise<unknown>): Promise<InvalidInputError> =>
  work.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error as InvalidInputError,
  );

/** How many events each append of the store has. */
function watchAppends(store: EventStore): number[] {
  const sizes: number[] = [];
  const append = store.append.bind(store);
  store.append = async (events, ...rest) => {
    const result = await append(events, ...rest);
    sizes.push(Array.isArray(events) ? events.length : 1);
    return result;
  };
  return sizes;
}

describe.each(directions)('a copy from %s', (_, openFrom, openTo) => {
  test('has ids, order, positions, data, tags, metadata and time stamps, and a second one adds nothing', async () => {
    const [from, to] = [await openFrom(), await openTo()];
    await from.append(numbered(7));
    await from.append({ type: 'Bare', data: null });
    await from.append(numbered(300, 8));
    expect(await copyStore(from, to)).toEqual({ copied: 308, present: 0, position: 308 });
    expect(await all(to)).toEqual(await all(from));
    expect(await copyStore(from, to)).toEqual({ copied: 0, present: 308, position: 308 });
    await from.close();
    await to.close();
  });

  test('that is stopped after any append goes on, and holds a beginning of the source at every moment', async () => {
    const from = await openFrom();
    await from.append(numbered(23));
    const expected = await all(from);
    for (let stop = 1; stop <= 5; stop++) {
      const to = await openTo();
      const controller = new AbortController();
      let appends = 0;
      const onProgress = (): void => {
        if (++appends === stop) controller.abort(new Error('enough'));
      };
      await expect(copyStore(from, to, { batchSize: 4, signal: controller.signal, onProgress })).rejects.toThrow('enough');
      expect(await all(to)).toEqual(expected.slice(0, stop * 4));
      expect(await copyStore(from, to, { batchSize: 5 })).toEqual({ copied: 23 - stop * 4, present: stop * 4, position: 23 });
      expect(await all(to)).toEqual(expected);
      await to.close();
    }
    await from.close();
  });

  test('follows a source that grows: each call copies up to the head at its beginning', async () => {
    const [from, to] = [await openFrom(), await openTo()];
    await from.append(numbered(10));
    let grown = 10;
    const growing: Promise<unknown>[] = [];
    const onProgress = (): void => {
      if (grown < 30) growing.push(from.append(numbered(1, ++grown)));
    };
    const result = await copyStore(from, to, { batchSize: 2, onProgress });
    expect(result).toEqual({ copied: 10, present: 0, position: 10 });
    await Promise.all(growing);
    expect((await copyStore(from, to)).present).toBe(10);
    expect(await all(to)).toEqual(await all(from));
    expect(await to.head()).toBeGreaterThan(10);
    await from.close();
    await to.close();
  });

  test('of a query is a slice with positions of its own, and goes on', async () => {
    const [from, to] = [await openFrom(), await openTo()];
    await from.append(numbered(20));
    const query = { items: [{ types: ['Even'] }] };
    expect(await copyStore(from, to, { query, after: 4, batchSize: 3 })).toEqual({ copied: 8, present: 0, position: 20 });
    await from.append(numbered(3, 21));
    expect(await copyStore(from, to, { query, after: 4 })).toEqual({ copied: 1, present: 8, position: 23 });
    expect((await all(to)).map(({ id, position }) => [id, position])).toEqual([6, 8, 10, 12, 14, 16, 18, 20, 22].map((n, i) => [`e${n}`, i + 1]));
    // Behind the last event that matches there is nothing to add.
    await from.append(numbered(1, 25));
    expect(await copyStore(from, to, { query, after: 4 })).toEqual({ copied: 0, present: 9, position: 24 });
    await from.close();
    await to.close();
  });
});

describe('after', () => {
  test('leaves out what is before it, and the copy goes on with the same after', async () => {
    const [from, to] = [await memoryOf(numbered(12)), openMemoryStore()];
    await copyStore(from, to, { after: 5 });
    await from.append(numbered(4, 13));
    expect(await copyStore(from, to, { after: 5 })).toEqual({ copied: 4, present: 7, position: 16 });
    expect((await all(to)).map(({ id }) => id)).toEqual(numbered(11, 6).map(({ id }) => id));
  });

  test('may be where an earlier copy from the beginning ended', async () => {
    const [from, to] = [await memoryOf(numbered(12)), openMemoryStore()];
    const { position } = await copyStore(from, to);
    await from.append(numbered(4, 13));
    let read = 0;
    const { read: readAll } = from;
    from.read = (...call) => {
      const stream = readAll.apply(from, call);
      const iterate = async function* (): AsyncGenerator<SequencedEvent> {
        for await (const event of stream) {
          read++;
          yield event;
        }
      };
      return { [Symbol.asyncIterator]: iterate, toArray: () => stream.toArray(), first: () => stream.first(), head: () => stream.head() };
    };
    expect(await copyStore(from, to, { after: position })).toEqual({ copied: 4, present: 12, position: 16 });
    // What was copied before is not read again.
    expect(read).toBe(4);
    expect(await copyStore(from, to, { after: position - 5 })).toEqual({ copied: 0, present: 16, position: 16 });
    expect(await copyStore(from, to)).toEqual({ copied: 0, present: 16, position: 16 });
    expect(read).toBe(4 + 16);
    expect(await all(to)).toEqual(await all(from));
  });

  test('never leaves a gap in a copy from the beginning', async () => {
    const [from, to] = [await memoryOf(numbered(12)), await memoryOf(numbered(3))];
    expect((await refusalOf(copyStore(from, to, { after: 5 }))).message).toMatch(/its event 1 is "e1" .* should be event 6 of "from", "e6"/);
    expect(await to.head()).toBe(3);
  });

  test('beyond the head is refused', async () => {
    await expect(copyStore(await memoryOf(numbered(3)), openMemoryStore(), { after: 4 })).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
  });
});

describe('a target that holds something else', () => {
  const own: NewEvent = { id: 'own', type: 'Own', data: null, timestamp: '2020-01-01T00:00:00Z' };

  test.each<[string, NewEvent[], RegExp]>([
    ['another event first', [own, ...numbered(4, 2)], /^to is no copy of "from": its event 1 is "own" \("Own"\), but it should be event 1 of "from", "e1" \("Odd"\)\. Copy into an empty store/],
    ['another event in the middle and at the end', [...numbered(2), own, { ...own, id: 'own2' }], /its event 3 is "own" /],
    ['the same id with other data', [...numbered(2), { ...numbered(1, 3)[0]!, data: 'other' }], /its event 3 is "e3" .* "e3" \("Odd"\) with other content\./],
    ['the same id at another time', [{ ...numbered(1)[0]!, timestamp: '2020-02-02T00:00:00Z' }], /its event 1 is "e1" .* with other content\./],
    ['the same id with other metadata', [{ ...numbered(1)[0]!, metadata: {} }], /its event 1 is "e1" .* with other content\./],
    ['more than the source', [...numbered(5), own], /its event 6 is "own" \("Own"\), which is none of those to copy\./],
  ])('is refused: %s', async (_, held, message) => {
    const [from, to] = [await memoryOf(numbered(5)), await memoryOf(held)];
    const error = await refusalOf(copyStore(from, to));
    expect([error.code, error.path]).toEqual(['INVALID_INPUT', 'to']);
    expect(error.message).toMatch(message);
    expect(await to.head()).toBe(held.length);
  });

  test('is refused by a slice that differs anywhere, even where the last event is right', async () => {
    const from = await memoryOf(numbered(10));
    const [, second, fourth] = [0, ...numbered(10).filter(({ type }) => type === 'Even')];
    const to = await memoryOf([{ ...(second as NewEvent), id: 'x' }, fourth as NewEvent]);
    expect((await refusalOf(copyStore(from, to, { query: { items: [{ types: ['Even'] }] } }))).message).toContain('its event 1 is "x"');
  });

  test('is refused when somebody appends to it meanwhile, and what came in between is named', async () => {
    const [from, to] = [await memoryOf(numbered(10)), openMemoryStore()];
    let hasAppended = false;
    const onProgress = (): void => {
      if (!hasAppended) void to.append(own);
      hasAppended = true;
    };
    expect((await refusalOf(copyStore(from, to, { batchSize: 3, onProgress }))).message).toContain('its event 4 is "own"');
    expect(await to.head()).toBe(4);
  });

  test('is refused when somebody else appends the next events, but not in their places', async () => {
    const [from, to] = [await memoryOf(numbered(10)), openMemoryStore()];
    const onProgress = ({ position }: CopyProgress): void => {
      if (position === 3) void to.append(own).then(() => to.append(numbered(3, 4)));
    };
    expect((await refusalOf(copyStore(from, to, { batchSize: 3, onProgress }))).message).toMatch(/^to is no copy of "from": it holds event 4 of "from" at position 5, not 4\./);
    expect(await to.head()).toBe(7);
  });
});

describe('two copies at once', () => {
  test('into one store help each other', async () => {
    const [from, to] = [await memoryOf(numbered(40)), openMemoryStore()];
    const results = await Promise.all([copyStore(from, to, { batchSize: 3 }), copyStore(from, to, { batchSize: 7 })]);
    expect(await all(to)).toEqual(await all(from));
    expect(results[0].copied + results[1].copied).toBe(40);
    expect(results.map(({ copied, present }) => copied + present)).toEqual([40, 40]);
  });
});

describe('batches', () => {
  const moment = '2020-05-05T05:05:05Z';

  test('whose events share a time stamp stay whole, also above batchSize', async () => {
    const from = openMemoryStore();
    for (const size of [2, 2, 5, 1, 9]) await from.append(numbered(size, (await from.head()) + 1, new Date(Date.UTC(2021, 0, (await from.head()) + 1)).toISOString()));
    const to = openMemoryStore();
    const appends = watchAppends(to);
    await copyStore(from, to, { batchSize: 4 });
    expect(appends).toEqual([4, 5, 1, 9]);
    expect(await all(to)).toEqual(await all(from));
  });

  test('above the limits of the target need splitBatches, and the message says what is lost', async () => {
    const from = await memoryOf([...numbered(3), ...numbered(150, 4, moment)]);
    const to = openMemoryStore({ limits: 'cosmos' });
    const error = await refusalOf(copyStore(from, to));
    expect([error.code, error.path]).toEqual(['INVALID_INPUT', 'options.splitBatches']);
    expect(error.message).toMatch(/events 4 to 153 of "from".* may have stored them together, .*Cosmos DB takes 99 .* splitBatches: true .* some of them/s);
    expect(await to.head()).toBe(3);
    const appends = watchAppends(to);
    expect(await copyStore(from, to, { splitBatches: true })).toEqual({ copied: 150, present: 3, position: 153 });
    expect(appends).toEqual([99, 51]);
    expect(await all(to)).toEqual(await all(from));
  });

  test('are divided between their events when the target takes less at once, and need no flag for that', async () => {
    const from = await memoryOf([...numbered(200), ...numbered(4, 201).map((event) => ({ ...event, data: 'é'.repeat(400_000) }))]);
    const to = openMemoryStore({ limits: 'cosmos' });
    await copyStore(from, to, { batchSize: 100_000 });
    expect(await all(to)).toEqual(await all(from));
  });

  test('of more events than any append may hold need splitBatches', async () => {
    const from = openMemoryStore();
    const one = { type: 'A', data: null, timestamp: moment };
    for (let i = 0; i < 2; i++) await from.append(Array.from({ length: 60_000 }, () => one));
    expect((await refusalOf(copyStore(from, openMemoryStore()))).message).toMatch(/^options\.splitBatches is not true, but events 1 to 100001 .* more than one append may hold/);
  });

  test('an event that is too large for the target is named by its position', async () => {
    const from = await memoryOf([...numbered(3), { type: 'Large', data: 'x'.repeat(2_000_000) }]);
    const to = openMemoryStore({ limits: 'cosmos' });
    const error = await refusalOf(copyStore(from, to, { splitBatches: true }));
    expect([error.code, error.path]).toEqual(['INVALID_INPUT', 'event 4 of "from"']);
    expect(error.message).toMatch(/takes \d+ bytes as a document/);
    expect(await to.head()).toBe(3);
  });
});

describe('progress', () => {
  async function progressOf(from: EventStore, to: EventStore, options: CopyOptions = {}): Promise<CopyProgress[]> {
    const seen: CopyProgress[] = [];
    await copyStore(from, to, { ...options, onProgress: (progress) => seen.push(progress) });
    return seen;
  }

  test('is told after each append, and at the end', async () => {
    const from = await memoryOf(numbered(10));
    const seen = await progressOf(from, await memoryOf(numbered(2)), { batchSize: 4 });
    expect(seen).toEqual([
      { copied: 4, present: 2, position: 6, head: 10, ratio: 0.6 },
      { copied: 8, present: 2, position: 10, head: 10, ratio: 1 },
    ]);
  });

  test('reaches 1 in an empty store, when nothing is missing, and behind the last match', async () => {
    const from = await memoryOf(numbered(10));
    expect(await progressOf(openMemoryStore(), openMemoryStore())).toEqual([{ copied: 0, present: 0, position: 0, head: 0, ratio: 1 }]);
    expect(await progressOf(from, await memoryOf(numbered(10)))).toEqual([{ copied: 0, present: 10, position: 10, head: 10, ratio: 1 }]);
    const query = { items: [{ tags: ['n:3'] }] };
    expect((await progressOf(from, openMemoryStore(), { query })).map(({ position, ratio }) => [position, ratio])).toEqual([[3, 0.3], [10, 1]]);
  });

  test('is not told, and nothing is read, when the signal has aborted before', async () => {
    const to = openMemoryStore();
    await expect(copyStore(await memoryOf(numbered(3)), to, { signal: AbortSignal.abort(new Error('no')), onProgress: () => expect.fail('told') })).rejects.toThrow('no');
    expect(await to.head()).toBe(0);
  });
});

describe('options', () => {
  const stores = (): [EventStore, EventStore] => [openMemoryStore(), openMemoryStore()];

  test.each<[Record<string, unknown>, string]>([
    [{ batch: 3 }, 'options.batch'],
    [{ batchSize: 0 }, 'options.batchSize'],
    [{ batchSize: 100_001 }, 'options.batchSize'],
    [{ after: -1 }, 'options.after'],
    [{ splitBatches: 'yes' }, 'options.splitBatches'],
    [{ onProgress: 1 }, 'options.onProgress'],
    [{ signal: 1 }, 'options.signal'],
    [{ query: { items: [] } }, 'options.query.items'],
  ])('%j is refused', async (options, path) => {
    expect((await refusalOf(copyStore(...stores(), options as CopyOptions))).path).toBe(path);
  });

  test('a store is not copied into itself, and what is no store is refused', async () => {
    const [store] = stores();
    expect((await refusalOf(copyStore(store, store))).path).toBe('to');
    // @ts-expect-error A path is no store.
    expect((await refusalOf(copyStore('./data', store))).path).toBe('from');
    // @ts-expect-error It has no such option.
    expect((await refusalOf(copyStore(store, stores()[0], { batchEvents: 1 }))).path).toBe('options.batchEvents');
  });

  test('two stores on one folder are one store: nothing is copied', async () => {
    const directory = fastFolder();
    const [from, to] = [await openStore({ directory, durability: 'os' }), await openStore({ directory, durability: 'os' })];
    await from.append(numbered(5));
    expect(await copyStore(from, to)).toEqual({ copied: 0, present: 5, position: 5 });
    await from.close();
    await to.close();
  });

  test('what it resolves to is typed', () => {
    expectTypeOf(copyStore).returns.resolves.toEqualTypeOf<CopyResult>();
    expectTypeOf<CopyProgress>().toExtend<CopyResult>();
  });
});
