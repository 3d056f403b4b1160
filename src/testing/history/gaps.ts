import { nameOf, spanText, type Findings } from './contradiction.js';
import type { Entry, EventLog } from './event-log.js';
import type { AppendOperation, Operation } from './operation.js';

/** Reports positions that nobody stored. `unseen` are appends of unknown outcome: theirs may be among them. */
export function checkGaps(log: EventLog, operations: readonly Operation[], unseen: readonly AppendOperation[], findings: Findings): void {
  let firstMade = Infinity;
  let highest = 0;
  for (const { position, maker } of log.entries()) {
    highest = Math.max(highest, position);
    if (maker) firstMade = Math.min(firstMade, position);
  }
  const teller = operations.find((operation) => 'head' in operation && (operation.head ?? 0) > highest);
  let spare = unseen.reduce((sum, { events }) => sum + events.length, 0);
  if (teller && 'head' in teller && firstMade < Infinity && teller.head! > highest + spare) {
    const text = `${nameOf(teller)} was told of position ${teller.head}, but nobody stored anything after position ${highest}.`;
    findings.add('no gaps', text, teller, log.at(highest)?.by);
  }
  for (let position = firstMade; position < highest; position++) {
    if (log.at(position) || --spare >= 0) continue;
    const [before, after] = [log.at(position - 1)?.by, nextAfter(log, position)];
    const text = `Nobody stored anything at ${spanText(position, after.position - 1)}, but ${after.by ? nameOf(after.by) : 'somebody'} was told of position ${after.position}.`;
    findings.add('no gaps', text, before, after.by);
    return;
  }
}

function nextAfter(log: EventLog, position: number): Entry {
  let next: Entry | undefined;
  for (const entry of log.entries()) if (entry.position > position && (!next || entry.position < next.position)) next = entry;
  return next!;
}
