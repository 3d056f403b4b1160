/*
 * Reads a ledger from its beginning by the chain rule and says what is wrong with it: a frame that shows damage, a record
 * that fails its checksum, or a chain that does not hold what others know to have been durable.
 */
import type { ChainPoint } from '../../core/stored.js';
import type { Awaitable, DiskFile } from '../../disk/disk.js';
import { Chain } from '../../ledger/chain.js';
import { headLength, recordHeadLength } from '../../ledger/format.js';
import { FrameScan, type FoundFrame } from '../../ledger/frame-scan.js';
import { headerPoint, type LedgerHeader } from '../../ledger/header.js';
import { isRecord } from '../../ledger/record.js';
import { chainPoint } from '../../ledger/scan-chain.js';
import type { Breather } from '../breather.js';
import type { VerifyProblem } from './problems.js';

/** Something outside the ledger that names a frame which was durable. */
export type DurableWitness = { readonly name: string; readonly point: ChainPoint };

export type LedgerCheckOptions = {
  readonly file: DiskFile;
  readonly header: LedgerHeader;
  /** Bytes that are read: a size that the file has or had. */
  readonly size: number;
  /** Read before `size` was taken. */
  readonly witnesses: readonly DurableWitness[];
  readonly breather: Breather;
  readonly signal: AbortSignal | undefined;
  /** Called for each frame that counts, with records that are right; the frame's bytes are valid until it resolves. */
  readonly onFrame?: (frame: FoundFrame, point: ChainPoint) => Awaitable<void>;
  readonly onProgress?: (bytes: number) => void;
};

export type LedgerFindings = {
  readonly problems: readonly VerifyProblem[];
  readonly chain: Chain;
  /** Offset behind the last whole frame. */
  readonly end: number;
  readonly voidFrames: number;
  readonly scarBytes: number;
};

export async function checkLedger(options: LedgerCheckOptions): Promise<LedgerFindings> {
  const { file, header, size, breather, signal } = options;
  const problems: VerifyProblem[] = [];
  const chain = new Chain(header.ledgerId, headerPoint(header));
  const scan = new FrameScan(file, header.end, size);
  let end = header.end;
  let voidFrames = 0;
  let scarBytes = 0;
  for (let frame = await scan.next(); frame; frame = await scan.next()) {
    signal?.throwIfAborted();
    await breather.breathe();
    scarBytes += frame.offset - end;
    end = frame.end;
    const verdict = chain.judge(frame.head, frame.offset);
    if (verdict === 'void') voidFrames++;
    const problem = verdict === 'orphan' ? orphan(frame, chain.last.position) : verdict === 'counts' ? brokenRecord(frame) : undefined;
    if (problem) {
      // What lies behind is judged by nothing any more.
      problems.push(problem);
      break;
    }
    if (verdict !== 'counts') continue;
    const point = chainPoint(frame);
    chain.add(point);
    await options.onFrame?.(frame, point);
    options.onProgress?.(frame.end);
  }
  scarBytes += size - end;
  if (problems.length === 0) problems.push(...contradictions(options.witnesses, chain));
  return { problems, chain, end, voidFrames, scarBytes };
}

/** The offsets of a frame's records and the end of the last; undefined when they do not fill the frame. */
export function recordOffsets({ head, bytes, start }: FoundFrame): number[] | undefined {
  const end = start + headLength + head.bodyLength;
  const offsets = [start + headLength + head.conditionLength];
  for (let i = 0; i < head.count; i++) {
    const at = offsets[i]!;
    if (at + recordHeadLength > end) return undefined;
    offsets.push(at + recordHeadLength + bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4));
  }
  return offsets[head.count] === end ? offsets : undefined;
}

function orphan({ head, offset }: FoundFrame, last: number): VerifyProblem {
  return {
    what: 'ledger',
    where: 'ledger',
    offset,
    position: last + 1,
    message:
      `The frame at byte ${offset} (positions ${head.first} to ${head.first + head.count - 1}) was written after position ` +
      `${head.base.position} was durable, but events from position ${last + 1} on are missing or damaged.`,
  };
}

/** Only a program that is wrong writes such a frame: its own checksum is right. */
function brokenRecord(frame: FoundFrame): VerifyProblem | undefined {
  const { head, bytes, start, offset } = frame;
  const offsets = recordOffsets(frame);
  if (!offsets) return { what: 'ledger', where: 'ledger', position: head.first, offset, message: `The records of the frame at byte ${offset} do not fill it.` };
  for (let i = 0; i < head.count; i++) {
    const position = head.first + i;
    if (isRecord(bytes, offsets[i]!, offsets[i + 1]!, position)) continue;
    const where = offset + offsets[i]! - start;
    return { what: 'ledger', where: 'ledger', position, offset: where, message: `The record of event ${position} fails its checksum.` };
  }
  return undefined;
}

/** A frame that was durable is on the chain for ever. */
function contradictions(witnesses: readonly DurableWitness[], chain: Chain): VerifyProblem[] {
  const last = chain.last.position;
  return witnesses
    .filter(({ point }) => chain.find(point.position)?.checksum !== point.checksum || chain.find(point.position)?.offset !== point.offset)
    .map(({ name, point }) => ({
      what: 'ledger',
      where: 'ledger',
      position: Math.min(point.position, last + 1),
      offset: point.offset,
      message: `The ${name} says that events up to position ${point.position} were durable, but the ledger ends with position ${last} or leaves that chain.`,
    }));
}
