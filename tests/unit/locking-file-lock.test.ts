import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { LockTimeoutError, StorageFailedError } from '../../src/core/errors.js';
import { systemClock } from '../../src/disk/clock.js';
import type { OpenMode } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { openFileLock } from '../../src/locking/file-lock.js';
import { openHost } from '../../src/locking/host.js';
import { identityOf, lockFilesOf } from '../../src/locking/lock-files.js';
import type { ContextLock, LockOwner } from '../../src/locking/lock.js';
import { readLockOwner, writeOwnerRecord } from '../../src/locking/owner.js';
import { makeSeat, type Seat } from '../../src/locking/seat.js';
import { freshFolder } from '../support/folder.js';
import { VirtualClock } from '../support/virtual-clock.js';

const ports = { disk: nodeDisk, clock: systemClock, random: systemRandom };
const open = (directory: string, staleMs?: number): ContextLock => openFileLock(directory, staleMs === undefined ? ports : { ...ports, staleMs });
const self = (await openHost(nodeDisk)).self;
const ended: LockOwner = { ...self, pid: 2 ** 22 + 1, startedAt: '1', token: 'ended' };

/** A lock as a process leaves it that can give it back no more. */
async function leaveLock(directory: string, owner?: LockOwner): Promise<void> {
  const files = lockFilesOf(directory);
  fs.mkdirSync(files.lock);
  const made = await nodeDisk.stat(files.lock);
  if (made && owner) await writeOwnerRecord(nodeDisk, files, { owner, since: '2026-01-31T12:00:00.000Z', lock: identityOf(made) });
}

/** The seat of a process that waits. */
async function leaveSeat(directory: string, owner: LockOwner): Promise<Seat> {
  const seat = await makeSeat(`${lockFilesOf(directory).waiting}${owner.token}`, owner, nodeDisk);
  await seat.setWait(1);
  return seat;
}

function refuse(): never {
  throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
}

/** What is in the folder once what is removed in the background is gone. */
const restOf = (directory: string) => expect.poll(() => fs.readdirSync(directory).sort());

/** The code of the error that `promise` rejects with. */
const codeOf = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => 'taken', (error: { code?: unknown }) => error.code);

