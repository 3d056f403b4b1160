/*
 * Whether what streams gave is what a snapshot at one head holds. The head itself is not told: it must be at least what was known
 * before the read began and what the read gave, and below the next event that it did not give.
 */
import { saidBy } from './claims.js';
import { checkExists, type Judged } from './check-appends.js';
import { briefEvent, nameOf } from './contradiction.js';
import type { Operation, ReadOperation, SubscribeOperation } from './operation.js';

/** What a use of a stream tells of its snapshot's head: a bound, and who says so. */
type Bound = { readonly value: number; readonly use: Operation; readonly because: string };

/** `uses` are all uses of one stream: they share a snapshot. */
export function checkRead(uses: readonly ReadOperation[], judged: Judged): void {
  let least: Bound | undefined;
  let most: Bound | undefined;
  for (const use of uses) {
    if (!checkGiven(use, use.options, judged)) return;
    const low = leastHead(use);
    if (low && (least === undefined || low.value > least.value)) least = low;
    const high = mostHead(use, judged);
    if (high && (most === undefined || high.value < most.value)) most = high;
  }
  checkUpToDate(uses, least, most, judged);
  checkSnapshot(uses, least, judged);
  checkBatches(uses, least, most, judged);
}

export function checkSubscription(operation: SubscribeOperation, judged: Judged): void {
  if (!checkGiven(operation, operation.options, judged)) return;
  const { positions, caughtUp, query } = operation;
  const { after = 0 } = operation.options;
  checkExists(operation, positions.at(-1) ?? 0, judged, 'was given');
  if (!caughtUp) return;
  const next = judged.log.firstMatch(query, positions[caughtUp.count - 1] ?? after);
  if (next === undefined || next > caughtUp.head) return;
  judged.findings.add('reads have no holes', `${nameOf(operation)} was told that it had caught up to position ${caughtUp.head}, but event ${next} had not been handed out.`, operation);
}

/** Whether it gave what was asked for, in order and without leaving anything out. Reports the first thing that is wrong. */
function checkGiven(operation: ReadOperation | SubscribeOperation, options: ReadOperation['options'], { log, slack, findings }: Judged): boolean {
  const { query, positions } = operation;
  const { after = 0, before = Infinity, limit = Infinity, backwards = false } = options;
  const wrong = (text: string): false => (findings.add('reads give what was asked for', `${nameOf(operation)} ${text}`, operation), false);
  for (const [i, position] of positions.entries()) {
    const previous = positions[i - 1];
    if (position <= after || position >= before) return wrong(`gave event ${position}, which its bounds exclude.`);
    if (previous !== undefined && (backwards ? position >= previous : position <= previous)) return wrong(`gave event ${position} behind event ${previous}.`);
    if (log.at(position) && !log.isMatch(query, position)) return wrong(`gave event ${position}, ${briefEvent(log.at(position)!.fact)}, which its query does not match.`);
  }
  if (positions.length > limit) return wrong(`gave ${positions.length} events, and was to give ${limit} at the most.`);

  const missing = firstMissing(operation, { after, limit, backwards });
  if (missing === undefined) return true;
  const entry = log.at(missing)!;
  const other = positions.find((position) => position > missing)!;
  const isLate = operation.end !== undefined && entry.since > operation.end + slack;
  if (isLate) {
    const text = `${nameOf(operation)} saw position ${other}, and afterwards ${entry.maker ? nameOf(entry.maker) : 'somebody'} stored ${briefEvent(entry.fact)} below it, at position ${missing}.`;
    findings.add('positions follow real time', text, operation, entry.maker);
  } else {
    const text = `${nameOf(operation)} gave event ${other} and left out event ${missing}, which matches its query: ${saidBy(entry)} ${briefEvent(entry.fact)} there.`;
    findings.add('reads have no holes', text, operation, entry.by);
  }
  return false;

  /** The first position that is left out between two that were given, or between one and the bound where it began. */
  function firstMissing(use: ReadOperation | SubscribeOperation, { after: from, limit: most, backwards: down }: { after: number; limit: number; backwards: boolean }): number | undefined {
    const given = down ? [...use.positions].reverse() : use.positions;
    if (given.length === 0) return undefined;
    const reachedBottom = !down || ('complete' in use && use.complete === true && given.length < most);
    let passed = reachedBottom ? from : given[0]! - 1;
    for (const position of given) {
      const next = log.firstMatch(query, passed);
      if (next !== position) return next! < position ? next : undefined;
      passed = position;
    }
    return undefined;
  }
}

