/*
 * Goal: however many processes append at once, each gets on.
 * Method: eight real processes that append one event after another, until there are enough of them to tell chance from
 * neglect; none gets less than a quarter of its fair share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openStore } from '../../dist/index.js';
import { freshFolder } from '../support/folder.js';
import { startWorkers } from '../support/workers.js';

test('eight processes that append all the time make progress alike', async () => {
  const directory = freshFolder();
  const workers = await startWorkers(Array.from({ length: 8 }, (_, i) => ({ job: 'appendOn', directory, name: `p${i}` })));
  for (const worker of workers) worker.go();
  const store = await openStore({ directory, readOnly: true });
  while ((await store.head()) < 1600) await sleep(50);
  await store.close();
  for (const worker of workers) worker.stop();
  const counts = (await Promise.all(workers.map(({ result }) => result))) as number[];
  const fair = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  console.log(`eight processes appended ${counts.join(', ')} events`);
  expect(Math.min(...counts), `of ${counts.join(', ')}`).toBeGreaterThanOrEqual(fair / 4);
  expect(Math.min(...counts)).toBeGreaterThan(0);
}, 30_000);