describe('a lock that nobody holds', () => {
  test('is taken, names its owner, and leaves nothing behind', async () => {
    const directory = freshFolder();
    const hold = await open(directory).acquire(0);
    expect(hold).toMatchObject({ lost: false, takenOver: false });
    expect(hold.othersWait()).toBe(false);
    expect(await readLockOwner(nodeDisk, directory)).toMatchObject(self);
    expect(fs.readdirSync(directory).sort()).toEqual(['ledger.lock', 'ledger.lock.owner']);
    await hold.release();
    expect(await readLockOwner(nodeDisk, directory)).toBeUndefined();
    await restOf(directory).toEqual([]);
  });

  test('is not asked for by the seat of somebody who died waiting', async () => {
    const directory = freshFolder();
    await leaveSeat(directory, ended);
    const hold = await open(directory).acquire(0);
    await systemClock.turn();
    expect(hold.othersWait()).toBe(false);
    await hold.release();
    await restOf(directory).toEqual([]);
  });

  test('is not touched before it is asked for', () => {
    const directory = freshFolder();
    open(directory);
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test('can be taken again and again, and released twice', async () => {
    const lock = open(freshFolder());
    for (let i = 0; i < 50; i++) {
      const hold = await lock.acquire(0);
      expect(hold).toMatchObject({ lost: false, takenOver: false });
      await hold.release();
      await hold.release();
    }
  });

  test('loses what processes left behind that died while they took it', async () => {
    const directory = freshFolder();
    fs.writeFileSync(path.join(directory, 'ledger.lock.owner.1234'), '{');
    fs.mkdirSync(path.join(directory, 'ledger.lock.5678'));
    fs.writeFileSync(path.join(directory, 'ledger.lockable'), 'not ours');
    const hold = await open(directory).acquire(0);
    expect(hold.takenOver).toBe(false);
    await hold.release();
    await restOf(directory).toEqual(['ledger.lockable']);
  });
});

describe('a lock that somebody holds', () => {
  test('is waited for no longer than asked, and the error names the holder', async () => {
    const directory = freshFolder();
    const hold = await open(directory).acquire(0);
    const start = performance.now();
    const error = await open(directory).acquire(60).then(() => undefined, (reason: unknown) => reason as LockTimeoutError);
    expect(performance.now() - start).toBeGreaterThanOrEqual(59);
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', retryable: true, details: { directory, timeoutMs: 60, owner: self } });
    expect(error?.message).toContain(`process ${process.pid} on host ${self.host}`);
    expect(error?.message).toContain(`since ${String(error?.details['since'])}`);
    await hold.release();
  });

  test('is asked for by taking a seat, and had when it is passed on', async () => {
    const directory = freshFolder();
    const hold = await open(directory).acquire(0);
    const waiting = open(directory).acquire(5000);
    await expect.poll(() => hold.othersWait()).toBe(true);
    await hold.release();
    const next = await waiting;
    expect(next.takenOver).toBe(false);
    expect(hold.lost).toBe(false);
    expect(await readLockOwner(nodeDisk, directory)).toMatchObject(self);
    expect(next.othersWait()).toBe(false);
    await next.release();
    await restOf(directory).toEqual([]);
  });

  test('is passed round among all that wait, without being free in between', async () => {
    const directory = freshFolder();
    const locks = [1, 2, 3].map(() => open(directory));
    const first = await open(directory).acquire(0);
    const made = fs.statSync(lockFilesOf(directory).lock).ino;
    let turns = 0;
    const waiting = locks.map(async (lock) => {
      const hold = await lock.acquire(5000);
      turns++;
      expect(fs.statSync(lockFilesOf(directory).lock).ino).toBe(made);
      expect(hold).toMatchObject({ lost: false, takenOver: false });
      await hold.release();
      await lock.settle?.();
    });
    await expect.poll(() => fs.readdirSync(directory).filter((name) => name.startsWith('ledger.lock.waiting.')).length).toBe(3);
    await first.release();
    await Promise.all(waiting);
    expect(turns).toBe(3);
    await restOf(directory).toEqual([]);
  });

  test('is had by another when the one that it was passed on to takes no notice', async () => {
    const directory = freshFolder();
    const hold = await open(directory).acquire(0);
    const busy = await leaveSeat(directory, { ...self, token: 'busy' });
    await hold.release();
    expect(busy.isWaitedOn()).toBe(false);
    expect(await readLockOwner(nodeDisk, directory)).toMatchObject({ token: 'busy-1' });
    const next = await open(directory).acquire(5000);
    expect(next.takenOver).toBe(false);
    expect(next.othersWait()).toBe(false);
    await next.release();
  });

  test('is given back, once, for one that waited on another host and may be gone', async () => {
    const directory = freshFolder();
    const lock = open(directory);
    const hold = await lock.acquire(0);
    const seat = await leaveSeat(directory, { ...self, host: 'elsewhere', token: 'far' });
    await hold.release();
    expect(fs.existsSync(lockFilesOf(directory).lock)).toBe(false);
    expect(seat.isWaitedOn()).toBe(false);
    const again = await lock.acquire(5000);
    expect(again).toMatchObject({ takenOver: false });
    expect(again.othersWait()).toBe(false);
    await again.release();
  });

  test('is given back, once a second at the most, for one whose seat is another user\'s and who may be gone', async () => {
    const directory = freshFolder();
    const disk = { ...nodeDisk, open: (file: string, mode: OpenMode) => (mode === 'update' && file.includes('.waiting.') ? refuse() : nodeDisk.open(file, mode)) };
    const clock = { ...systemClock, monotonic: () => nowMs };
    let nowMs = 0;
    const lock = openFileLock(directory, { ...ports, disk, clock: { ...clock, timer: (ms, call, alive) => ((nowMs += ms), systemClock.timer(0, call, alive)) } });
    await leaveSeat(directory, { ...self, token: 'strange' });
    const waited: boolean[] = [];
    for (let i = 0; i < 4; i++) {
      const hold = await lock.acquire(5000);
      hold.othersWait();
      await systemClock.turn();
      waited.push(hold.othersWait());
      await hold.release();
      if (i === 2) nowMs += 1000;
    }
    expect(waited).toEqual([true, false, false, true]);
  });

  test('is taken over from a process that died when it was passed on to it', async () => {
    const directory = freshFolder();
    const lock = open(directory);
    const hold = await lock.acquire(0);
    await leaveSeat(directory, ended);
    await hold.release();
    const next = await lock.acquire(5000);
    expect(next).toMatchObject({ takenOver: true, takenFrom: { pid: ended.pid } });
    await next.release();
    await restOf(directory).toEqual([]);
  });

  test('stays with its holder when the one that waited no longer does', async () => {
    const directory = freshFolder();
    const lock = open(directory);
    const hold = await lock.acquire(0);
    const abort = new AbortController();
    const waiting = codeOf(open(directory).acquire(5000, abort.signal));
    await expect.poll(() => hold.othersWait()).toBe(true);
    abort.abort(Object.assign(new Error('enough'), { code: 'ENOUGH' }));
    expect(await waiting).toBe('ENOUGH');
    expect(hold.othersWait()).toBe(false);
    await hold.release();
    expect(await lock.acquire(0).then((again) => again.release())).toBeUndefined();
  });

  test('goes to the one that waits before its last owner has it again', async () => {
    const directory = freshFolder();
    // A real one passes while a busy machine lets neither of them run.
    const clock = new VirtualClock();
    const [greedy, modest] = [1, 2].map(() => openFileLock(directory, { ...ports, clock, staleMs: 1e12 })) as [ContextLock, ContextLock];
    const order: string[] = [];
    for (let i = 0; i < 5; i++) {
      const hold = await greedy.acquire(1e12);
      const waiting = modest.acquire(1e12).then(async (taken) => {
        order.push('modest');
        await taken.release();
      });
      await expect.poll(() => hold.othersWait()).toBe(true);
      await hold.release();
      const again = await greedy.acquire(1e12);
      order.push('greedy');
      await again.release();
      await waiting;
    }
    expect(order).toEqual(Array.from({ length: 5 }, () => ['modest', 'greedy']).flat());
  });

  test('is had again soon when the one that waited is gone', async () => {
    const directory = freshFolder();
    const lock = open(directory);
    const hold = await lock.acquire(0);
    await leaveSeat(directory, { ...self, token: 'gone' });
    await hold.release();
    const start = performance.now();
    const again = await lock.acquire(5000);
    expect(performance.now() - start).toBeLessThan(500);
    expect(again.othersWait()).toBe(false);
    await again.release();
  });
});

describe('a lock whose owner is gone', () => {
  test('is taken over at once when the owner is known to be dead', async () => {
    const directory = freshFolder();
    await leaveLock(directory, ended);
    const hold = await open(directory).acquire(0);
    expect(hold.takenOver).toBe(true);
    expect(await readLockOwner(nodeDisk, directory)).toMatchObject(self);
    await hold.release();
    await restOf(directory).toEqual([]);
  });

  test.runIf(process.platform === 'linux')('is taken over at once when another process has the pid by now', async () => {
    const directory = freshFolder();
    await leaveLock(directory, { ...self, startedAt: '1', token: 'earlier' });
    const hold = await open(directory).acquire(0);
    expect(hold.takenOver).toBe(true);
    await hold.release();
  });

  test('goes to one of many that see it', async () => {
    for (let round = 0; round < 20; round++) {
      const directory = freshFolder();
      await leaveLock(directory, ended);
      let holders = 0;
      const takenOver = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const hold = await open(directory).acquire(5000);
          holders++;
          await systemClock.turn();
          expect(holders).toBe(1);
          holders--;
          await hold.release();
          return hold.takenOver;
        }),
      );
      expect(takenOver.filter(Boolean)).toHaveLength(1);
    }
  });

  test('is respected until it is stale when the owner is of another host', async () => {
    const directory = freshFolder();
    await leaveLock(directory, { ...ended, host: 'elsewhere' });
    const madeAt = performance.now();
    expect(await codeOf(open(directory, 700).acquire(300))).toBe('LOCK_TIMEOUT');
    const hold = await open(directory, 700).acquire(5000);
    expect(performance.now() - madeAt).toBeGreaterThan(650);
    expect(hold.takenOver).toBe(true);
    await hold.release();
  });

  test('is respected at first when the owner is alive but did not touch it, as after the machine was suspended', async () => {
    const directory = freshFolder();
    await leaveLock(directory, { ...self, token: 'suspended' });
    fs.utimesSync(lockFilesOf(directory).lock, 1, 1);
    expect(await codeOf(open(directory).acquire(300))).toBe('LOCK_TIMEOUT');
  });

  test('is put back when somebody else has taken it over in the very moment of its removal', async () => {
    const directory = freshFolder();
    const files = lockFilesOf(directory);
    await leaveLock(directory, ended);
    const moves: string[] = [];
    const disk = {
      ...nodeDisk,
      rename(from: string, to: string) {
        if (moves.push(path.basename(from)) === 1) {
          fs.renameSync(files.lock, path.join(directory, 'dead'));
          fs.mkdirSync(files.lock);
        }
        return nodeDisk.rename(from, to);
      },
    };
    expect(await codeOf(openFileLock(directory, { ...ports, disk }).acquire(0))).toBe('LOCK_TIMEOUT');
    expect(moves).toHaveLength(2);
    expect(fs.existsSync(files.lock)).toBe(true);
  });

  test('is respected until it is stale when the owner file is of an earlier lock', async () => {
    const directory = freshFolder();
    const files = lockFilesOf(directory);
    await leaveLock(directory);
    await writeOwnerRecord(nodeDisk, files, { owner: ended, since: '', lock: 'born 1' });
    expect(await codeOf(open(directory, 600).acquire(250))).toBe('LOCK_TIMEOUT');
    const hold = await open(directory, 600).acquire(5000);
    expect(hold.takenOver).toBe(true);
    await hold.release();
  });

  test('that nobody signed is had at once when its time stamp is old, and is stale in the end when it lies in the future', async () => {
    const directory = freshFolder();
    const files = lockFilesOf(directory);
    await leaveLock(directory);
    fs.utimesSync(files.lock, 1, 1);
    await (await open(directory).acquire(0)).release();
    await leaveLock(directory);
    const tomorrow = Date.now() / 1000 + 86_400;
    fs.utimesSync(files.lock, tomorrow, tomorrow);
    await (await open(directory, 300).acquire(5000)).release();
    await restOf(directory).toEqual([]);
  });

  test('an owner file without a lock tells that its owner ended before it could clear up', async () => {
    const directory = freshFolder();
    await writeOwnerRecord(nodeDisk, lockFilesOf(directory), { owner: ended, since: '', lock: 'born 1' });
    const hold = await open(directory).acquire(0);
    expect(hold.takenOver).toBe(true);
    await hold.release();
    const next = await open(directory).acquire(0);
    expect(next.takenOver).toBe(false);
    await next.release();
  });
});

