/* What the diagnostics channel `opossum:lock` tells, and that it tells nothing to nobody. */
import { spawnSync } from 'node:child_process';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LockMessage } from '../../src/engine/channels.js';
import { openEngine } from '../../src/engine/open-store.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { openStore } from '../../src/index.js';
import { identityOf, lockFilesOf } from '../../src/locking/lock-files.js';
import { openHost } from '../../src/locking/host.js';
import { writeOwnerRecord } from '../../src/locking/owner.js';
import { faultyPorts, type Faults } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';

const event = { type: 'T', data: null };
let directory: string;
let messages: LockMessage[];
const listen = (message: unknown): void => void messages.push(message as LockMessage);
const kinds = (): string[] => messages.map(({ kind }) => kind);

beforeEach(() => {
  directory = freshFolder();
  messages = [];
  subscribe('opossum:lock', listen);
});

afterEach(() => void unsubscribe('opossum:lock', listen));

test('tells when the lock is had and given back, of which folder, and after how long', async () => {
  const store = await openStore({ directory });
  await store.append(event);
  await store.close();
  expect(messages).toEqual([
    { kind: 'acquired', directory: path.join(directory, 'default'), waitedMs: expect.any(Number) },
    { kind: 'released', directory: path.join(directory, 'default') },
  ]);
  expect(messages[0]!.waitedMs).toBeGreaterThanOrEqual(0);
});

test('names the dead owner from whom the lock was taken over', async () => {
  const store = await openStore({ directory });
  const files = lockFilesOf(path.join(directory, 'default'));
  const pid = spawnSync(process.execPath, ['-e', '']).pid;
  fs.mkdirSync(files.lock);
  const { thread: _, ...self } = (await openHost(nodeDisk)).self;
  const owner = { ...self, pid, startedAt: '1', token: 'dead' };
  await writeOwnerRecord(nodeDisk, files, { owner, since: '', lock: identityOf((await nodeDisk.stat(files.lock))!) });
  await store.append(event);
  await store.close();
  expect(messages[0]).toMatchObject({ kind: 'takenOver', owner });
  expect(kinds()).toEqual(['takenOver', 'released']);
});

test('tells of a lock that was lost; the append succeeds all the same', async () => {
  const faults: Faults = {};
  const store = await openEngine({ directory }, faultyPorts(faults));
  const { lock } = lockFilesOf(path.join(directory, 'default'));
  faults.append = (file, bytes) => {
    delete faults.append;
    // As another process does that found the lock stale.
    fs.rmdirSync(lock);
    fs.mkdirSync(lock);
    return file.append(bytes);
  };
  expect(await store.append(event)).toMatchObject({ first: 1 });
  await store.close();
  fs.rmdirSync(lock);
  expect(kinds()).toEqual(['acquired', 'lost']);
});

test('costs nothing when nobody listens', async () => {
  unsubscribe('opossum:lock', listen);
  expect(channel('opossum:lock').hasSubscribers).toBe(false);
  const store = await openStore({ directory });
  await store.append(event);
  await store.close();
  expect(messages).toEqual([]);
});
