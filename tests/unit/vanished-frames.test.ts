/*
 * Goal: what a failed sync left in the page cache, and the page cache lost later, is built upon and handed out by nobody.
 * Method: engines as of several processes on one folder; the bytes of a frame that never became durable are zeroed beneath them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEngine } from '../../src/engine/open-store.js';
import type { EventStore } from '../../src/index.js';
import { faultyPorts, systemError } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';

const event = (id: string): { type: string; id: string; data: null } => ({ type: 'T', id, data: null });
const idsOf = async (store: EventStore): Promise<string[]> => (await store.read().toArray()).map(({ id }) => id);

let directory: string;
let ledger: string;
let sizeBefore: number;
let stores: EventStore[];

/** A store as another process would open it. */
async function open(faults: Parameters<typeof faultyPorts>[0] = {}): Promise<EventStore> {
  const store = await openEngine({ directory, eventFiles: 'none' }, { ...faultyPorts(faults), engines: new Map() });
  stores.push(store);
  return store;
}

/** What the page cache does that has to give way: from now on everybody reads what is on the disk. */
function evict(): void {
  const descriptor = fs.openSync(ledger, 'r+');
  fs.writeSync(descriptor, Buffer.alloc(fs.fstatSync(descriptor).size - sizeBefore), 0, undefined, sizeBefore);
  fs.closeSync(descriptor);
}

beforeEach(async () => {
  directory = freshFolder();
  ledger = path.join(directory, 'default', 'ledger');
  stores = [];
  const faults: Parameters<typeof faultyPorts>[0] = {};
  const failing = await open(faults);
  await failing.append(event('a'));
  sizeBefore = fs.statSync(ledger).size;
  faults.dataSync = () => {
    throw systemError('EIO');
  };
  await expect(failing.append(event('vanishing'))).rejects.toMatchObject({ outcome: 'unknown' });
});

afterEach(() => Promise.all(stores.map((store) => store.close().catch(() => undefined))));

test('a writer that mends what was left builds on what is there then', async () => {
  const writer = await open();
  evict();
  expect(await writer.append(event('b'))).toMatchObject({ first: 2 });
  expect(await idsOf(writer)).toEqual(['a', 'b']);
  expect(await idsOf(await open())).toEqual(['a', 'b']);
});

test('a writer that had read it before another one mended it reads again', async () => {
  const writer = await open();
  evict();
  expect(await (await open()).append(event('b'))).toMatchObject({ first: 2 });
  expect(await writer.append(event('c'))).toMatchObject({ first: 3 });
  expect(await idsOf(writer)).toEqual(['a', 'b', 'c']);
  expect(await idsOf(await open())).toEqual(['a', 'b', 'c']);
});

test('a reader that had read it before another one mended it hands out what is there', async () => {
  const reader = await open();
  evict();
  expect(await idsOf(reader)).toEqual(['a']);
  const writer = await open();
  for (const id of ['b', 'c', 'd']) await writer.append(event(id));
  expect(await idsOf(reader)).toEqual(['a', 'b', 'c', 'd']);
});

test('what did not vanish is mended, and stays', async () => {
  const [writer, reader] = [await open(), await open()];
  expect(await writer.append(event('b'))).toMatchObject({ first: 3 });
  for (const store of [writer, reader, await open()]) expect(await idsOf(store)).toEqual(['a', 'vanishing', 'b']);
});
