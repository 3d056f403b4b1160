/*
 * Goal: a lock outlives neither its thread nor its process, and is not taken from the living.
 * Method: worker threads that end while they hold it, and processes killed between making the lock and signing it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../dist/index.js';
import { freshFolder } from '../support/folder.js';

const event = { type: 'T', data: null };

/** A thread that begins an append and gets stuck in the middle of it, with the lock. */
async function startThread(directory: string): Promise<Worker> {
  const job = JSON.stringify({ job: 'append', directory, name: 'thread', count: 1, trouble: { write: 1, kind: 'hang' } });
  const thread = new Worker(path.join(import.meta.dirname, 'fixtures/worker-thread.mjs'), { argv: [job] });
  onTestFinished(() => void thread.terminate());
  const inLock = new Promise((resolve, reject) => {
    thread.on('message', ({ kind, value }: { kind: string; value: unknown }) => {
      if (kind === 'ready') thread.postMessage('go');
      else if (kind === 'report' && value === 'in the lock') resolve(undefined);
      else reject(new Error(String(value)));
    });
    thread.once('error', reject);
  });
  await inLock;
  return thread;
}

describe('the lock of a worker thread', () => {
  test('is respected while the thread lives', async () => {
    const directory = freshFolder();
    await startThread(directory);
    const store = await openStore({ directory, lockTimeout: 500 });
    await expect(store.append(event)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', details: { owner: { pid: process.pid } } });
    await store.close();
  });

  test.runIf(process.platform === 'linux')('is had at once when the thread has ended, though its process lives', async () => {
    const directory = freshFolder();
    const thread = await startThread(directory);
    await thread.terminate();
    const store = await openStore({ directory });
    const start = performance.now();
    expect(await store.append(event)).toMatchObject({ first: 1 });
    // The stale time is 5,000.
    expect(performance.now() - start).toBeLessThan(2500);
    await store.close();
  });
});

test('a lock whose maker died before it signed it is had before it would be stale', async () => {
  const directory = freshFolder();
  const store = await openStore({ directory });
  fs.mkdirSync(path.join(directory, 'default', 'ledger.lock'));
  const start = performance.now();
  expect(await store.append(event)).toMatchObject({ first: 1 });
  expect(performance.now() - start).toBeLessThan(4000);
  await store.close();
});
