/* Whether each append was rightly accepted, or rightly refused, and whether positions follow real time. */
import { saidBy } from './claims.js';
import { briefEvent, nameOf, spanText, type Findings } from './contradiction.js';
import type { EventLog } from './event-log.js';
import type { KnownHeads } from './known-heads.js';
import { fateOf, type AppendOperation, type HeadOperation, type Operation } from './operation.js';

/** `slack`: how many milliseconds two clocks may differ. */
export type Judged = { readonly log: EventLog; readonly heads: KnownHeads; readonly slack: number; readonly findings: Findings };

export function checkAppend(append: AppendOperation, judged: Judged): void {
  switch (fateOf(append)) {
    case 'stored':
      checkOrder(append, judged);
      checkAccepted(append, append.answer!.first, judged);
      return;
    case 'repeated':
      checkExists(append, append.answer!.last, judged, 'was answered as a repetition of');
      return;
    case 'unknown': {
      const first = judged.log.firstOf(append);
      if (first !== undefined) checkAccepted(append, first, judged);
      return;
    }
    case 'refused':
      checkRefused(append, judged);
  }
}

export function checkHead(operation: HeadOperation, judged: Judged): void {
  const { head } = operation;
  if (head === undefined) return;
  const known = judged.heads.before(operation.start - judged.slack);
  if (known && known.head > head) {
    const text = `${nameOf(operation)} answered ${head}, though ${nameOf(known.operation)} had been told of position ${known.head} before it began.`;
    judged.findings.add('reads are up to date', text, operation, known.operation);
  }
  checkExists(operation, head, judged, 'was told of');
  const { batch, maker } = judged.log.at(head) ?? {};
  if (!batch || !maker || batch.last === head) return;
  const text = `${nameOf(operation)} answered ${head}, which lies within ${nameOf(maker)}: that stored ${spanText(batch.first, batch.last)} at once.`;
  judged.findings.add('batches are whole', text, operation, maker);
}

/** Whoever was told of `position` at its end cannot have been told of what had not been called by then. */
export function checkExists(operation: Operation, position: number, { log, slack, findings }: Judged, told: string): void {
  const latest = log.latestUpTo(position);
  if (!latest || operation.end === undefined || latest.since <= operation.end + slack) return;
  const { maker } = latest;
  const text =
    `${nameOf(operation)} ${told} position ${position}, but ${maker ? nameOf(maker) : 'the append'} that stored event ${latest.position} was called only later: ` +
    'whoever knows a head must never learn of a new event at or below it.';
  findings.add('positions follow real time', text, operation, maker);
}

function checkOrder(append: AppendOperation, { heads, slack, findings }: Judged): void {
  const { first, last } = append.answer!;
  const known = heads.before(append.start - slack);
  if (!known || known.head < first) return;
  const text = `${nameOf(append)} got ${spanText(first, last)}, though ${nameOf(known.operation)} had been told of position ${known.head} before it was called.`;
  findings.add('positions follow real time', text, append, known.operation);
}

function checkAccepted(append: AppendOperation, first: number, { log, findings }: Judged): void {
  const { condition } = append;
  if (!condition) return;
  const { failIfEventsMatch, after = 0 } = condition;
  const conflict = log.firstMatch(failIfEventsMatch, after);
  if (conflict !== undefined && conflict < first) {
    const { fact, maker, by } = log.at(conflict)!;
    const text = `${nameOf(append)} counts at position ${first}, but event ${conflict}, ${briefEvent(fact)}, matches its failIfEventsMatch after position ${after}.`;
    findings.add('accepted conditions held', text, append, maker ?? by);
  } else if (after >= first) {
    findings.add('positions follow real time', `${nameOf(append)} counts at position ${first}, though position ${after} was known before it was called: its condition rests on it.`, append);
  }
}

function checkRefused(append: AppendOperation, judged: Judged): void {
  const { log, findings } = judged;
  const { condition, error } = append;
  if (error?.head !== undefined) checkExists(append, error.head, judged, 'was told of');
  if (error?.position !== undefined) checkExists(append, error.position, judged, 'was refused because of');
  if (error?.code !== 'APPEND_CONDITION_FAILED') return;
  if (!condition) {
    findings.add('refused conditions had a conflict', `${nameOf(append)} was refused by a condition, but it had none.`, append);
    return;
  }
  const { failIfEventsMatch, after = 0 } = condition;
  const { position } = error;
  const lowest = log.firstMatch(failIfEventsMatch, after);
  if (position !== undefined && (position <= after || !log.isMatch(failIfEventsMatch, position))) {
    const entry = log.at(position);
    const text = `${nameOf(append)} was refused because of event ${position}${entry ? `, ${briefEvent(entry.fact)}` : ''}, which ${position <= after ? `is not after position ${after}` : 'does not match its failIfEventsMatch'}.`;
    findings.add('refused conditions had a conflict', text, append);
  } else if (lowest === undefined || (append.end !== undefined && log.at(lowest)!.since > append.end + judged.slack)) {
    findings.add('refused conditions had a conflict', `${nameOf(append)} was refused, but by its answer no event after position ${after} matched its failIfEventsMatch.`, append);
  } else if (position !== undefined && lowest < position) {
    const entry = log.at(lowest)!;
    const text = `${nameOf(append)} was refused because of event ${position} and not of the first that matches its failIfEventsMatch after position ${after}: ${saidBy(entry)} ${briefEvent(entry.fact)} at position ${lowest}.`;
    findings.add('refused conditions had a conflict', text, append, entry.by);
  }
}
