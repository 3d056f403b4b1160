/*
 * Goal: however many processes append at once, each gets on.
 * Method: eight real processes that append one event after another for a while; none gets less than a quarter of its fair share.
 */
import { expect, test } from 'vitest';
import { freshFolder } from '../support/folder.js';
import { startWorkers } from '../support/workers.js';

test('eight processes that append all the time make progress alike', async () => {
  const directory = freshFolder();
  const workers = await startWorkers(Array.from({ length: 8 }, (_, i) => ({ job: 'appendOn', directory, name: `p${i}` })));
  for (const worker of workers) worker.go();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  for (const worker of workers) worker.stop();
  const counts = (await Promise.all(workers.map(({ result }) => result))) as number[];
  const fair = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  console.log(`eight processes appended ${counts.join(', ')} events`);
  expect(Math.min(...counts), `of ${counts.join(', ')}`).toBeGreaterThanOrEqual(fair / 4);
  expect(Math.min(...counts)).toBeGreaterThan(0);
}, 30_000);
