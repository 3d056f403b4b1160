import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest';
import { openMemoryStore, stream, withContext, WrongExpectedVersionError, type EventStore, type NewEvent, type ReadOptions, type Stream, type VersionedEvent } from '../../src/index.js';
import { recallMark, rememberMark } from '../../src/modelling/stream-marks.js';

let store: EventStore;
let course: Stream;
/** What was asked of the store. */
let reads: ReadOptions[];

beforeEach(() => {
  const memory = openMemoryStore();
  reads = [];
  store = {
    append: (...args) => memory.append(...args),
    read: (query, options = {}) => (reads.push(options), memory.read(query, options)),
    subscribe: (...args) => memory.subscribe(...args),
    head: () => memory.head(),
    state: memory.state,
    close: () => memory.close(),
    [Symbol.asyncDispose]: () => memory.close(),
  };
  course = stream(store, 'course-c1');
});
afterEach(() => store.close());

const event = (n: number, id?: string): NewEvent => ({ type: 'Happened', data: { n }, ...(id !== undefined && { id }) });
const events = (count: number, from = 1): NewEvent[] => Array.from({ length: count }, (_, i) => event(from + i));
const elsewhere = (): Promise<unknown> => store.append({ type: 'Elsewhere', data: null, tags: ['stream:other'] });
const versions = async (read: AsyncIterable<VersionedEvent>): Promise<number[]> => {
  const found: number[] = [];
  for await (const { version } of read) found.push(version);
  return found;
};
const refusal = (expected: unknown, actual: number): object => ({ code: 'WRONG_EXPECTED_VERSION', retryable: true, expected, actual, details: { stream: 'course-c1', expected, actual } });

