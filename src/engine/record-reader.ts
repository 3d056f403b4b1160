import { LedgerCorruptError } from '../core/errors.js';
import type { EventLocation } from '../core/stored.js';
import type { Awaitable, DiskFile } from '../disk/disk.js';
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

type TakeRun = (run: RecordRun) => void;

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
   * `take` run by run. Answers at once where the disk does, but for letting the event loop run now and then.
   * @throws LedgerCorruptError when a record is damaged.
   */
  read(positions: readonly number[], locations: readonly EventLocation[], limit: number, take: TakeRun): Awaitable<void> {
    return this.#readFrom(0, 0, positions, locations, limit, take);
  }

  /** `worked` is what was done since the event loop ran last. */
  #readFrom(index: number, worked: number, positions: readonly number[], locations: readonly EventLocation[], limit: number, take: TakeRun): Awaitable<void> {
    let work = worked;
    for (let from = index; from < limit; ) {
      const run = nextRun(locations, from, limit);
      const room = this.#borrow(run.end - run.start);
      const bytes = room.subarray(0, run.end - run.start);
      work += bytes.length + bytesPerRead;
      const reading = this.#file.read(bytes, run.start);
      if (reading instanceof Promise) {
        return reading.then(async (count) => {
          take({ bytes, from, offsets: verify(bytes, count, positions, locations, from, run) });
          this.#giveBack(room);
          if (work >= pieceBytes) await this.#breather.breathe();
          return this.#readFrom(run.to, work >= pieceBytes ? 0 : work, positions, locations, limit, take);
        });
      }
      take({ bytes, from, offsets: verify(bytes, reading, positions, locations, from, run) });
      this.#giveBack(room);
      from = run.to;
      if (work < pieceBytes) continue;
      work = 0;
      if (this.#breather.isDue) return this.#breather.breathe().then(() => this.#readFrom(run.to, 0, positions, locations, limit, take));
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

/** The records up to index `to` (exclusive) are read together: bytes `start` to `end` (exclusive) of the ledger. */
type Run = { readonly to: number; readonly start: number; readonly end: number };

function nextRun(locations: readonly EventLocation[], from: number, limit: number): Run {
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

/** Where the records of a run, the first of which has index `from`, lie in its `bytes`, of which `count` could be read. */
function verify(bytes: Buffer, count: number, positions: readonly number[], locations: readonly EventLocation[], from: number, { to, start }: Run): number[] {
  const offsets: number[] = [];
  for (let i = from; i < to; i++) {
    const { offset, length } = locations[i]!;
    const at = offset - start;
    const position = positions[i]!;
    if (at + length > count || !isRecord(bytes, at, at + length, position)) throw damaged(position, offset);
    offsets.push(at);
  }
  return offsets;
}

/** R20. */
function damaged(position: number, offset: number): LedgerCorruptError {
  return new LedgerCorruptError(
    `The event at position ${position} (byte ${offset} of the ledger) is damaged. Run "opossum verify", then "opossum repair", or restore it from a backup.`,
    { position, offset },
  );
}
