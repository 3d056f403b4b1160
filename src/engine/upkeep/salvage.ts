/*
 * Finds single events in bytes that are no whole frame any more. A record proves itself: its checksum covers all of it and
 * is seeded with its position, so a record found here is the event of that position as somebody wrote it, and tells which. Whether its
 * frame ever counted is for others to say.
 */
import { recordHeadLength } from '../../ledger/format.js';
import { decodeEvent, isRecord, recordEnd, recordSeed } from '../../ledger/record.js';
import type { Breather } from '../breather.js';

/** Offsets in the searched bytes; `end` is exclusive. */
export type FoundRecord = { readonly position: number; readonly offset: number; readonly end: number };

/** Candidates between two breaths. */
const pauseEvery = 20_000;
const arrayStart = 0x5b;
const arrayEnd = 0x5d;
const comma = 0x2c;

/** All records of positions `first` to `last` (inclusive) in `bytes`, by offset; mostly they follow each other. */
export async function findRecords(bytes: Buffer, range: { readonly first: number; readonly last: number }, breather: Breather): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  let expected = range.first;
  let tried = 0;
  for (let start = bytes.indexOf(arrayStart, recordHeadLength); start >= 0; ) {
    if (++tried % pauseEvery === 0) await breather.breathe();
    const offset = start - recordHeadLength;
    const end = plausibleEnd(bytes, offset);
    const position = end === undefined ? undefined : positionOfRecord(bytes, offset, end, { expected, ...range });
    if (end !== undefined && position !== undefined) {
      found.push({ position, offset, end });
      expected = position + 1;
    }
    start = bytes.indexOf(arrayStart, position === undefined ? start + 1 : end! + recordHeadLength);
  }
  return found;
}

/** Where a record at `offset` would end, if it looks like one: two parts that together are a JSON array. */
function plausibleEnd(bytes: Buffer, offset: number): number | undefined {
  const end = recordEnd(bytes, offset);
  if (end > bytes.length || bytes[end - 1] !== arrayEnd || bytes[offset + recordHeadLength + bytes.readUInt32LE(offset)] !== comma) return undefined;
  return end;
}

function positionOfRecord(bytes: Buffer, offset: number, end: number, { expected, first, last }: { expected: number; first: number; last: number }): number | undefined {
  if (expected <= last && isRecord(bytes, offset, end, expected)) return expected;
  const position = positionIn(recordSeed(bytes, offset, end), first, last);
  // Any bytes have some seed: of many damaged ones, one may have a seed that is a position which is looked for.
  return position !== undefined && isReadable(bytes, offset, position) ? position : undefined;
}

/** The position in the range that has these lower 32 bits. */
function positionIn(seed: number, first: number, last: number): number | undefined {
  const position = first + ((seed - (first % seeds) + seeds) % seeds);
  return position <= last ? position : undefined;
}

const seeds = 2 ** 32;

function isReadable(bytes: Buffer, offset: number, position: number): boolean {
  try {
    const { type, tags, id, timestamp } = decodeEvent(bytes, offset, position);
    return [type, id, timestamp].every((text) => typeof text === 'string') && Array.isArray(tags);
  } catch {
    return false;
  }
}
