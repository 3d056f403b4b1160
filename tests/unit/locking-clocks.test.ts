/* When a lock may be taken from a holder of which nothing is known, whatever clocks say. Time is virtual here, but for the file system's. */
import fs from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { openFileLock } from '../../src/locking/file-lock.js';
import { openHost } from '../../src/locking/host.js';
import { identityOf, lockFilesOf } from '../../src/locking/lock-files.js';
import type { ContextLock, LockOwner } from '../../src/locking/lock.js';
import { writeOwnerRecord } from '../../src/locking/owner.js';
import { freshFolder } from '../support/folder.js';
import { VirtualClock } from '../support/virtual-clock.js';

const hour = 3_600_000;
const self: LockOwner = { ...(await openHost(nodeDisk)).self, token: 'holder' };
const elsewhere: LockOwner = { ...self, host: 'elsewhere' };

let directory: string;
let clock: VirtualClock;
let lock: ContextLock;

beforeEach(() => {
  directory = freshFolder();
  clock = new VirtualClock();
  lock = openFileLock(directory, { disk: nodeDisk, clock, random: systemRandom });
});

async function leaveLock(owner?: LockOwner): Promise<string> {
  const files = lockFilesOf(directory);
  fs.mkdirSync(files.lock);
  const made = await nodeDisk.stat(files.lock);
  if (owner) await writeOwnerRecord(nodeDisk, files, { owner, since: '', lock: identityOf(made!) });
  return files.lock;
}

/** Touches the lock once a second, as a holder does whose wall clock says `wallMs`. */
function touchEverySecond(path: string, wallMs: () => number): void {
  let touchedMs = 0;
  clock.onPass = (elapsedMs) => {
    if (elapsedMs - touchedMs < 1000) return;
    touchedMs = elapsedMs;
    fs.utimesSync(path, wallMs() / 1000, wallMs() / 1000);
  };
}

/** How long it was waited until the lock was had, in virtual milliseconds; undefined when it was not. */
async function waitFor(timeoutMs: number): Promise<number | undefined> {
  const startMs = clock.monotonic();
  try {
    const hold = await lock.acquire(timeoutMs);
    await hold.release();
    return clock.monotonic() - startMs;
  } catch (error) {
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT' });
    return undefined;
  }
}

describe('another host, clocks that are off or jump, a pid that was used again', () => {
  describe.each([
    { who: 'a process of another host', owner: elsewhere },
    { who: 'a live process of this host', owner: self },
  ])('the lock of $who', ({ owner }) => {
    test.each([0, 3 * hour, -3 * hour])('is had after the stale time and not before, though the clock here is off by %i ms', async (offsetMs) => {
      await leaveLock(owner);
      clock.wallOffsetMs = offsetMs;
      const waitedMs = await waitFor(10_000);
      expect(waitedMs).toBeGreaterThanOrEqual(5000);
      expect(waitedMs).toBeLessThan(5200);
    });

    test.each([0, 3 * hour, -3 * hour])('is not had while its holder touches it, though its clock is off by %i ms', async (offsetMs) => {
      touchEverySecond(await leaveLock(owner), () => clock.now() + offsetMs);
      expect(await waitFor(20_000)).toBeUndefined();
    });

    test('is not had while its holder touches it, though clocks jump forth and back', async () => {
      const path = await leaveLock(owner);
      let turns = 0;
      touchEverySecond(path, () => {
        clock.wallOffsetMs = (++turns % 3) * 2 * hour;
        return clock.now();
      });
      expect(await waitFor(20_000)).toBeUndefined();
      expect(turns).toBeGreaterThan(15);
    });

    test('is respected by a waiter that stood still, as its holder may have too when the machine was suspended', async () => {
      await leaveLock(owner);
      expect(await waitFor(1000)).toBeUndefined();
      clock.stallMs = 20_000;
      expect(await waitFor(24_000)).toBeUndefined();
      clock.stallMs = 20_000;
      expect(await waitFor(30_000)).toBeGreaterThanOrEqual(25_000);
    });

    test('is had in the end by calls each of which waits less than the stale time', async () => {
      await leaveLock(owner);
      const waits: (number | undefined)[] = [];
      while (waits.length < 10 && waits.at(-1) === undefined) waits.push(await waitFor(1500));
      expect(waits).toHaveLength(4);
    });
  });

  describe('a lock that nobody signed', () => {
    test('since its maker was killed in between is had after a second and a half', async () => {
      await leaveLock();
      const waitedMs = await waitFor(10_000);
      expect(waitedMs).toBeGreaterThanOrEqual(1500);
      expect(waitedMs).toBeLessThan(1700);
    });

    test('is not had while somebody touches it', async () => {
      touchEverySecond(await leaveLock(), () => clock.now());
      expect(await waitFor(20_000)).toBeUndefined();
    });
  });

  describe('the lock of a dead process whose pid another one has by now', () => {
    const { thread: _, ...asProcess } = self;

    test.runIf(process.platform === 'linux')('is had at once, since the other one started at another time', async () => {
      await leaveLock({ ...asProcess, startedAt: '1' });
      expect(await waitFor(10_000)).toBeLessThan(100);
    });

    test('is had when it is stale where the system does not tell when a process started', async () => {
      await leaveLock({ ...asProcess, startedAt: '' });
      expect(await waitFor(10_000)).toBeGreaterThanOrEqual(5000);
    });
  });
});
