import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { enrolment } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles } from '../lib/statistics.mjs';

/**
 * A subscriber in another process: from the moment an append resolves here to the moment the event is seen there, by the
 * clock that all processes share (process.hrtime). Negative means seen before the acknowledgement arrived.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ rival, open, fresh, smoke }) {
  const count = smoke ? 20 : 40;
  const store = await open(fresh);
  await store.append(enrolment('first', 0));
  const child = fork(new URL('../lib/follower.mjs', import.meta.url), [rival, fresh, String(1 + count)]);
  const [ready] = await once(child, 'message');
  expectEqual(ready, 'caught up', 'message of the follower');
  const finished = once(child, 'message');

  const resolvedAt = [];
  for (let i = 1; i <= count; i++) {
    await delay(3 + ((i * 7) % 11));
    await store.append(enrolment(`s${i}`, i));
    resolvedAt.push(process.hrtime.bigint());
  }
  const timer = setTimeout(() => child.kill(), 10_000);
  child.once('exit', (code) => code === 0 || process.exit(1));
  const [{ seenAt, cpuShare }] = await finished;
  clearTimeout(timer);
  expectEqual(seenAt.length, 1 + count, 'events seen');
  await store.close();
  const latencies = percentiles(resolvedAt.map((at, i) => Number(BigInt(seenAt[i + 1]) - at) / 1e6));
  return { values: { p50: latencies.p50, cpuShare }, latencies };
}
