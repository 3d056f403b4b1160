import { LedgerCorruptError } from '../core/errors.js';
import type { EventLocation } from '../core/stored.js';
import type { DiskFile } from '../disk/disk.js';
import { isRecord } from '../ledger/record.js';
import type { Breather } from './breather.js';

/** Records closer than this are read in one go with what lies between them: copying it takes less than another call. */
const gapBytes = 16 * 1024;
/** One read takes no more than this, unless a single record is larger: what the page cache answers at once, and the processor's cache holds. */
const pieceBytes = 256 * 1024;
/** A read costs as much as so many bytes more of another. */
const bytesPerRead = 4096;

/** Verified records: the one with index `from` and those after it, at `offsets` in `bytes`, which are the taker's until it returns. */
export type RecordRun = { readonly bytes: Buffer; readonly from: number; readonly offsets: readonly number[] };

/** Reads records of one ledger and verifies them. */
export class RecordReader {
  readonly #file: DiskFile;
  readonly #breather: Breather;
  /** Nothing of an event points into the bytes that it was read from, so one piece of memory serves one read after another. */
  #spare: Buffer | undefined;

  constructor(file: DiskFile, breather: Breather) {
    this.#file = file;
    this.#breather = breather;
  }

  /**
   * Reads and verifies the first `limit` records, of the events at `positions`, which lie at `locations`, and hands them to
   * `take` run by run. Lets the event loop run now and then.
   * @throws LedgerCorruptError when a record is damaged.
   */
  async read(positions: readonly number[], locations: readonly EventLocation[], limit: number, take: (run: RecordRun) => void): Promise<void> {
    let work = 0;
    for (let from = 0; from < limit; ) {
      const { to, start, end } = nextRun(locations, from, limit);
      const room = this.#borrow(end - start);
      const bytes = room.subarray(0, end - start);
      const reading = this.#file.read(bytes, start);
      const count = typeof reading === 'number' ? reading : await reading;
      const offsets: number[] = [];
      for (let i = from; i < to; i++) {
        const { offset, length } = locations[i]!;
        const at = offset - start;
        const position = positions[i]!;
        if (at + length > count || !isRecord(bytes, at, at + length, position)) throw damaged(position, offset);
        offsets.push(at);
      }
      take({ bytes, from, offsets });
      this.#giveBack(room);
      from = to;
      work += bytes.length + bytesPerRead;
      if (work < pieceBytes) continue;
      work = 0;
      if (this.#breather.isDue) await this.#breather.breathe();
    }
  }

  #borrow(length: number): Buffer {
    const room = this.#spare;
    if (length > pieceBytes || !room) return Buffer.allocUnsafeSlow(Math.max(length, pieceBytes));
    this.#spare = undefined;
    return room;
  }

  #giveBack(room: Buffer): void {
    if (room.length === pieceBytes) this.#spare = room;
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
