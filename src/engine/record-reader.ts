import { LedgerCorruptError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import type { EventLocation } from '../core/stored.js';
import type { DiskFile } from '../disk/disk.js';
import { decodeEvent, isRecord } from '../ledger/record.js';

/** Records closer than this are read in one go with what lies between them. */
const gapBytes = 4096;
/** One read takes no more than this, unless a single record is larger. */
const pieceBytes = 1024 * 1024;

/**
 * Reads and verifies the first `limit` events at `positions`, whose records lie at `locations`, and hands each to `take`.
 * @throws LedgerCorruptError when a record is damaged.
 */
export async function readRecords(
  file: DiskFile,
  positions: readonly number[],
  locations: readonly EventLocation[],
  limit: number,
  take: (event: SequencedEvent) => void,
): Promise<void> {
  for (let from = 0; from < limit; ) {
    const { to, start, end } = nextRun(locations, from, limit);
    const bytes = Buffer.allocUnsafe(end - start);
    const reading = file.read(bytes, start);
    const count = typeof reading === 'number' ? reading : await reading;
    for (let i = from; i < to; i++) {
      const { offset, length } = locations[i]!;
      const at = offset - start;
      const position = positions[i]!;
      if (at + length > count || !isRecord(bytes, at, at + length, position)) throw damaged(position, offset);
      take(decodeEvent(bytes, at, position));
    }
    from = to;
  }
}

/** The records from index `from` (inclusive) to `to` (exclusive) are read together: bytes `start` to `end` (exclusive). */
function nextRun(locations: readonly EventLocation[], from: number, limit: number): { to: number; start: number; end: number } {
  const first = locations[from]!;
  let start = first.offset;
  let end = first.offset + first.length;
  let to = from + 1;
  for (; to < limit; to++) {
    const { offset, length } = locations[to]!;
    if (offset - end > gapBytes || start - (offset + length) > gapBytes) break;
    const newStart = Math.min(start, offset);
    const newEnd = Math.max(end, offset + length);
    if (newEnd - newStart > pieceBytes) break;
    start = newStart;
    end = newEnd;
  }
  return { to, start, end };
}

/** R20. */
function damaged(position: number, offset: number): LedgerCorruptError {
  return new LedgerCorruptError(
    `The event at position ${position} (byte ${offset} of the ledger) is damaged. Run "opossum verify", then "opossum repair", or restore it from a backup.`,
    { position, offset },
  );
}
