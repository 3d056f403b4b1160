/*
 * Finds single events in bytes that are no whole frame any more. A record proves itself: its checksum covers all of it and
 * is seeded with its position, so a record found here is the event of that position as somebody wrote it. Whether its
 * frame ever counted is for others to say.
 */
import { recordHeadLength } from '../../ledger/format.js';
import { isRecord, recordEnd } from '../../ledger/record.js';

/** Offsets in the searched bytes; `end` is exclusive. */
export type FoundRecord = { readonly position: number; readonly offset: number; readonly end: number };

/** Positions tried for one record, from the expected one on. */
const maxTries = 4096;

/** All records of positions `first` to `last` (inclusive) in `bytes`, by offset; mostly they follow each other. */
export function findRecords(bytes: Buffer, first: number, last: number): FoundRecord[] {
  const found: FoundRecord[] = [];
  let expected = first;
  for (let offset = 0; offset + recordHeadLength < bytes.length; ) {
    const end = plausibleEnd(bytes, offset);
    const position = end === undefined ? undefined : positionOfRecord(bytes, offset, end, { expected, first, last });
    if (end === undefined || position === undefined) {
      offset++;
      continue;
    }
    found.push({ position, offset, end });
    expected = position + 1;
    offset = end;
  }
  return found;
}

/** Where a record at `offset` would end, if it looks like one: two parts that together are a JSON array. */
function plausibleEnd(bytes: Buffer, offset: number): number | undefined {
  const start = offset + recordHeadLength;
  if (bytes[start] !== 0x5b) return undefined;
  const end = recordEnd(bytes, offset);
  if (end > bytes.length || bytes[end - 1] !== 0x5d || bytes[start + bytes.readUInt32LE(offset)] !== 0x2c) return undefined;
  return end;
}

function positionOfRecord(bytes: Buffer, offset: number, end: number, { expected, first, last }: { expected: number; first: number; last: number }): number | undefined {
  for (let position = expected; position <= Math.min(last, expected + maxTries); position++) {
    if (isRecord(bytes, offset, end, position)) return position;
  }
  for (let position = first; position < Math.min(expected, first + maxTries); position++) {
    if (isRecord(bytes, offset, end, position)) return position;
  }
  return undefined;
}
