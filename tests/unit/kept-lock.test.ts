/*
 * Goal: a writer that keeps the lock asks the file only once what others appended, and decides rightly all the same when
 * somebody appended whom the lock should have kept away.
 * Method: engines as of several processes whose locks keep nobody away, and whose timers never end, so that nobody lets go.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/disk/clock.js';
import { openEngine } from '../../src/engine/open-store.js';
import type { LockHold } from '../../src/engine/engine.js';
import type { EventStore } from '../../src/index.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';

const event = (id: string): { type: string; id: string; data: null } => ({ type: 'T', id, data: null });
const noneAfter = (after: number): { failIfEventsMatch: 'all'; after: number } => ({ failIfEventsMatch: 'all', after });
const idsOf = async (store: EventStore): Promise<string[]> => (await store.read().toArray()).map(({ id }) => id);

const openHold: LockHold = { lost: false, takenOver: false, othersWait: () => false, release: () => Promise.resolve() };

let directory: string;
let stores: EventStore[];

async function open(faults: Faults = {}): Promise<EventStore> {
  const ports = { ...faultyPorts(faults), engines: new Map(), openLock: () => ({ acquire: () => Promise.resolve(openHold) }) };
  const clock = { ...systemClock, timer: () => () => undefined };
  const store = await openEngine({ directory, eventFiles: 'none' }, { ...ports, clock });
  stores.push(store);
  return store;
}

beforeEach(() => {
  directory = freshFolder();
  stores = [];
});

afterEach(() => Promise.all(stores.map((store) => store.close())));

test('the size of the ledger is looked at once before each write, and no more behind the first', async () => {
  let looks = 0;
  const store = await open({ fail: (verb) => void (looks += verb === 'file.stat' ? 1 : 0) });
  await store.append(event('a'));
  looks = 0;
  for (const id of ['b', 'c', 'd']) await store.append(event(id));
  expect(looks).toBe(3);
});

test('a condition that is broken by an event which came past the lock fails', async () => {
  const [keeper, other] = [await open(), await open()];
  await keeper.append(event('a'));
  await other.append(event('b'));
  await expect(keeper.append(event('c'), noneAfter(1))).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED' });
  expect(await keeper.append(event('d'))).toMatchObject({ first: 3 });
  expect(await idsOf(await open())).toEqual(['a', 'b', 'd']);
});

test('who knows of an event which came past the lock may build upon it', async () => {
  const [keeper, other] = [await open(), await open()];
  await keeper.append(event('a'));
  await other.append(event('b'));
  expect(await keeper.append(event('c'), noneAfter(2))).toMatchObject({ first: 3 });
  await expect(keeper.append(event('d'), noneAfter(4))).rejects.toMatchObject({ code: 'POSITION_AHEAD' });
  expect(await idsOf(await open())).toEqual(['a', 'b', 'c']);
});

test('a repetition of what came past the lock is known', async () => {
  const [keeper, other] = [await open(), await open()];
  await keeper.append(event('a'));
  await other.append(event('b'));
  expect(await keeper.append(event('b'))).toMatchObject({ first: 2, duplicate: true });
});

test('what was stored in two pieces past the lock is a repetition all the same', async () => {
  const [keeper, other] = [await open(), await open()];
  await keeper.append(event('a'));
  await other.append(event('b'));
  // The keeper knows only the first half.
  expect(await keeper.append([event('a'), event('b')])).toMatchObject({ first: 1, last: 2, duplicate: true });
});

const dataOf = (length: number): string => 'x'.repeat(length);

test.each([
  ['less than was lost', dataOf(10)],
  ['more than was lost', dataOf(1000)],
])('a ledger that was cut off beneath the lock takes no append that anybody could believe: of %s', async (_, data) => {
  const store = await open();
  await store.append(event('a'));
  await store.append({ ...event('b'), data: dataOf(500) });
  const ledger = path.join(directory, 'default', 'ledger');
  fs.truncateSync(ledger, fs.statSync(ledger).size - 400);
  await expect(store.append({ ...event('c'), data })).rejects.toMatchObject({ outcome: 'unknown', cause: { code: 'LEDGER_CORRUPT' } });
  await expect(store.append(event('d'))).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
  await expect(store.read().toArray()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
});

test('what a ledger that was cut off beneath the lock held is not called stored any more', async () => {
  const store = await open();
  await store.append(event('a'));
  await store.append(event('b'));
  const ledger = path.join(directory, 'default', 'ledger');
  fs.truncateSync(ledger, fs.statSync(ledger).size - 10);
  await expect(store.append(event('b'))).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
  await expect(store.append(event('c'), noneAfter(1))).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
});

test('a first look that failed is made up for', async () => {
  let looks = 0;
  let failing = false;
  const keeper = await open({ fail: (verb) => (verb === 'file.stat' && ++looks > 0 && failing ? 'EIO' : undefined) });
  failing = true;
  await expect(keeper.append(event('a'))).rejects.toMatchObject({ outcome: 'not-committed' });
  failing = false;
  looks = 0;
  await keeper.append(event('a'));
  expect(looks).toBe(2);
});

test('while the file cannot be asked after a write of unknown outcome, nothing more is written', async () => {
  const faults: Faults = {};
  const store = await open(faults);
  await store.append(event('a'));
  faults.fail = (verb) => (verb === 'file.stat' ? 'EIO' : undefined);
  await expect(store.append(event('b'))).rejects.toMatchObject({ outcome: 'unknown' });
  const { size } = fs.statSync(path.join(directory, 'default', 'ledger'));
  await expect(store.append(event('c'))).rejects.toMatchObject({ outcome: 'not-committed' });
  expect(fs.statSync(path.join(directory, 'default', 'ledger')).size).toBe(size);
  delete faults.fail;
  expect(await store.append(event('b'))).toMatchObject({ first: 2, duplicate: true });
  expect(await store.append(event('c'))).toMatchObject({ first: 3 });
});

test('after a write of unknown outcome the file is asked first', async () => {
  const faults: Faults = {};
  const store = await open(faults);
  await store.append(event('a'));
  let left = 1;
  faults.append = (file, bytes) => {
    void file.append(bytes);
    faults.fail = (verb) => (verb === 'file.stat' && left-- > 0 ? 'EIO' : undefined);
    delete faults.append;
    throw systemError('EIO');
  };
  await expect(store.append(event('b'))).rejects.toMatchObject({ outcome: 'unknown' });
  await expect(store.append(event('c'), noneAfter(1))).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED' });
  expect(await store.append(event('b'))).toMatchObject({ first: 2, duplicate: true });
});