describe('a lock that was lost', () => {
  test('is noticed, and its release leaves the lock of the new owner alone', async () => {
    const directory = freshFolder();
    const files = lockFilesOf(directory);
    const late = await open(directory).acquire(0);
    fs.renameSync(files.lock, path.join(directory, 'stolen'));
    const hold = await open(directory).acquire(0);
    expect(hold.takenOver).toBe(true);
    await expect.poll(() => late.lost).toBe(true);
    await late.release();
    expect(hold.lost).toBe(false);
    expect(await readLockOwner(nodeDisk, directory)).toMatchObject(self);
    await hold.release();
    expect(fs.existsSync(files.lock)).toBe(false);
  });

  test('is not given away by a release that comes before the loss was noticed', async () => {
    const directory = freshFolder();
    const files = lockFilesOf(directory);
    const late = await open(directory).acquire(0);
    fs.renameSync(files.lock, path.join(directory, 'stolen'));
    const hold = await open(directory).acquire(0);
    await late.release();
    expect(fs.existsSync(files.lock)).toBe(true);
    expect(fs.existsSync(files.owner)).toBe(true);
    await hold.release();
  });
});

describe('a folder that cannot be written', () => {
  test('is a storage failure that says what to do', async () => {
    const directory = path.join(freshFolder(), 'gone');
    const error = await open(directory).acquire(0).then(() => undefined, (reason: unknown) => reason as StorageFailedError);
    expect(error).toBeInstanceOf(StorageFailedError);
    expect(error).toMatchObject({ outcome: 'not-committed', details: { directory, code: 'ENOENT' } });
    expect(error?.message).toContain('open it again');
  });

  test('gives the lock back when there is no room for the owner file', async () => {
    const directory = freshFolder();
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const disk = {
      ...nodeDisk,
      createFile: () => {
        throw full;
      },
    };
    const failing = openFileLock(directory, { ...ports, disk }).acquire(0);
    await expect(failing).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', cause: full });
    await (await open(directory).acquire(0)).release();
    await restOf(directory).toEqual([]);
  });
});
