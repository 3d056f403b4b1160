/*
 * Goal: a writer that keeps the lock asks the file only once what others appended, and decides rightly all the same when
 * somebody appended whom the lock should have kept away.
 * Method: engines as of several processes whose locks keep nobody away, and whose timers never end, so that nobody lets go.
 */
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
