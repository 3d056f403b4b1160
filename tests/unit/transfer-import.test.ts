/*
 * Goal: an import stores every event of its source once, whatever the source and however often it is interrupted.
 * Method: sources in awkward pieces, broken lines, aborts between and within batches, on the memory store.
 */
import { describe, expect, test } from 'vitest';
import { importEvents, isOpossumError, openMemoryStore, type EventStore, type NewEvent } from '../../src/index.js';

const line = (event: object): string => `${JSON.stringify(event)}\n`;
const numbered = (count: number, from = 1): NewEvent[] =>
  Array.from({ length: count }, (_, i) => ({ id: `e${from + i}`, type: 'Counted', tags: [`n:${from + i}`], data: { n: from + i } }));
const lines = (events: readonly object[]): string => events.map(line).join('');

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => Promise.reject(new Error('expected a rejection')),
    (error: Error & { code?: string }) => error,
  );
}

const stored = (store: EventStore): Promise<unknown[]> => store.read().toArray();

describe('an NDJSON import', () => {
  test('keeps id, type, tags, data, metadata and timestamp', async () => {
    const store = openMemoryStore();
    const event = { id: 'a', type: 'T', tags: ['x:1', 'y'], data: { n: [1, null, 'é'] }, metadata: { user: 'u' }, timestamp: '2020-01-02T03:04:05.123456789Z' };
    expect(await importEvents(store, line(event))).toEqual({ imported: 1, present: 0, descriptions: 0 });
    expect(await stored(store)).toEqual([{ ...event, position: 1 }]);
  });

  test.each([1, 2, 3, 7, 64])('reads a source that comes in pieces of %i bytes', async (size) => {
    const store = openMemoryStore();
    const bytes = Buffer.from(`\ufeff${line({ type: 'Ä', data: '😀' })}\r\n  \n${line({ type: 'B', data: 2 }).trimEnd()}`);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    expect(await importEvents(store, pieces)).toMatchObject({ imported: 2 });
    expect((await store.read().toArray()).map(({ type, data }) => [type, data])).toEqual([
      ['Ä', '😀'],
      ['B', 2],
    ]);
  });

  test('takes equal lines of two files for two events, and those of one file for the same wherever it lies', async () => {
    const store = openMemoryStore();
    const started = { type: 'Started', data: null };
    expect(await importEvents(store, lines([started, { type: 'Sold', data: 1 }]), { name: 'mon.ndjson' })).toMatchObject({ imported: 2, present: 0 });
    expect(await importEvents(store, lines([started, { type: 'Sold', data: 2 }]), { name: 'tue.ndjson' })).toMatchObject({ imported: 2, present: 0 });
    expect(await importEvents(store, lines([started, { type: 'Sold', data: 1 }]), { name: '/archive/mon.ndjson' })).toMatchObject({ imported: 0, present: 2 });
    expect(await importEvents(store, lines([started]), { name: 'C:\\archive\\tue.ndjson' })).toMatchObject({ imported: 0, present: 1 });
  });

  test('gives events without id the same ids in every run, and equal lines different ones', async () => {
    const store = openMemoryStore();
    const source = line({ type: 'T', data: 1 }).repeat(3);
    expect(await importEvents(store, source)).toMatchObject({ imported: 3, present: 0 });
    expect(await importEvents(store, source, { batchSize: 2 })).toMatchObject({ imported: 0, present: 3 });
    expect(new Set((await store.read().toArray()).map(({ id }) => id)).size).toBe(3);
  });

  test('ignores position, so that what read --json prints can be imported', async () => {
    const store = openMemoryStore();
    await importEvents(store, line({ position: 99, id: 'a', type: 'T', tags: [], data: null, metadata: {}, timestamp: '2020-01-01T00:00:00Z' }));
    expect(await stored(store)).toMatchObject([{ position: 1, id: 'a' }]);
  });

  test('accepts a source without events', async () => {
    expect(await importEvents(openMemoryStore(), '\n \n')).toEqual({ imported: 0, present: 0, descriptions: 0 });
  });

  test('takes an id that comes twice with the same content as there already, and refuses it with other content', async () => {
    const [first, second] = numbered(2);
    expect(await importEvents(openMemoryStore(), lines([first!, second!, first!]))).toMatchObject({ imported: 2, present: 1 });
    const store = openMemoryStore();
    const error = await failure(importEvents(store, lines([first!, second!, { ...first, data: 'other' }]), { name: 'f.ndjson' }));
    expect(isOpossumError(error, 'EVENT_ID_CONFLICT')).toBe(true);
    expect(error.message).toMatch(/^f\.ndjson:3: Event id "e1" is already stored at position 1/);
    expect(await store.head()).toBe(2);
  });
});

