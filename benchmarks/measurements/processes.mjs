import { fork } from 'node:child_process';
import { enrolment } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, warmUpMs } from '../lib/statistics.mjs';

const racers = 4;

/** Four processes on one store, each with one conditional append in flight. @param {import('../lib/context.mjs').Context} context */
export async function measure({ rival, open, fresh, smoke }) {
  const durationMs = smoke ? 300 : 500;
  // Each works a fourth of the time, and waits the other three.
  const warmUpsMs = smoke ? 50 : 2 * warmUpMs;
  const store = await open(fresh);
  await store.append(enrolment('first', 0));
  await store.close();

  const children = Array.from({ length: racers }, (_, racer) => fork(new URL('../lib/racer.mjs', import.meta.url), [rival, fresh, String(racer)]));
  await Promise.all(children.map(nextMessage));
  const all = (/** @type {string} */ phase, /** @type {number} */ ms) => {
    for (const child of children) child.send({ phase, durationMs: ms });
    return Promise.all(children.map(nextMessage));
  };
  // One that starves ends its warm-up late: all wait for it, or it would be measured alone.
  await all('warm-up', warmUpsMs);
  const results = await all('race', durationMs);

  const reopened = await open(fresh);
  const appended = results.reduce((sum, { warmedUp, appended }) => sum + warmedUp + appended, 0);
  expectEqual(await reopened.head(), 1 + appended, 'events in the store');
  await reopened.close();

  const inTime = results.map((result) => result.inTime / (durationMs / 1000));
  const slowest = Math.min(...inTime);
  const fastest = Math.max(...inTime);
  return {
    values: { fourTimesSlowest: racers * slowest, total: inTime.reduce((sum, rate) => sum + rate, 0), fairness: slowest / fastest },
    latencies: percentiles(results.flatMap(({ times }) => times)),
    notes: { failures: results.reduce((sum, { failures }) => sum + failures, 0), perSecond: inTime.map(Math.round) },
  };
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<any>} */
export function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const ended = (/** @type {number | null} */ code) => reject(new Error(`a racer ended early with ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}
