/*
 * Where a backup goes. What lies there already is judged before a byte of it is changed: a backup goes on only where an
 * earlier one of the same ledger ended, and behind that nothing but the torn end of a copy may lie.
 */
import path from 'node:path';
import { InvalidInputError, isOpossumError, LedgerCorruptError } from '../../core/errors.js';
import type { ChainPoint } from '../../core/stored.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { Chain, type Verdict } from '../../ledger/chain.js';
import { FrameScan } from '../../ledger/frame-scan.js';
import { headerPoint, openLedgerFileReadOnly, type LedgerHeader } from '../../ledger/header.js';
import { chainPoint } from '../../ledger/scan-chain.js';
import { readCheckpoint } from '../checkpoint.js';
import type { BackupSource } from './backup-source.js';

export type TargetPlace = {
  /** The copy's folder. */
  readonly folder: string;
  /** Whether an earlier backup is there. */
  readonly exists: boolean;
};

const pieceLength = 1024 * 1024;

/** How the copy's ledger becomes equal to the source's. */
export type CopyPlan = {
  /** The last frame that the copy has. */
  readonly from: ChainPoint;
  /** Where to end: the source's head, unless an earlier backup got further. */
  readonly head: ChainPoint;
  /** Offset behind the head. */
  readonly end: number;
  /** Offset in both files from which bytes are appended; undefined when the copy's torn end must be replaced. */
  readonly appendAt: number | undefined;
  /** Offset in the copy before which everything is durable. */
  readonly durableTo: number;
  /** Up to here the copy's event files are in place and durable. */
  readonly eventFiles: ChainPoint | undefined;
};

/** Finds the copy's folder. @throws InvalidInputError when a backup of `source` cannot go there. */
export async function findTarget(destination: string, context: string, source: string, disk: Disk): Promise<TargetPlace> {
  const root = await realPathOf(path.resolve(destination), disk);
  const folder = await realPathOf(path.join(root, context), disk);
  for (const place of [root, folder]) {
    const kind = (await disk.stat(place))?.kind;
    if (kind !== undefined && kind !== 'directory') refuse(`is ${destination}, but ${place} is not a folder.`);
  }
  if (folder === source || (await isSameFile(path.join(folder, 'ledger'), path.join(source, 'ledger'), disk))) {
    refuse(`is ${destination}, which leads to the very store that is to be backed up. Name a folder on another disk.`);
  }
  if (isInside(folder, source) || isInside(root, source)) refuse(`is ${destination}, which lies inside the store that is to be backed up (${source}). Name a folder elsewhere.`);
  if (isInside(source, folder)) refuse(`is ${destination}, but ${folder} holds the store that is to be backed up (${source}). Name a folder elsewhere.`);
  if (await disk.stat(path.join(root, 'ledger'))) refuse(`is ${destination}, which is itself a store. Name the folder that holds, or is to hold, the copies of contexts.`);
  const names = await disk.list(folder);
  if (names !== undefined && names.length > 0 && !names.includes('ledger')) {
    refuse(`is ${destination}, but ${folder} holds other things and no ledger. Name another folder, or move them away.`);
  }
  return { folder, exists: names !== undefined && names.length > 0 };
}

/** Judges the copy in `folder`, whose lock the caller holds. @throws InvalidInputError or LedgerCorruptError when it is not to be touched. */
export async function planCopy(folder: string, source: BackupSource, disk: Disk): Promise<CopyPlan> {
  const { file, header } = await openCopy(folder, disk);
  try {
    const { header: own } = source;
    if (!header.ledgerId.equals(own.ledgerId) || header.checksum !== own.checksum || header.offset !== own.offset) {
      refuse(
        `holds a backup of another ledger in ${folder} (id ${header.ledgerId.toString('hex')}, this one has ${own.ledgerId.toString('hex')}). A store that ` +
          'was made anew or rebuilt by repair has a new id: name an empty folder, and keep the old backup for as long as you may need it.',
      );
    }
    const copied = await scanCopy(file, header);
    const checkpoint = await readCheckpoint(folder, header.ledgerId, disk);
    if (copied.last.position < (checkpoint?.durable?.position ?? 0)) throw damagedCopy(folder, copied.last.position);
    const head = commonHead(folder, copied.last, source);
    // Whatever is not the source's own was appended to the copy by somebody who may rely on it.
    for (const { offset, end } of copied.loose) if (!(await sameBytes(file, source.file, offset, end))) throw damagedCopy(folder, copied.last.position);
    const { size } = await file.stat();
    // An earlier backup got as far as this one may go, and what it wrote ends there.
    const end = head === source.head ? source.end : copied.end;
    const isPrefix = size <= end && (await sameBytes(file, source.file, copied.end, size));
    const complete = checkpoint?.eventFiles && source.chain.includes(checkpoint.eventFiles) ? checkpoint.eventFiles : undefined;
    return { from: copied.last, head, end, appendAt: isPrefix ? size : undefined, durableTo: checkpoint?.durable?.offset ?? 0, eventFiles: complete };
  } finally {
    await file.close();
  }
}

