import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { openHost } from '../../src/locking/host.js';
import { identityOf, lockFilesOf } from '../../src/locking/lock-files.js';
import type { LockOwner } from '../../src/locking/lock.js';
import { parseOwnerRecord, readLockOwner, writeOwnerRecord } from '../../src/locking/owner.js';
import { freshFolder } from '../support/folder.js';

const onLinux = process.platform === 'linux';
const host = await openHost(nodeDisk);
const { thread: ownThread, ...selfAsProcess } = host.self;
const self: LockOwner = { ...selfAsProcess, token: 't' };

describe('the state of an owner', () => {
  test('this process is alive, and says when it started where the system tells', async () => {
    expect(self.pid).toBe(process.pid);
    if (onLinux) expect(self).toMatchObject({ bootId: expect.stringMatching(/^[0-9a-f-]{36}$/), startedAt: expect.stringMatching(/^\d+$/) });
    expect(await host.stateOf(self)).toBe('alive');
  });

  test.runIf(onLinux)('the same pid with another start is a process that ended', async () => {
    expect(await host.stateOf({ ...self, startedAt: '1' })).toBe('dead');
    expect(await host.stateOf({ ...self, startedAt: '' })).toBe('alive');
  });

  test.runIf(onLinux)('a thread that its process has no more is dead, one that it has is alive', async () => {
    expect(ownThread).toBeGreaterThan(0);
    expect(await host.stateOf({ ...self, thread: ownThread! })).toBe('alive');
    expect(await host.stateOf({ ...self, thread: 2 ** 22 + 1 })).toBe('dead');
    expect(await host.stateOf({ ...self, thread: ownThread!, startedAt: '1' })).toBe('dead');
  });

  test('a pid that nobody has is dead', async () => {
    expect(await host.stateOf({ ...self, pid: 2 ** 22 + 1 })).toBe('dead');
  });

  test.runIf(onLinux)('a process of another user or of the system is alive', async () => {
    expect(await host.stateOf({ ...self, pid: 1, startedAt: '' })).toBe('alive');
  });

  test('nothing is known of another host', async () => {
    expect(await host.stateOf({ ...self, host: 'elsewhere', pid: 2 ** 22 + 1 })).toBe('unknown');
  });

  test.runIf(onLinux)('another boot of this host ended every process; a boot that is not named did not', async () => {
    expect(await host.stateOf({ ...self, bootId: 'another' })).toBe('dead');
    expect(await host.stateOf({ ...self, bootId: '' })).toBe('unknown');
  });

  test.runIf(onLinux)('a process that ended but was not waited for is dead', async () => {
    // The shell turns into a program that does not wait for the child which the shell started.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 20'], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (line: Buffer) => resolve(Number(line))));
    await expect.poll(() => host.stateOf({ ...self, pid, startedAt: '' })).toBe('dead');
    expect(fs.existsSync(`/proc/${pid}`)).toBe(true);
  });
});

describe('the owner file', () => {
  const record = { owner: self, since: '2026-01-31T12:00:00.000Z', lock: 'born 1.5' };
  const fields = { ...self, since: record.since, lock: record.lock };

  test('is read as it was written', async () => {
    const files = lockFilesOf(freshFolder());
    await writeOwnerRecord(nodeDisk, files, record);
    expect(parseOwnerRecord(fs.readFileSync(files.owner, 'utf8'))).toEqual(record);
    expect(fs.readdirSync(path.dirname(files.owner))).toEqual(['ledger.lock.owner']);
  });

  test.each([
    '', '{', 'null', '[]', '"x"',
    JSON.stringify({ ...fields, pid: 0 }), JSON.stringify({ ...fields, pid: -1 }), JSON.stringify({ ...fields, pid: 1.5 }), JSON.stringify({ ...fields, pid: '1' }),
    JSON.stringify({ ...fields, token: undefined }), JSON.stringify({ ...fields, lock: 7 }),
  ])('is nobody when it holds %s', (text) => {
    expect(parseOwnerRecord(text)).toBeUndefined();
  });

  test('names the thread where the system does', () => {
    expect(parseOwnerRecord(JSON.stringify({ ...fields, thread: 7 }))).toEqual({ ...record, owner: { ...self, thread: 7 } });
    expect(parseOwnerRecord(JSON.stringify({ ...fields, thread: -1 }))).toEqual(record);
  });

  test('names the holder only while the lock that it was written for is there', async () => {
    const directory = freshFolder();
    const files = lockFilesOf(directory);
    expect(await readLockOwner(nodeDisk, directory)).toBeUndefined();
    await writeOwnerRecord(nodeDisk, files, record);
    expect(await readLockOwner(nodeDisk, directory)).toBeUndefined();
    fs.mkdirSync(files.lock);
    expect(await readLockOwner(nodeDisk, directory)).toBeUndefined();
    const made = await nodeDisk.stat(files.lock);
    if (!made) throw new Error('the lock is gone');
    await writeOwnerRecord(nodeDisk, files, { ...record, lock: identityOf(made) });
    expect(await readLockOwner(nodeDisk, directory)).toEqual(self);
  });
});

test('a lock directory is known by its birth, or by its inode where there is no such time', () => {
  expect(identityOf({ ino: 1, bornMs: 5.25 })).toBe(identityOf({ ino: 2, bornMs: 5.25 }));
  expect(identityOf({ ino: 1, bornMs: 5.25 })).not.toBe(identityOf({ ino: 1, bornMs: 5.5 }));
  expect(identityOf({ ino: 1, bornMs: 0 })).not.toBe(identityOf({ ino: 2, bornMs: 0 }));
});
