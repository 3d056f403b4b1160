import type { DiskFile } from '../../disk/disk.js';
import { FrameScan } from '../../ledger/frame-scan.js';
import type { UnreadableStretch } from './patchy-file.js';
import type { VerifyProblem } from './problems.js';

/** What to tell of the stretches of a ledger that cannot be read. Costs another look at the whole ledger when there are any. */
export async function unreadableProblems(file: DiskFile, unreadable: readonly UnreadableStretch[]): Promise<VerifyProblem[]> {
  const problems: VerifyProblem[] = [];
  const left = [...unreadable];
  if (left.length === 0) return problems;
  const { size } = await file.stat();
  const scan = new FrameScan(file, 0, size);
  let last = 0;
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    const { head, offset } = frame;
    // What lost a race says nothing about what lies before it.
    if (head.writtenAt !== offset) continue;
    while (left[0] && left[0].to <= offset) problems.push(unreadableProblem(left.shift()!, last + 1, head.first - 1));
    last = Math.max(last, head.first + head.count - 1);
  }
  for (const stretch of left) problems.push(unreadableProblem(stretch, last + 1, Infinity));
  return problems;
}

/** The events of positions `first` to `last`, inclusive, are in none of the frames around. */
function unreadableProblem({ from, to, reason }: UnreadableStretch, first: number, last: number): VerifyProblem {
  const events = last === Infinity ? `Events from position ${first} on` : `The events of positions ${first} to ${last}`;
  const lost = last < first ? 'No event is missing around them.' : `${events} lay there, as far as the frames around tell.`;
  return {
    what: 'ledger',
    where: 'ledger',
    offset: from,
    ...(last < first ? {} : { position: first }),
    message: `The bytes from ${from} to ${to - 1} cannot be read (${reason}). ${lost}`,
  };
}
