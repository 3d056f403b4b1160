/*
 * Goal: processes that save on the version that they loaded lose nothing, and a lease outlives no process for long.
 * Method: real processes on one folder, killed and stopped.
 */
import { describe, expect, test } from 'vitest';
import { openStore } from '../../dist/index.js';
import { freshFolder } from '../support/folder.js';
import { startLockProcess, type LockProcess } from './fixtures/lock-process.js';

/** Made by the parent before, so that the processes do not race for the first frame. */
async function start(count: number, staleMs?: number): Promise<LockProcess[]> {
  const directory = freshFolder();
  await (await openStore({ directory, eventFiles: 'none' })).close();
  const options = staleMs === undefined ? { directory } : { directory, staleMs };
  return Promise.all(Array.from({ length: count }, () => startLockProcess(options, 'state-process.mjs')));
}

test('four processes count to the sum of what each counts', async () => {
  const processes = await start(4);
  const conflicts = await Promise.all(processes.map((one) => one.call<number>('count', 'a/count', 25)));
  expect(await processes[0]!.call('load', 'a/count')).toEqual({ value: 100, version: 100 });
  // Otherwise they did not get in each other's way, and this shows nothing.
  expect(conflicts.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(0);
});

describe('a lease', () => {
  test('is had soon after its holder was killed, and at once when it is released or its holder closes the store', async () => {
    const [holder, next, third] = (await start(3)) as [LockProcess, LockProcess, LockProcess];
    await holder.call('lease', 'a');
    await expect(next.call('lease', 'a', 50)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', details: { name: 'a', owner: { pid: holder.pid } } });
    const waiting = next.call('lease', 'a');
    holder.signal('SIGKILL');
    await holder.ended;
    const killedMs = performance.now();
    expect(await waiting).toBe(next.pid);
    // A quarter of a second between two looks; the stale time is 5,000.
    expect(performance.now() - killedMs).toBeLessThan(2000);
    const after = third.call('lease', 'a');
    await next.call('close');
    expect(await after).toBe(third.pid);
    expect(await third.call('isAborted')).toBe(false);
  });

  test.runIf(process.platform !== 'win32')('of a holder that stood still is another\'s: the holder is told, and what it saves on the old version is refused', async () => {
    const staleMs = 1500;
    const [stopped, other] = (await start(2, staleMs)) as [LockProcess, LockProcess];
    await stopped.call('save', 'a', 'mine', { expected: 0 });
    await stopped.call('lease', 'a');
    stopped.signal('SIGSTOP');
    expect(await other.call('lease', 'a')).toBe(other.pid);
    await other.call('save', 'a', 'theirs', { expected: 1 });
    stopped.signal('SIGCONT');
    await expect(stopped.call('save', 'a', 'late', { expected: 1 })).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    await expect.poll(() => stopped.call('isAborted')).toBe(true);
    await stopped.call('release');
    expect(await other.call('isAborted')).toBe(false);
    await expect(stopped.call('lease', 'a', 0)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', details: { owner: { pid: other.pid } } });
  });
});
