/*
 * Goal: a process that stalls in the middle of an append, for longer than its lock lasts, harms nobody and succeeds in the end.
 * Method: real processes that stop themselves, or block their event loop, between deciding and writing; others go on meanwhile.
 */
import { describe, expect, test } from 'vitest';
import { openStore, verifyContext } from '../../dist/index.js';
import { expectAllThere, type Acknowledged } from '../support/acknowledged.js';
import { freshFolder } from '../support/folder.js';
import { startWorkers, type Worker } from '../support/workers.js';

/** Shorter than usual, longer than the second in which a live holder touches its lock. */
const staleMs = 2000;

type LockReport = { lock: string; pid?: number };

const lockReports = ({ reports }: Worker): LockReport[] => reports.filter((one): one is LockReport => typeof one === 'object' && 'lock' in (one as object));
const isInLock = ({ reports }: Worker): boolean => reports.includes('in the lock');

const ways = [
  // A stopped process does not even get as far as reporting once more; whoever stopped it wakes it up.
  { way: 'is stopped', kind: 'stop', wake: (worker: Worker) => worker.child.kill('SIGCONT') },
  { way: 'blocks its event loop', kind: 'block', wake: () => undefined },
].filter(({ kind }) => kind === 'block' || process.platform !== 'win32');

describe.each(ways)('a process that $way inside the lock', ({ kind, wake }) => {
  const trouble = (write: number): object => ({ write, kind, forMs: staleMs + 1500 });

  test('redoes its late append behind what others appended meanwhile', async () => {
    const directory = freshFolder();
    const [late, other] = (await startWorkers([
      { job: 'append', directory, name: 'late', count: 5, batch: 2, staleMs, watchesLock: true, trouble: trouble(3) },
      { job: 'append', directory, name: 'other', count: 3, batch: 2, staleMs, watchesLock: true },
    ])) as [Worker, Worker];
    late.go();
    await expect.poll(() => isInLock(late), { timeout: 10_000 }).toBe(true);
    other.go();
    const others = (await other.result) as Acknowledged[];
    expect(others.map(({ first }) => first)).toEqual([5, 7, 9]);
    expect(lockReports(other)).toContainEqual(expect.objectContaining({ lock: 'takenOver', pid: late.child.pid }));
    wake(late);
    const lates = (await late.result) as Acknowledged[];
    expect(lates.map(({ first }) => first)).toEqual([1, 3, 11, 13, 15]);
    // Told on the channel; an exception would have ended the process without a result.
    expect(lockReports(late).map(({ lock }) => lock)).toContain('lost');
    const named = (name: string) => (one: Acknowledged) => ({ ...one, name });
    expect(await expectAllThere(directory, 2, [...lates.map(named('late')), ...others.map(named('other'))])).toBe(16);
  }, 30_000);

  test('is refused when what others appended meanwhile breaks its condition', async () => {
    const directory = freshFolder();
    const condition = { failIfEventsMatch: { items: [{ types: ['Appended'] }] } };
    const [late, other] = (await startWorkers([
      { job: 'appendIf', directory, event: { type: 'Late', data: null }, condition, staleMs, trouble: trouble(1) },
      { job: 'append', directory, name: 'other', count: 1, staleMs },
    ])) as [Worker, Worker];
    late.go();
    await expect.poll(() => isInLock(late), { timeout: 10_000 }).toBe(true);
    other.go();
    await other.result;
    wake(late);
    expect(await late.result).toEqual({ code: 'APPEND_CONDITION_FAILED', position: 1 });
    const store = await openStore({ directory, readOnly: true });
    expect((await store.read().toArray()).map(({ type }) => type)).toEqual(['Appended']);
    await store.close();
    expect(await verifyContext({ directory })).toMatchObject({ ok: true });
  }, 30_000);
});
