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
import { recordOffsets } from './ledger-check.js';

/** A frame whose head is undamaged. */
export type KnownFrame = {
  readonly offset: number;
  readonly first: number;
  readonly count: number;
  readonly time: number;
  readonly previous: number;
  readonly checksum: number;
  readonly conditionLength: number;
  readonly bodyLength: number;
  /** Whether the body is undamaged too. */
  readonly isWhole: boolean;
};

/** Bytes from `from` (inclusive) to `to` (exclusive). */
export type Stretch = { readonly from: number; readonly to: number };

export type LedgerRemains = {
  readonly ledgerId: Buffer | undefined;
  /** Where the events begin: behind the header, if that is undamaged. */
  readonly start: number;
  readonly size: number;
  readonly eventFiles: EventFileFormat | undefined;
  readonly createdAt: string | undefined;
  /** Frames with events, by offset. */
  readonly frames: readonly KnownFrame[];
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

type Seen = { readonly head: FrameHead; readonly offset: number; readonly isWhole: boolean };

/** Reads the remains in `file`, which may be absent; `knownId` is what others say of the ledger's id. */
export async function readRemains(file: DiskFile | undefined, knownId: Buffer | undefined, breather: Breather, signal: AbortSignal | undefined): Promise<LedgerRemains> {
  const seen: Seen[] = [];
  const gaps: Stretch[] = [];
  let header: { head: FrameHead; body: unknown; end: number } | undefined;
  const size = file ? (await file.stat()).size : 0;
  let end = 0;
  const addGap = async (to: number): Promise<void> => {
    for (let from = end; file && from < to; from += pieceLength) {
      const gap = { from, to: Math.min(to, from + pieceLength) };
      gaps.push(gap);
      seen.push(...damagedHeads(await readStretch(file, gap), gap.from));
    }
  };
  const scan = file && new FrameScan(file, 0, size);
  for (let frame = await scan?.next(); frame; frame = await scan?.next()) {
    signal?.throwIfAborted();
    await breather.breathe();
    await addGap(frame.offset);
    end = frame.end;
    const { head, offset, bytes, start } = frame;
    if (head.count > 0) seen.push({ head, offset, isWhole: hasSoundRecords(frame) });
    else if (head.writtenAt === offset && offset < headerLimit) header ??= { head, body: decodeHeaderBody(bytes, start, head), end };
  }
  await addGap(size);
  return sortOut({ file, size, seen, gaps, header, knownId });
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

function damagedHeads(bytes: Buffer, at: number): Seen[] {
  const found: Seen[] = [];
  for (let offset = bytes.indexOf(marker); offset >= 0; offset = bytes.indexOf(marker, offset + markerLength)) {
    const head = decodeHead(bytes, offset);
    if (head && head.count > 0) found.push({ head, offset: at + offset, isWhole: false });
  }
  return found;
}

async function sortOut(options: {
  file: DiskFile | undefined;
  size: number;
  seen: readonly Seen[];
  gaps: readonly Stretch[];
  header: { head: FrameHead; body: unknown; end: number } | undefined;
  knownId: Buffer | undefined;
}): Promise<LedgerRemains> {
  const { file, size, seen, gaps, header } = options;
  const headerId = header?.head.ledgerId;
  const isHeaderBelieved = headerId && (seen.length === 0 || seen.some(({ head }) => head.ledgerId.equals(headerId)));
  const ledgerId = isHeaderBelieved ? headerId : (mostFrequentId(seen) ?? options.knownId);
  const isOurs = ({ ledgerId: id }: FrameHead): boolean => ledgerId !== undefined && id.equals(ledgerId);
  const ours = header && isOurs(header.head) ? header : undefined;
  const frames: KnownFrame[] = [];
  const claims: (Stretch & { frame: KnownFrame | undefined })[] = [];
  const marks = new Map<number, number>();
  const mark = ({ position, checksum }: ChainMark): unknown => marks.has(position) || marks.set(position, checksum);
  if (ours) mark({ position: 0, checksum: ours.head.checksum });
  for (const { head, offset, isWhole } of seen) {
    const frame = isOurs(head) && head.writtenAt === offset ? knownFrame(head, offset, isWhole) : undefined;
    if (isOurs(head)) mark(head.base);
    if (frame) frames.push(frame);
    if (!isWhole) claims.push({ from: offset, to: offset + headLength + head.bodyLength, frame });
  }
  const text = ours || !file ? '' : (await readStretch(file, { from: 0, to: Math.min(size, headerText, seen[0]?.offset ?? size) })).toString('latin1');
  const body = (ours?.body ?? {}) as { eventFiles?: EventFileFormat; createdAt?: string };
  return {
    ledgerId,
    start: ours?.end ?? 0,
    size,
    // A damaged header is still searched for what it says: it can hardly say something else by accident.
    eventFiles: body.eventFiles ?? (/"eventFiles":"(json|msgpack|none)"/.exec(text)?.[1] as EventFileFormat | undefined),
    createdAt: body.createdAt ?? /"createdAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"/.exec(text)?.[1],
    frames,
    gaps,
    claims,
    marks,
  };
}

function knownFrame(head: FrameHead, offset: number, isWhole: boolean): KnownFrame {
  const { first, count, time, previous, checksum, conditionLength, bodyLength } = head;
  return { offset, first, count, time, previous, checksum, conditionLength, bodyLength, isWhole };
}

function mostFrequentId(seen: readonly Seen[]): Buffer | undefined {
  const counts = new Map<string, number>();
  for (const { head } of seen) {
    const id = head.ledgerId.toString('hex');
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const [id] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
  return id === undefined ? undefined : Buffer.from(id, 'hex');
}