/** The highest position of which the use shows that it was in the snapshot. */
function leastHead(use: ReadOperation): Bound | undefined {
  if (use.head !== undefined) return { value: use.head, use, because: `says that everything up to position ${use.head} is in it` };
  const highest = use.options.backwards === true ? use.positions[0] : use.positions.at(-1);
  return highest === undefined ? undefined : { value: highest, use, because: `gave event ${highest}` };
}

/** The position below the next event that matches and that the use did not give. */
function mostHead(use: ReadOperation, { log }: Judged): Bound | undefined {
  const { after = 0, before = Infinity, limit = Infinity, backwards = false } = use.options;
  const { positions } = use;
  if (use.head !== undefined) return undefined;
  // Going down, what comes first is the highest of all; going up, only the end shows that there was no more.
  const showsEnd = backwards ? positions.length > 0 || use.complete === true : use.complete === true && positions.length < limit;
  if (!showsEnd) return undefined;
  const next = log.firstMatch(use.query, (backwards ? positions[0] : positions.at(-1)) ?? after);
  return next === undefined || next >= before ? undefined : { value: next - 1, use, because: `left out event ${next}` };
}

function checkUpToDate(uses: readonly ReadOperation[], least: Bound | undefined, most: Bound | undefined, { log, heads, slack, findings }: Judged): void {
  if (!most) return;
  const missed = log.at(most.value + 1)!;
  if (least && least.value > most.value) {
    const text = `${nameOf(least.use)} ${least.because}, but ${least.use === most.use ? 'it' : `${nameOf(most.use)}, of the same snapshot,`} ${most.because}: ${saidBy(missed)} ${briefEvent(missed.fact)} there.`;
    findings.add('reads have no holes', text, least.use, most.use, missed.by);
    return;
  }
  const start = Math.min(...uses.map((use) => use.start));
  const known = heads.before(start - slack);
  if (!known || known.head <= most.value) return;
  const told = `${nameOf(known.operation)} had been told of position ${known.head} before it began`;
  const stored = missed.maker && missed.maker !== known.operation ? `, and ${nameOf(missed.maker)} stored it` : '';
  findings.add('reads are up to date', `${nameOf(most.use)} ${most.because}, ${briefEvent(missed.fact)}, though ${told}${stored}.`, most.use, known.operation, missed.maker);
}

/** The snapshot was fixed by the first answer: what was called later cannot be in it. */
function checkSnapshot(uses: readonly ReadOperation[], least: Bound | undefined, { log, slack, findings }: Judged): void {
  const fixed = Math.min(...uses.map(({ answered = Infinity }) => answered));
  const latest = least && log.latestUpTo(least.value);
  if (!least || !latest || latest.since <= fixed + slack) return;
  const { maker, position } = latest;
  const text = `${nameOf(least.use)} ${least.because}, but its snapshot was fixed before ${maker ? nameOf(maker) : 'the append'}, which stored event ${position}, was called.`;
  findings.add('reads are snapshots', text, least.use, maker);
}

/** No head can lie within a batch. */
function checkBatches(uses: readonly ReadOperation[], least: Bound | undefined, most: Bound | undefined, { log, findings }: Judged): void {
  if (!least || !most) return;
  const batch = log.at(least.value)?.batch;
  if (!batch || batch.last <= least.value || most.value >= batch.last) return;
  const { maker } = log.at(least.value)!;
  const text = `${nameOf(least.use)} ${least.because} and ${most.because}: that is a part of ${nameOf(maker!)}, which stored positions ${batch.first} to ${batch.last} at once.`;
  findings.add('batches are whole', text, ...uses, maker);
}