describe('an import that is run again', () => {
  test.each([
    [7, 10],
    [10, 7],
    [1, 100],
    [100, 1],
  ])('after batches of %i goes on in batches of %i', async (before, after) => {
    const store = openMemoryStore();
    const events = numbered(95);
    await importEvents(store, lines(events.slice(0, 43)), { batchSize: before });
    expect(await importEvents(store, lines(events), { batchSize: after })).toEqual({ imported: 52, present: 43, descriptions: 0 });
    expect((await store.read().toArray()).map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  });

  test('finds events that lie scattered among others', async () => {
    const store = openMemoryStore();
    const events = numbered(20);
    for (const event of events.filter((_, i) => i % 3 === 0)) await store.append([event, { type: 'Other', data: null }]);
    expect(await importEvents(store, lines(events))).toMatchObject({ imported: 13, present: 7 });
    expect(await store.head()).toBe(14 + 13);
  });
});

describe('a broken line', () => {
  test.each([
    ['{"type":"T",', /^f\.ndjson:4 is not valid JSON: /],
    ['17', /^f\.ndjson:4 is 17; it must be an object\./],
    ['{"data":1}', /^f\.ndjson:4: type is missing\./],
    ['{"type":"T"}', /^f\.ndjson:4: data is missing\./],
    ['{"type":7,"data":1}', /^f\.ndjson:4: type is 7; it must be a string\./],
    ['{"type":"T","data":1,"tags":["a",2]}', /^f\.ndjson:4: tags\[1\] is 2; it must be a string\./],
    ['{"type":"T","data":1,"tags":["a",""]}', /^f\.ndjson:4: tags\[1\] is empty/],
    ['{"type":"T","data":1,"colour":"red"}', /^f\.ndjson:4: colour is not a field of an event\./],
    ['{"type":"T","data":{"a":{"__proto__":1}}}', /^f\.ndjson:4: data\.a\["__proto__"\] is a key that/],
    ['{"type":"T","data":1,"metadata":[]}', /^f\.ndjson:4: metadata is an array; it must be an object\./],
    ['{"type":"T","data":1,"timestamp":"yesterday"}', /^f\.ndjson:4: timestamp is the string "yesterday"; it must be RFC 3339/],
    ['{"type":"T","data":"\\ud800"}', /^f\.ndjson:4: data holds a lone surrogate/],
    ['{"type":"T","data":1e999}', /^f\.ndjson:4: data is Infinity/],
  ])('%s is named, its batch is not stored, the batches before it are', async (broken, message) => {
    const store = openMemoryStore();
    const [a, b, c, d] = numbered(4);
    const source = lines([a!, b!]) + line(c!) + `${broken}\n` + line(d!);
    const error = await failure(importEvents(store, source, { batchSize: 2, name: 'f.ndjson' }));
    expect(isOpossumError(error, 'INVALID_INPUT')).toBe(true);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/2 events before it were imported, 0 were there already; its batch was not stored\. Correct it and run the same import again/);
    expect(await store.head()).toBe(2);
    expect(await importEvents(store, lines([a!, b!, c!, d!]), { batchSize: 2 })).toMatchObject({ imported: 2, present: 2 });
  });

  test('is counted in lines of the file, blank ones included, and named without a file name too', async () => {
    expect((await failure(importEvents(openMemoryStore(), `\n\n${line({ type: 'T', data: 1 })}oops\n`))).message).toMatch(/^line 4 is not valid JSON/);
  });

  test('that is not UTF-8 is refused, not altered', async () => {
    const source = [Buffer.concat([Buffer.from('{"type":"T","data":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}\n')])];
    expect((await failure(importEvents(openMemoryStore(), source))).message).toMatch(/^line 1 is not UTF-8/);
  });
});

describe('aborting', () => {
  test('lets the batch in hand finish and rejects with the reason', async () => {
    const store = openMemoryStore();
    const stop = new AbortController();
    const reason = new Error('enough');
    const seen: number[] = [];
    const running = importEvents(store, lines(numbered(100)), {
      batchSize: 10,
      signal: stop.signal,
      onProgress({ imported }) {
        seen.push(imported);
        if (imported === 30) stop.abort(reason);
      },
    });
    expect(await failure(running)).toBe(reason);
    expect(seen).toEqual([10, 20, 30]);
    expect(await store.head()).toBe(30);
  });

  test('does not wait for a source that is silent', async () => {
    const stop = new AbortController();
    async function* silent(): AsyncGenerator<string> {
      yield line({ type: 'T', data: 1 });
      stop.abort(new Error('enough'));
      await new Promise(() => undefined);
    }
    await expect(importEvents(openMemoryStore(), silent(), { signal: stop.signal })).rejects.toThrow('enough');
  });

  test('before the start imports nothing', async () => {
    const store = openMemoryStore();
    await expect(importEvents(store, lines(numbered(3)), { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
    expect(await store.head()).toBe(0);
  });
});

describe('wrong use', () => {
  test.each([
    [{ format: 'csv' }, /^options\.format is the string "csv"/],
    [{ batchSize: 0 }, /^options\.batchSize is 0/],
    [{ batchSize: 100_001 }, /^options\.batchSize is 100001/],
    [{ colour: 1 }, /^options\.colour is not a field of import options/],
  ])('%j is refused', async (options, message) => {
    await expect(importEvents(openMemoryStore(), '', options as object)).rejects.toThrow(message);
  });

  test.each([[17], [null], [{}]])('a source %j is refused', async (source) => {
    await expect(importEvents(openMemoryStore(), source as unknown as string)).rejects.toThrow(/^source is /);
    await expect(importEvents(openMemoryStore(), [source] as unknown as string[])).rejects.toThrow(/^source gave /);
  });

  test('errors of the source come through as they are', async () => {
    const broken = new Error('disk on fire');
    // eslint-disable-next-line require-yield
    async function* source(): AsyncGenerator<string> {
      throw broken;
    }
    expect(await failure(importEvents(openMemoryStore(), source()))).toBe(broken);
  });
});
