import { decisionCount, decisionEvents, decisionQuery, enrolment, touch } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { percentiles, timeEach, warmUp } from '../lib/statistics.mjs';

/**
 * Read 20 events by two items, append one on condition that nothing of the kind came since. What is appended matches the
 * query, so each planted decision is made once: every round takes its own share of them. The first ones show what a process
 * that just started gets; then some are made again and again, for an event that does not match, until whatever a rival
 * prepares or compiles is ready; those that follow show what a process gets from then on, each of events not read before.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ open, prepared, size, round, rounds, smoke }) {
  const share = Math.min(smoke ? 20 : 350, Math.floor(decisionCount(size) / rounds));
  const early = Math.min(20, Math.floor(share / 2));
  const store = await open(prepared);
  let decided = 0;
  const decide = async (/** @type {number} */ n, /** @type {ReturnType<typeof enrolment>} */ event) => {
    const query = decisionQuery(n);
    const reading = store.readForDecision(query);
    const { events, head } = reading instanceof Promise ? await reading : reading;
    expectEqual(events.length, decisionEvents, 'events read');
    let sum = 0;
    for (const event of events) sum += touch(event);
    if (!(sum > 0)) throw new Error('the events are empty');
    const appending = store.append(event, { failIfEventsMatch: query, after: head });
    expectEqual(appending instanceof Promise ? await appending : appending, head + 1, 'position of the append');
    decided++;
  };
  const decideOnce = (/** @type {number} */ i) => {
    const n = round * share + i;
    const event = enrolment(`decision-${n}`, n);
    event.tags[0] = `course:decision-${n}`;
    return decide(n, event);
  };
  const first = percentiles(await timeEach(early, decideOnce));
  // Only a few, which are not measured, so that the events of the others stay unread.
  const repeated = Math.min(5, Math.floor((share - early) / 2));
  const warm = await warmUp({ count: 20, smoke }, (i) => decide(round * share + share - 1 - (i % repeated), enrolment(`warm-up-${round}-${i}`, i)));
  const latencies = percentiles(await timeEach(share - early - repeated, (i) => decideOnce(early + i)));
  expectEqual(decided, share - repeated + warm, 'decisions');
  await store.close();
  return { values: { p50: latencies.p50, firstP50: first.p50 }, latencies, notes: { decisions: share - early - repeated, first: early } };
}