async function openCopy(folder: string, disk: Disk): Promise<{ file: DiskFile; header: LedgerHeader }> {
  try {
    return await openLedgerFileReadOnly(folder, disk);
  } catch (error) {
    if (isOpossumError(error, 'LEDGER_CORRUPT') || isOpossumError(error, 'INVALID_INPUT')) throw damagedCopy(folder, 0, error);
    throw error;
  }
}

type ScannedCopy = {
  /** The last frame that counts, and the offset behind it. */
  readonly last: ChainPoint;
  readonly end: number;
  /** Whole frames behind it that do not count: in the torn end of a copy, later frames may have outlived earlier ones. */
  readonly loose: readonly { readonly offset: number; readonly end: number }[];
};

async function scanCopy(file: DiskFile, header: LedgerHeader): Promise<ScannedCopy> {
  const chain = new Chain(header.ledgerId, headerPoint(header));
  const scan = new FrameScan(file, header.end, (await file.stat()).size);
  let end = header.end;
  let loose: { offset: number; end: number }[] = [];
  let torn = false;
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    const verdict: Verdict = torn ? 'orphan' : chain.judge(frame.head, frame.offset);
    torn = verdict === 'orphan';
    if (verdict !== 'counts') {
      loose.push({ offset: frame.offset, end: frame.end });
      continue;
    }
    chain.add(chainPoint(frame));
    end = frame.end;
    loose = [];
  }
  return { last: chain.last, end, loose };
}

function commonHead(folder: string, last: ChainPoint, { chain, head }: BackupSource): ChainPoint {
  const same = chain.find(last.position);
  if (same?.checksum === last.checksum && same.offset === last.offset) return last.position > head.position ? last : head;
  if (last.position > chain.last.position) {
    refuse(
      `is ahead: the copy in ${folder} ends with position ${last.position}, the store with ${chain.last.position}. Either events were appended to the copy, or ` +
        'the store lost events, or was put back to an older state. Find out which; to go on from here, back up to an empty folder.',
    );
  }
  refuse(
    `has diverged: the copy in ${folder} and the store hold different events up to position ${last.position}. Events were appended to the copy, or the ` +
      'store was put back to an older state and went on from there. Keep that copy, and back up to an empty folder.',
  );
}

/** Compares the bytes from `from` (inclusive) to `to` (exclusive). */
async function sameBytes(a: DiskFile, b: DiskFile, from: number, to: number): Promise<boolean> {
  for (let offset = from; offset < to; offset += pieceLength) {
    const length = Math.min(pieceLength, to - offset);
    const [one, other] = [Buffer.alloc(length), Buffer.alloc(length)];
    if ((await a.read(one, offset)) !== (await b.read(other, offset)) || !one.equals(other)) return false;
  }
  return true;
}

/** Makes a folder and the missing ones above it, and makes their names durable. */
export async function makeFolders(folder: string, disk: Disk): Promise<void> {
  if (await disk.stat(folder)) return;
  await makeFolders(path.dirname(folder), disk);
  if (await disk.makeDirectory(folder)) await disk.syncDirectory(path.dirname(folder));
}

/** The real path of what exists of it; the rest as it is. */
async function realPathOf(place: string, disk: Disk): Promise<string> {
  if (await disk.stat(place)) return disk.realPath(place);
  const parent = path.dirname(place);
  return parent === place ? place : path.join(await realPathOf(parent, disk), path.basename(place));
}

/** Links and mounts can give one file two real paths. */
async function isSameFile(a: string, b: string, disk: Disk): Promise<boolean> {
  const [one, other] = [await disk.stat(a), await disk.stat(b)];
  return one !== undefined && other !== undefined && one.ino !== 0 && one.ino === other.ino && one.dev === other.dev;
}

function isInside(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return relative !== '' && relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function damagedCopy(folder: string, last: number, cause?: unknown): LedgerCorruptError {
  const file = path.join(folder, 'ledger');
  return new LedgerCorruptError(
    `The earlier backup in ${folder} is damaged behind position ${last}, and was left as it is. The store itself is sound: back it up to an empty folder. ` +
      '"opossum verify" tells what is wrong with the copy.',
    { file, position: last + 1 },
    cause,
  );
}

function refuse(problem: string): never {
  throw new InvalidInputError('options.destination', problem);
}
