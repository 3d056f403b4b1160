/*
 * Goal: the lock excludes, is fair, and outlives no process for long. Method: real processes, stopped and killed.
 */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freshFolder } from '../support/folder.js';
import { startLockProcess, startLockProcesses, type LockProcess } from './fixtures/lock-process.js';

type Holds = { holds: { from: number; to: number; lost: boolean }[] };
type Taken = { takenOver: boolean; at: number };

const pair = async (directory: string, staleMs?: number): Promise<[LockProcess, LockProcess]> => {
  const options = staleMs === undefined ? { directory } : { directory, staleMs };
  return Promise.all([startLockProcess(options), startLockProcess(options)]);
};

test('four processes that count in one file lose no step', async () => {
  const directory = freshFolder();
  const file = path.join(directory, 'count');
  fs.writeFileSync(file, '0');
  const processes = await startLockProcesses(4, { directory });
  await Promise.all(processes.map((one) => one.call('count', file, 100)));
  expect(fs.readFileSync(file, 'utf8')).toBe('400');
  await expect.poll(() => fs.readdirSync(directory)).toEqual(['count']);
});

test('busy processes hold the lock in turn, never two at once, and none gets less than a quarter of its share', async () => {
  const directory = freshFolder();
  const processes = await startLockProcesses(4, { directory });
  const results = await Promise.all(processes.map((one) => one.call<Holds>('slices', 2000)));
  const all = results.flatMap(({ holds }, process) => holds.map((hold) => ({ ...hold, process }))).sort((a, b) => a.from - b.from);
  expect(all.filter(({ lost }) => lost)).toEqual([]);
  for (const [i, hold] of all.entries()) expect(hold.from).toBeGreaterThanOrEqual(all[i - 1]?.to ?? 0);
  const kept = all.filter(({ process }, i) => process === all[i - 1]?.process).length;
  expect(kept, `of ${all.length} times the lock stayed where it was`).toBeLessThan(all.length / 5);
  const heldMs = results.map(({ holds }) => holds.reduce((sum, { from, to }) => sum + to - from, 0));
  const fairMs = heldMs.reduce((sum, ms) => sum + ms, 0) / heldMs.length;
  expect(Math.min(...heldMs), `held for ${heldMs.map(Math.round).join(', ')} ms`).toBeGreaterThan(fairMs / 4);
});

test('the lock of a process that was killed is taken over within half a second', async () => {
  const directory = freshFolder();
  const [holder, waiter] = await pair(directory);
  const heldBy = await holder.call<Taken>('acquire', 1000);
  const waiting = waiter.call<Taken>('acquire', 10_000);
  await expect.poll(async () => (await holder.call<{ othersWait: boolean }>('state')).othersWait).toBe(true);
  const killedAt = Number(process.hrtime.bigint()) / 1e6;
  holder.signal('SIGKILL');
  const taken = await waiting;
  expect(heldBy.takenOver).toBe(false);
  expect(taken.takenOver).toBe(true);
  expect(taken.at - killedAt).toBeLessThan(500);
  await waiter.call('release');
  await expect.poll(() => fs.readdirSync(directory)).toEqual([]);
});

test('a process that exits without release gives the lock back, and the next one is told', async () => {
  const directory = freshFolder();
  const [holder, next] = await pair(directory);
  await holder.call('acquire', 1000);
  await holder.call('exit');
  await holder.ended;
  expect(fs.existsSync(path.join(directory, 'ledger.lock'))).toBe(false);
  expect(await next.call<Taken>('acquire', 0)).toMatchObject({ takenOver: true });
  await next.call('release');
  expect(await next.call<Taken>('acquire', 0)).toMatchObject({ takenOver: false });
});

test.runIf(process.platform !== 'win32')('a stopped process keeps the lock until it is stale, and then learns that it lost it', async () => {
  const directory = freshFolder();
  const [holder, waiter] = await pair(directory, 2000);
  await holder.call('acquire', 1000);
  holder.signal('SIGSTOP');
  const refused = waiter.call('acquire', 1000);
  await expect(refused).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', details: { owner: { pid: holder.pid } } });
  await expect(refused).rejects.toThrow(`process ${holder.pid} on host`);
  expect(await waiter.call<Taken>('acquire', 10_000)).toMatchObject({ takenOver: true });
  holder.signal('SIGCONT');
  expect(await holder.call('state')).toMatchObject({ lost: true });
  await holder.call('release');
  expect(await waiter.call('state')).toMatchObject({ lost: false });
  await waiter.call('release');
  expect(await holder.call<Taken>('acquire', 1000)).toMatchObject({ takenOver: false });
});

test.runIf(process.platform !== 'win32')('a stopped process that goes on before the lock is stale keeps it', async () => {
  const directory = freshFolder();
  const [holder, waiter] = await pair(directory);
  await holder.call('acquire', 1000);
  holder.signal('SIGSTOP');
  await expect(waiter.call('acquire', 400)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
  holder.signal('SIGCONT');
  expect(await holder.call('state')).toMatchObject({ lost: false });
  await holder.call('release');
  expect(await waiter.call<Taken>('acquire', 0)).toMatchObject({ takenOver: false });
});
