import type { Disk, DiskFile } from '../../disk/disk.js';
import { EventFileSource } from '../../eventfiles/event-file-source.js';
import type { Chain } from '../../ledger/chain.js';
import { FrameScan } from '../../ledger/frame-scan.js';
import type { LedgerHeader } from '../../ledger/header.js';
import { chainPoint } from '../../ledger/scan-chain.js';
import type { Breather } from '../breather.js';
import { readQuietly } from '../look-again.js';
import type { VerifyProblem } from './problems.js';

export type EventsBehindOptions = {
  readonly directory: string;
  readonly disk: Disk;
  readonly breather: Breather;
  readonly file: DiskFile;
  readonly header: LedgerHeader;
  /** What was read of the ledger, and up to which offset. */
  readonly chain: Chain;
  readonly end: number;
};

/**
 * Whether whole event files go on where the ledger ends: they are only made from durable frames, so the ledger lost its end,
 * though no checkpoint and no index block is left to say so. Looks at the ledger again, since writers may be at work.
 */
export async function findEventsBehind(options: EventsBehindOptions): Promise<VerifyProblem | undefined> {
  const { directory, disk, breather, file, header, chain, end } = options;
  const files = await EventFileSource.open({ directory, format: header.eventFiles, disk, readFile: (file) => readQuietly(file, disk), breathe: () => breather.breathe() });
  const head = await headByNow(file, chain, end);
  if ((await files.read(head + 1))?.batch.first !== head + 1) return undefined;
  let last = head + 1;
  while (await files.read(last + 1)) last++;
  if ((await headByNow(file, chain, end)) > head) return undefined;
  return {
    what: 'ledger',
    where: 'ledger',
    position: head + 1,
    message: `The ledger ends with position ${head}, but event files go on up to position ${last}: they are only made from events that were committed, so the ledger lost its end.`,
  };
}

/** The last position, with what was appended since the chain was read up to `end`. */
export async function headByNow(file: DiskFile, chain: Chain, end: number): Promise<number> {
  const { size } = await file.stat();
  const scan = new FrameScan(file, end, size);
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    if (chain.judge(frame.head, frame.offset) === 'counts') chain.add(chainPoint(frame));
  }
  return chain.last.position;
}
