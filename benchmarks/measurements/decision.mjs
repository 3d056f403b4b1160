import { decisionCount, decisionEvents, decisionQuery, enrolment, touch } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, timeEach } from '../lib/statistics.mjs';

/**
 * Read 20 events by two items, append one on condition that nothing of the kind came since. What is appended matches the
 * query, so each planted decision is made once: every round takes its own share of them.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ open, prepared, size, round, rounds, smoke }) {
  const share = Math.min(smoke ? 20 : 500, Math.floor(decisionCount(size) / rounds));
  const warmUp = Math.floor(share / 10);
  const store = await open(prepared);
  let decided = 0;
  const decide = async (/** @type {number} */ i) => {
    const n = round * share + i;
    const query = decisionQuery(n);
    const reading = store.readForDecision(query);
    const { events, head } = reading instanceof Promise ? await reading : reading;
    expectEqual(events.length, decisionEvents, 'events read');
    let sum = 0;
    for (const event of events) sum += touch(event);
    if (!(sum > 0)) throw new Error('the events are empty');
    const event = enrolment(`decision-${n}`, n);
    event.tags[0] = `course:decision-${n}`;
    const appending = store.append(event, { failIfEventsMatch: query, after: head });
    expectEqual(appending instanceof Promise ? await appending : appending, head + 1, 'position of the append');
    decided++;
  };
  await timeEach(warmUp, decide);
  const latencies = percentiles(await timeEach(share - warmUp, (i) => decide(warmUp + i)));
  expectEqual(decided, share, 'decisions');
  await store.close();
  return { values: { p50: latencies.p50 }, latencies, notes: { decisions: share - warmUp } };
}
