/* How long appends wait for a lock that another process holds, and what they say about it. */
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/disk/clock.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { openStore, type EventStore } from '../../src/index.js';
import { openFileLock } from '../../src/locking/file-lock.js';
import type { LockHold } from '../../src/locking/lock.js';
import { freshFolder } from '../support/folder.js';

const event = { type: 'T', data: null };

let directory: string;
let hold: LockHold;
let stores: EventStore[];

beforeEach(async () => {
  directory = freshFolder();
  stores = [];
  await (await openStore({ directory })).close();
  hold = await openFileLock(path.join(directory, 'default'), { disk: nodeDisk, clock: systemClock, random: systemRandom }).acquire(0);
});

afterEach(async () => {
  await hold.release();
  await Promise.all(stores.map((store) => store.close()));
});

async function open(lockTimeout: number): Promise<EventStore> {
  const store = await openStore({ directory, lockTimeout });
  stores.push(store);
  return store;
}

/** Far longer than anything that is to end at once takes on a busy machine, far shorter than what it would else wait for. */
const soonMs = 5000;
const longMs = 60_000;

describe('an append that waits for the lock', () => {
  test('is refused at its own time, though one with more patience came before', async () => {
    const patient = await open(longMs);
    const hasty = await open(100);
    const first = patient.append(event);
    await expect.poll(() => hold.othersWait()).toBe(true);
    const start = performance.now();
    await expect(hasty.append(event)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', details: { timeoutMs: 100, owner: { pid: process.pid } } });
    expect(performance.now() - start).toBeGreaterThanOrEqual(99);
    expect(performance.now() - start).toBeLessThan(soonMs);
    await hold.release();
    expect(await first).toMatchObject({ first: 1 });
  });

  test('is refused at its own time, though one with less patience came before', async () => {
    const hasty = await open(100);
    const patient = await open(600);
    const start = performance.now();
    const refused = Promise.all([hasty, patient].map((store) => store.append(event).catch((error: Error) => ({ after: performance.now() - start, message: error.message }))));
    const [first, second] = (await refused) as { after: number; message: string }[];
    expect(first!.after).toBeLessThan(second!.after);
    expect(second!.after).toBeGreaterThanOrEqual(599);
    expect(first!.message).toContain('within 100 ms: process');
    expect(second!.message).toContain('within 600 ms: process');
  });

  test('without patience is tried once, while another goes on waiting', async () => {
    const patient = await open(longMs);
    const first = patient.append(event);
    await expect.poll(() => hold.othersWait()).toBe(true);
    await expect((await open(0)).append(event)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', details: { timeoutMs: 0 } });
    await hold.release();
    expect(await first).toMatchObject({ first: 1 });
  });

  test('can be aborted, and then the store closes at once', async () => {
    const store = await open(longMs);
    const abort = new AbortController();
    const waiting = store.append(event, undefined, { signal: abort.signal });
    await expect.poll(() => hold.othersWait()).toBe(true);
    const start = performance.now();
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await store.close();
    expect(performance.now() - start).toBeLessThan(soonMs);
  });

  test('is not disturbed by another that is aborted', async () => {
    const store = await open(longMs);
    const abort = new AbortController();
    const aborted = store.append(event, undefined, { signal: abort.signal });
    const other = store.append(event);
    await expect.poll(() => hold.othersWait()).toBe(true);
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await hold.release();
    expect(await other).toMatchObject({ first: 1 });
  });

  test('is let through when it is submitted after another was aborted', async () => {
    const store = await open(longMs);
    const abort = new AbortController();
    const aborted = store.append(event, undefined, { signal: abort.signal });
    await expect.poll(() => hold.othersWait()).toBe(true);
    abort.abort(new Error('enough'));
    const next = store.append(event);
    await expect(aborted).rejects.toThrow('enough');
    await hold.release();
    expect(await next).toMatchObject({ first: 1 });
  });
});
