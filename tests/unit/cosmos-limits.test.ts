/*
 * goal: with `limits: 'cosmos'` a store refuses at the desk what the Cosmos store refuses before any request, and nothing else.
 * method: appends and states on both sides of each bound, and random events whose measured size is compared with their document.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareEvents } from '../../src/core/check-input.js';
import { checkCosmosBatch, cosmosDocumentId } from '../../src/core/cosmos-limits.js';
import { systemDefaults } from '../../src/core/defaults.js';
import { toDocument } from '../../src/cosmos/documents.js';
import { openMemoryStore, openStore, type EventStore, type InvalidInputError, type NewEvent } from '../../src/index.js';
import { eventArb } from '../properties/arbitraries.js';
import { fastFolder } from '../support/folder.js';

type Open = (limits?: 'cosmos') => Promise<EventStore>;
const stores: [name: string, open: Open][] = [
  ['memory', async (limits) => openMemoryStore(limits ? { limits } : {})],
  ['files', (limits) => openStore({ directory: fastFolder(), durability: 'os', ...(limits ? { limits } : {}) })],
];

const events = (count: number, data: string | number = 0): NewEvent[] => Array.from({ length: count }, () => ({ type: 'A', data }));
const refusalOf = (work: Promise<unknown>): Promise<InvalidInputError> =>
  work.then(
    () => expect.fail('it was accepted'),
    (error: unknown) => error as InvalidInputError,
  );

describe.each(stores)('a %s store with the limits of Cosmos DB', (_, open) => {
  test('takes 99 events at once, and refuses 100 with path and hint', async () => {
    const store = await open('cosmos');
    expect(await store.append(events(99))).toEqual({ first: 1, last: 99, duplicate: false });
    const error = await refusalOf(store.append(events(100)));
    expect([error.code, error.path]).toEqual(['INVALID_INPUT', 'events']);
    expect(error.message).toMatch(/^events holds 100 events; Cosmos DB takes 99 in one append, .* Split it\.$/);
    expect(await store.head()).toBe(99);
    await store.close();
  });

  test('takes 1.9 MB at once, and refuses more: of one event, and of several together', async () => {
    const store = await open('cosmos');
    await store.append({ type: 'A', data: 'é'.repeat(949_000) });
    const one = await refusalOf(store.append([{ type: 'A', data: 0 }, { type: 'A', data: 'x'.repeat(1_900_000) }]));
    expect([one.code, one.path]).toEqual(['INVALID_INPUT', 'events[1]']);
    expect(one.message).toMatch(/takes 19\d+ bytes as a document; .* Store large content elsewhere/);
    const several = await refusalOf(store.append(events(2, 'x'.repeat(960_000))));
    expect([several.path, several.message]).toEqual(['events', expect.stringMatching(/^events take \d+ bytes as documents; Cosmos DB takes 1900000 .* Split it\.$/)]);
    expect(await store.head()).toBe(1);
    await store.close();
  });

  test('refuses a state above 1.9 MB, and keeps what was saved', async () => {
    const store = await open('cosmos');
    const { state } = store;
    await state.save('a/b', 'x'.repeat(1_899_000));
    // Quotes are written as two characters once more in the document.
    const error = await refusalOf(state.save('a/b', '"'.repeat(500_000)));
    expect([error.code, error.path]).toEqual(['INVALID_INPUT', 'value']);
    expect(error.message).toMatch(/takes \d+ bytes as a document; Cosmos DB takes 1900000\. Split it\./);
    expect((await state.load('a/b'))?.version).toBe(1);
    await store.close();
  });

  test('takes all that without them', async () => {
    const store = await open();
    await store.append(events(100));
    await store.append({ type: 'A', data: 'x'.repeat(1_900_000) });
    await store.state.save('a', 'x'.repeat(1_900_000));
    expect(await store.head()).toBe(101);
    await store.close();
  });
});

describe('the option', () => {
  test("is 'cosmos' or absent", async () => {
    // @ts-expect-error There are no such limits.
    expect(() => openMemoryStore({ limits: 'azure' })).toThrow(/options\.limits is the string "azure"; it must be 'cosmos'/);
    // @ts-expect-error There are no such limits.
    await expect(openStore({ directory: fastFolder(), limits: 99 })).rejects.toThrow(/options\.limits is 99; it must be 'cosmos'/);
  });

  test('is of one store: another one on the same folder takes more', async () => {
    const directory = fastFolder();
    const limited = await openStore({ directory, durability: 'os', limits: 'cosmos' });
    const free = await openStore({ directory, durability: 'os' });
    await expect(limited.append(events(100))).rejects.toThrow('99');
    await free.append(events(100));
    expect(await limited.head()).toBe(100);
    await limited.close();
    await free.close();
  });
});

describe('what is measured', () => {
  const commit = systemDefaults.newId();

  test('is the documents that the Cosmos store writes', () => {
    fc.assert(
      fc.property(fc.array(eventArb, { minLength: 1, maxLength: 3 }), (batch) => {
        const prepared = prepareEvents(batch.map((event, i) => ({ ...event, id: `${i}/é#` })), systemDefaults);
        const documents = prepared.map((event) => JSON.stringify(toDocument(event, 'orders', commit, Number.MAX_SAFE_INTEGER)));
        expect(checkCosmosBatch(prepared, 'orders', commit).documentBytes).toBe(documents.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
      }),
      { numRuns: 50 },
    );
  });

  test('holds for data nested too deep for a document', () => {
    let data: NewEvent['data'] = 'deep';
    for (let level = 0; level < 200; level++) data = [data];
    const prepared = prepareEvents({ type: 'A', data }, systemDefaults);
    const text = JSON.stringify(toDocument(prepared[0]!, 'orders', commit, Number.MAX_SAFE_INTEGER));
    expect(text).toContain('"deep":"');
    expect(checkCosmosBatch(prepared, 'orders', commit).documentBytes).toBe(text.length);
  });

  test('has an id of its own for each event id, of letters that a document may have', () => {
    const ids = ['a', 'a.b', 'a.2eb', '$ledger', 'é', '💥', 'a/b\\c?d#e'].map(cosmosDocumentId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[\w.-]+$/);
  });
});
