/*
 * What a damaged ledger still tells, read without trusting any of it: frames that lie where they say and whose head at
 * least is undamaged, the stretches that belong to no whole frame, and marks: frames that somebody knew to be durable.
 */
import type { ChainMark } from '../../core/stored.js';
import type { DiskFile } from '../../disk/disk.js';
import { headLength, marker, markerLength } from '../../ledger/format.js';
import { FrameScan, type FoundFrame } from '../../ledger/frame-scan.js';
import { decodeHead, decodeHeaderBody, type FrameHead } from '../../ledger/frame.js';
import type { EventFileFormat } from '../../ledger/header.js';
import { isRecord } from '../../ledger/record.js';
import type { Breather } from '../breather.js';
import { framesABreath, FrameTable, type KnownFrame } from './frame-table.js';
import { recordOffsets } from './ledger-check.js';

/** Bytes from `from` (inclusive) to `to` (exclusive). */
export type Stretch = { readonly from: number; readonly to: number };

export type LedgerRemains = {
  readonly ledgerId: Buffer | undefined;
  /** Where the events begin: behind the header, if that is undamaged. */
  readonly start: number;
  readonly size: number;
  readonly eventFiles: EventFileFormat | undefined;
  readonly createdAt: string | undefined;
  /** Heads of frames with events, by offset. */
  readonly frames: FrameTable;
  /** How many of them are of this ledger, and in their places. */
  readonly knownFrames: number;
  /** What no whole frame covers. */
  readonly gaps: readonly Stretch[];
  /** In gaps: what heads of damaged frames claim for theirs. */
  readonly claims: readonly (Stretch & { readonly frame: KnownFrame | undefined })[];
  /** Checksums of frames that were durable, by the position of their last event. */
  readonly marks: Map<number, number>;
};

/** Larger stretches are searched in pieces; a record across two of them is not found. */
export const pieceLength = 256 * 1024 * 1024;

const headerLimit = 2048;
/** A header's text lies before this; behind it, events may say anything. */
const headerText = 256;

/** Reads the remains in `file`, which may be absent; `knownId` is what others say of the ledger's id. */
export async function readRemains(file: DiskFile | undefined, knownId: Buffer | undefined, breather: Breather, signal: AbortSignal | undefined): Promise<LedgerRemains> {
  const frames = new FrameTable();
  const gaps: Stretch[] = [];
  let header: { head: FrameHead; body: unknown; end: number } | undefined;
  const size = file ? (await file.stat()).size : 0;
  let end = 0;
  const addGap = async (to: number): Promise<void> => {
    for (let from = end; file && from < to; from += pieceLength) {
      const gap = { from, to: Math.min(to, from + pieceLength) };
      gaps.push(gap);
      addDamagedHeads(await readStretch(file, gap), gap.from, frames);
    }
  };
  const scan = file && new FrameScan(file, 0, size);
  for (let frame = await scan?.next(); frame; frame = await scan?.next()) {
    signal?.throwIfAborted();
    await breather.breathe();
    await addGap(frame.offset);
    end = frame.end;
    const { head, offset, bytes, start } = frame;
    if (head.count > 0) frames.add(head, offset, hasSoundRecords(frame));
    else if (head.writtenAt === offset && offset < headerLimit) header ??= { head, body: decodeHeaderBody(bytes, start, head), end };
  }
  await addGap(size);
  return sortOut({ file, size, frames, gaps, header, knownId, breather });
}

export async function readStretch(file: DiskFile, { from, to }: Stretch): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from);
  const count = await file.read(bytes, from);
  return bytes.subarray(0, count);
}

function hasSoundRecords(frame: FoundFrame): boolean {
  const offsets = recordOffsets(frame);
  return offsets !== undefined && offsets.slice(0, -1).every((offset, i) => isRecord(frame.bytes, offset, offsets[i + 1]!, frame.head.first + i));
}

function addDamagedHeads(bytes: Buffer, at: number, frames: FrameTable): void {
  for (let offset = bytes.indexOf(marker); offset >= 0; offset = bytes.indexOf(marker, offset + markerLength)) {
    const head = decodeHead(bytes, offset);
    if (head && head.count > 0) frames.add(head, at + offset, false);
  }
}

async function sortOut(options: {
  file: DiskFile | undefined;
  size: number;
  frames: FrameTable;
  gaps: readonly Stretch[];
  header: { head: FrameHead; body: unknown; end: number } | undefined;
  knownId: Buffer | undefined;
  breather: Breather;
}): Promise<LedgerRemains> {
  const { file, size, frames, gaps, header, breather } = options;
  const headerId = header?.head.ledgerId;
  const isHeaderBelieved = headerId && (frames.length === 0 || frames.has(headerId));
  const ledgerId = isHeaderBelieved ? headerId : (frames.mostFrequentLedger() ?? options.knownId);
  if (ledgerId) frames.choose(ledgerId);
  const ours = header && ledgerId?.equals(header.head.ledgerId) ? header : undefined;
  const claims: (Stretch & { frame: KnownFrame | undefined })[] = [];
  const marks = new Map<number, number>();
  const mark = ({ position, checksum }: ChainMark): unknown => marks.has(position) || marks.set(position, checksum);
  if (ours) mark({ position: 0, checksum: ours.head.checksum });
  let knownFrames = 0;
  for (let i = 0; i < frames.length; i++) {
    if (i % framesABreath === 0) await breather.breathe();
    if (frames.isOurs(i)) mark(frames.baseOf(i));
    if (frames.isKnown(i)) knownFrames++;
    if (frames.isWhole(i)) continue;
    const frame = frames.get(i);
    claims.push({ from: frame.offset, to: frame.offset + headLength + frame.bodyLength, frame: frames.isKnown(i) ? frame : undefined });
  }
  const firstFrame = frames.length > 0 ? frames.offsetOf(0) : size;
  const text = ours || !file ? '' : (await readStretch(file, { from: 0, to: Math.min(size, headerText, firstFrame) })).toString('latin1');
  const body = (ours?.body ?? {}) as { eventFiles?: EventFileFormat; createdAt?: string };
  return {
    ledgerId,
    start: ours?.end ?? 0,
    size,
    // A damaged header is still searched for what it says: it can hardly say something else by accident.
    eventFiles: body.eventFiles ?? (/"eventFiles":"(json|msgpack|none)"/.exec(text)?.[1] as EventFileFormat | undefined),
    createdAt: body.createdAt ?? /"createdAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"/.exec(text)?.[1],
    frames,
    knownFrames,
    gaps,
    claims,
    marks,
  };
}