describe('appending', () => {
  test('tells version and positions, whatever lies between', async () => {
    await elsewhere();
    expect(await course.append(events(2), { expectedVersion: 'none' })).toEqual({ version: 2, first: 2, last: 3, duplicate: false });
    await elsewhere();
    expect(await course.append(event(3), { expectedVersion: 2 })).toEqual({ version: 3, first: 5, last: 5, duplicate: false });
    await elsewhere();
    expect(await course.append(events(2, 4), { expectedVersion: 'any' })).toEqual({ version: 5, first: 7, last: 8, duplicate: false });
    expect(await course.append(event(6), { expectedVersion: 'exists' })).toEqual({ version: 6, first: 9, last: 9, duplicate: false });
    expect((await course.read().toArray()).map(({ version, position, data }) => [version, position, data])).toEqual(
      [2, 3, 5, 7, 8, 9].map((position, i) => [i + 1, position, { n: i + 1 }]),
    );
  });

  test('adds the tag and leaves the rest alone', async () => {
    const given: NewEvent = { ...event(1), tags: ['course:c1'], metadata: { user: 'u' } };
    await course.append([given, { ...event(2), tags: ['stream:course-c1', 'x'] }], { expectedVersion: 0 });
    const [first, second] = await store.read().toArray();
    expect([first!.tags, first!.metadata, second!.tags]).toEqual([['course:c1', 'stream:course-c1'], { user: 'u' }, ['stream:course-c1', 'x']]);
    expect(given.tags).toEqual(['course:c1']);
    expect(course.tag).toBe('stream:course-c1');
  });

  test.each([
    ['none', 1, 'none', 'has version 1, but no events were expected'],
    [0, 1, 0, 'has version 1'],
    [1, 0, 1, 'has no events, but version 1 was expected'],
    ['exists', 0, 'exists', 'has no events, but at least one was expected'],
    [2, 1, 2, 'has version 1, but version 2 was expected'],
    [1, 3, 1, 'has version 3'],
  ] as const)('expecting %s of a stream with %i events is refused', async (expectedVersion, count, expected, message) => {
    for (const others of [0, 1]) {
      if (others > 0) await elsewhere();
      else if (count > 0) await stream(store, 'course-c1').append(events(count), { expectedVersion: 'any' });
      const head = await store.head();
      const refused = course.append(event(9), { expectedVersion });
      await expect(refused).rejects.toBeInstanceOf(WrongExpectedVersionError);
      await expect(refused).rejects.toMatchObject(refusal(expected, count));
      await expect(refused).rejects.toThrow(message);
      expect(await store.head()).toBe(head);
    }
  });

  test('a stale version is refused although this process never saw the newer events', async () => {
    await course.append(event(1), { expectedVersion: 'none' });
    await store.append([{ ...event(2), tags: [course.tag] }, { ...event(3), tags: [course.tag] }]);
    await expect(course.append(event(4), { expectedVersion: 1 })).rejects.toMatchObject({ ...refusal(1, 3), cause: { code: 'APPEND_CONDITION_FAILED', position: 2 } });
  });

  test('of many at one version exactly one wins, and of many at any version all do', async () => {
    await course.append(event(1), { expectedVersion: 'none' });
    const outcomes = await Promise.allSettled(events(10).map((one) => course.append(one, { expectedVersion: 1 })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const results = await Promise.all(events(10).map((one) => stream(store, 'course-c1').append([one, one], { expectedVersion: 'any' })));
    expect(results.map(({ version }) => version)).toEqual([4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
  });

  test('streams of similar ids do not mix', async () => {
    const ids = ['a', 'A', 'a:b', 'a:', 'stream:a', '../a', 'é', 'e\u0301', ' ', '\0', 'x'.repeat(1000), 'é'.repeat(500)];
    for (const id of ids) await stream(store, id).append(event(1), { expectedVersion: 'none' });
    for (const id of ids) expect(await stream(store, id).version()).toBe(1);
  });

  test('an event in two streams counts in both', async () => {
    const other = stream(store, 'other');
    await other.append({ ...event(1), tags: [course.tag] }, { expectedVersion: 'none' });
    expect([await course.version(), await other.version()]).toEqual([1, 1]);
    await course.append(event(2), { expectedVersion: 1 });
    expect([await course.version(), await other.version()]).toEqual([2, 1]);
  });
});

describe('duplicates', () => {
  const batch = [event(1, 'a'), event(2, 'b')];
  const original = { version: 2, first: 1, last: 2, duplicate: true };

  test.each(['none', 0, 2, 5, 1, 'exists', 'any', 77] as const)('come back with their positions and version, expecting %s', async (expectedVersion) => {
    await course.append(batch, { expectedVersion: 'none' });
    expect(await course.append(batch, { expectedVersion })).toEqual(original);
    await elsewhere();
    await course.append(events(3, 3), { expectedVersion: 2 });
    expect(await course.append(batch, { expectedVersion })).toEqual(original);
    // Of a process that knows nothing yet.
    const fresh = withContext({}, store);
    expect(await stream({ ...fresh }, 'course-c1').append(batch, { expectedVersion })).toEqual(original);
    expect(await course.version()).toBe(5);
  });

  test('an id with other content is a conflict whatever is expected', async () => {
    await course.append(batch, { expectedVersion: 'none' });
    for (const expectedVersion of ['none', 2, 7, 'any'] as const) {
      await expect(course.append(event(9, 'a'), { expectedVersion })).rejects.toMatchObject({ code: 'EVENT_ID_CONFLICT', reason: 'content' });
      await expect(course.append([event(2, 'b'), event(3)], { expectedVersion })).rejects.toMatchObject({ code: 'EVENT_ID_CONFLICT', reason: 'partial' });
    }
    await expect(stream(store, 'other').append(batch, { expectedVersion: 'exists' })).rejects.toMatchObject({ code: 'EVENT_ID_CONFLICT' });
  });
});

describe('reading', () => {
  beforeEach(async () => {
    for (let i = 1; i <= 5; i++) {
      await course.append(event(i), { expectedVersion: i - 1 });
      await elsewhere();
    }
  });

  test.each([
    [{}, [1, 2, 3, 4, 5]],
    [{ fromVersion: 1 }, [1, 2, 3, 4, 5]],
    [{ fromVersion: 3 }, [3, 4, 5]],
    [{ fromVersion: 5 }, [5]],
    [{ fromVersion: 6 }, []],
    [{ toVersion: 1 }, [1]],
    [{ fromVersion: 2, toVersion: 4 }, [2, 3, 4]],
    [{ fromVersion: 4, toVersion: 2 }, []],
    [{ fromVersion: 2, toVersion: 4, limit: 2 }, [2, 3]],
    [{ toVersion: 4, limit: 9 }, [1, 2, 3, 4]],
    [{ fromVersion: Number.MAX_SAFE_INTEGER, limit: Number.MAX_SAFE_INTEGER }, []],
    [{ backwards: true }, [5, 4, 3, 2, 1]],
    [{ backwards: true, limit: 1 }, [5]],
    [{ backwards: true, fromVersion: 2, toVersion: 4 }, [4, 3, 2]],
    [{ backwards: true, fromVersion: 2, toVersion: 4, limit: 2 }, [4, 3]],
    [{ backwards: true, fromVersion: 4, toVersion: 2 }, []],
    [{ backwards: true, toVersion: 99, limit: 2 }, [5, 4]],
    [{ backwards: true, fromVersion: 6 }, []],
  ])('%o gives %j', async (options, expected) => {
    const known = course.read(options);
    const unknown = stream({ ...store }, 'course-c1').read(options);
    for (const read of [known, unknown]) {
      expect(await versions(read)).toEqual(expected);
      expect((await read.toArray()).map(({ version, data }) => [version, data])).toEqual(expected.map((version) => [version, { n: version }]));
      expect((await read.first())?.version).toBe(expected[0]);
    }
  });

  test.each([{}, { backwards: true }])('is a snapshot: %o', async (options) => {
    const read = course.read(options);
    const before = await read.toArray();
    await course.append(event(6), { expectedVersion: 5 });
    expect(await read.toArray()).toEqual(before);
    expect(await course.read(options).toArray()).toHaveLength(6);
  });

  test('counts what was appended past the stream', async () => {
    await store.append({ ...event(6), tags: ['x', course.tag] });
    expect(await versions(course.read({ fromVersion: 5 }))).toEqual([5, 6]);
    expect(await versions(course.read({ backwards: true, limit: 2 }))).toEqual([6, 5]);
    expect(await course.append(event(7), { expectedVersion: 6 })).toMatchObject({ version: 7 });
  });

  test('knows version and existence', async () => {
    expect([await course.version(), await course.exists()]).toEqual([5, true]);
    expect([await stream({ ...store }, 'course-c1').exists(), await stream(store, 'none').exists(), await stream(store, 'none').version()]).toEqual([true, false, 0]);
  });

  test('types its events', async () => {
    expectTypeOf(await course.read().first()).toEqualTypeOf<VersionedEvent | undefined>();
    expectTypeOf<VersionedEvent['version']>().toEqualTypeOf<number>();
  });
});

describe('what is known is not read again', () => {
  test('an append after a read reads nothing, and later ones only what is new', async () => {
    await store.append(events(50).map((one) => ({ ...one, tags: ['stream:course-c1'] })));
    await course.read().toArray();
    reads = [];
    await course.append(event(51), { expectedVersion: 50 });
    await course.append(event(52), { expectedVersion: 'any' });
    await course.append(event(53), { expectedVersion: 'exists' });
    expect(await course.exists()).toBe(true);
    expect(reads).toEqual([]);
    await elsewhere();
    await stream(store, 'course-c1').append(event(54), { expectedVersion: 'any' });
    expect(reads).toEqual([{ after: 53, before: 55 }]);
    reads = [];
    await versions(course.read({ fromVersion: 55 }));
    expect(reads).toEqual([{ after: 55 }]);
  });

  test('a wrapper for one request knows what its store knows', async () => {
    await course.append(events(3), { expectedVersion: 'none' });
    reads = [];
    const result = await stream(withContext({ correlationId: 'r1' }, store), 'course-c1').append(event(4), { expectedVersion: 3 });
    expect([result.version, reads]).toEqual([4, []]);
    expect((await course.read({ fromVersion: 4 }).first())?.metadata).toEqual({ correlationId: 'r1' });
  });

  test('what reaches less far does not replace what is known', () => {
    rememberMark(store, course.tag, { version: 3, position: 9 });
    rememberMark(store, course.tag, { version: 2, position: 5 });
    expect(recallMark(store, course.tag)).toEqual({ version: 3, position: 9 });
  });

  test('the streams used least recently are forgotten, and counted again', async () => {
    await course.append(events(3), { expectedVersion: 'none' });
    const kept = stream(store, 'kept');
    await kept.append(event(1), { expectedVersion: 'none' });
    for (let i = 0; i < 9_999; i++) rememberMark(store, `stream:s${i}`, { version: 1, position: 1 });
    reads = [];
    expect((await kept.append(event(2), { expectedVersion: 1 })).version).toBe(2);
    expect(reads).toEqual([]);
    expect((await course.append(event(4), { expectedVersion: 3 })).version).toBe(4);
    expect(reads).toEqual([{ after: 0 }]);
  });
});

describe('bad input', () => {
  test.each([
    [() => stream(store, ''), 'stream id'],
    [() => stream(store, 'x'.repeat(1001)), 'stream id'],
    [() => stream(store, 'é'.repeat(501)), 'stream id'],
    [() => stream(store, '\ud800'), 'stream id'],
    // @ts-expect-error an id is text
    [() => stream(store, 7), 'stream id'],
    [() => course.read({ fromVersion: 0 }), 'options.fromVersion'],
    [() => course.read({ toVersion: 1.5 }), 'options.toVersion'],
    [() => course.read({ toVersion: Infinity }), 'options.toVersion'],
    [() => course.read({ limit: 0 }), 'options.limit'],
    // @ts-expect-error positions are the store's
    [() => course.read({ after: 1 }), 'options.after'],
    // @ts-expect-error a signal is an AbortSignal
    [() => course.read({ backwards: true, signal: 'now' }), 'options.signal'],
  ] as [() => unknown, string][])('%s is refused at once', (call, path) => {
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', path }));
  });

  test.each([
    // @ts-expect-error the options are missing
    [() => course.append(event(1)), 'options'],
    // @ts-expect-error the version is missing
    [() => course.append(event(1), {}), 'options.expectedVersion'],
    // @ts-expect-error there is no such word
    [() => course.append(event(1), { expectedVersion: 'new' }), 'options.expectedVersion'],
    [() => course.append(event(1), { expectedVersion: -1 }), 'options.expectedVersion'],
    [() => course.append(event(1), { expectedVersion: NaN }), 'options.expectedVersion'],
    // @ts-expect-error it is a version that is expected
    [() => course.append(event(1), { expectedVersion: 'any', after: 1 }), 'options.after'],
    [() => course.append([], { expectedVersion: 'any' }), 'events'],
    // @ts-expect-error no event
    [() => course.append(null, { expectedVersion: 'any' }), 'events[0]'],
    // @ts-expect-error no event
    [() => course.append([event(1), 'x'], { expectedVersion: 'any' }), 'events[1]'],
    // @ts-expect-error tags are a list
    [() => course.append({ ...event(1), tags: 'x' }, { expectedVersion: 'any' }), 'events[0].tags'],
    [() => course.append({ ...event(1), tags: Array.from({ length: 255 }, (_, i) => `t${i}`) }, { expectedVersion: 'any' }), 'events[0].tags'],
  ] as [() => Promise<unknown>, string][])('%s is refused', async (call, path) => {
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_INPUT', path });
    expect(await store.head()).toBe(0);
  });

  test('an aborted call appends nothing, and rejects with the reason', async () => {
    const aborted = AbortSignal.abort('enough');
    for (const expectedVersion of ['none', 'any', 1] as const) await expect(course.append(event(1), { expectedVersion, signal: aborted })).rejects.toBe('enough');
    await expect(course.read({ signal: aborted }).toArray()).rejects.toBe('enough');
    await expect(course.read({ signal: aborted, backwards: true }).toArray()).rejects.toBe('enough');
    await expect(course.version({ signal: aborted })).rejects.toBe('enough');
    await expect(course.exists({ signal: aborted })).rejects.toBe('enough');
    expect(await store.head()).toBe(0);
  });

  test('nothing is stored when a stream that is yet unknown cannot be counted', async () => {
    const failing: EventStore = { ...store, read: () => { throw new Error('No such luck.'); } };
    for (const expectedVersion of ['any', 'exists', 1] as const) {
      await expect(stream(failing, 'course-c1').append(event(1), { expectedVersion })).rejects.toThrow('No such luck.');
    }
    expect(await store.head()).toBe(0);
  });

  test('events that are stored but cannot be counted are told so', async () => {
    let broken = false;
    const failing: EventStore = {
      ...store,
      read(...args) {
        if (broken) throw new Error('No such luck.');
        return store.read(...args);
      },
    };
    const its = stream(failing, 'course-c1');
    await its.append(event(1), { expectedVersion: 'none' });
    await elsewhere();
    broken = true;
    await expect(its.append(event(2), { expectedVersion: 'any' })).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown', details: { first: 3, last: 3 } });
    expect(await course.version()).toBe(2);
  });
});
