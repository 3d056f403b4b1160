/*
 * Goal: writers that are killed lose nothing that they acknowledged, and leave no half of a batch.
 * Method: real processes, SIGKILL at random moments of starting, appending and taking the lock; then a look at everything.
 */
import { expect, test } from 'vitest';
import { freshFolder } from '../support/folder.js';
import { killWriters } from './fixtures/kill-writers.js';
import { expectAllThere } from '../support/acknowledged.js';
import { openStore } from '../../dist/index.js';
import { startAtOnce } from '../support/workers.js';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

test(`writers are killed fifty times (SEED=${seed})`, async () => {
  const directory = freshFolder();
  const { acknowledged, kills } = await killWriters({ directory, seed, kills: 50, writers: 3, batch: 3 });
  expect(kills).toBe(50);
  expect(acknowledged.length).toBeGreaterThan(50);
  await expectAllThere(directory, 3, acknowledged);
}, 120_000);

test('the next append of another process succeeds soon after the holder of the lock was killed', async () => {
  const directory = freshFolder();
  const store = await openStore({ directory });
  const tookMs: number[] = [];
  for (let i = 0; i < 7; i++) {
    const holder = startAtOnce({ job: 'append', directory, name: `h${i}`, count: 1, trouble: { write: 1, kind: 'hang' } });
    await expect.poll(() => holder.reports, { timeout: 10_000 }).toEqual(['in the lock']);
    holder.child.kill('SIGKILL');
    const killedAt = performance.now();
    await store.append({ type: 'Next', data: i });
    tookMs.push(Math.round(performance.now() - killedAt));
  }
  await store.close();
  const median = [...tookMs].sort((a, b) => a - b)[3]!;
  console.log(`appends after the holder's death took ${tookMs.join(', ')} ms`);
  expect(median, `of ${tookMs.join(', ')} ms`).toBeLessThan(200);
}, 120_000);
