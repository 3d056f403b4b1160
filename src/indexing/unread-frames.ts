import type { EventKeys, UnreadFrame } from '../core/stored.js';
import { keyKind, type IndexKey } from './index-key.js';

/** Bytes that wait to be read: searching them takes well below a millisecond for each megabyte. */
const maxBytes = 4 * 1024 * 1024;
/** From so many searches on, reading all costs less. */
const maxSearches = 16;
/** Records of which one search reads the keys. */
const maxRecordsRead = 128;

/** Records of one or more frames, one behind the other in the same bytes. */
type Piece = {
  readonly frame: UnreadFrame;
  /** Index, among all records here, of the first. */
  readonly first: number;
  /** Where each record begins in the bytes of the frame. */
  readonly starts: number[];
  end: number;
  /** Up to here keys are spelled in the only way. */
  plainTo: number;
};

/**
 * The newest events of a ledger in the words of its frames. A program that opens a store, asks one question and ends would
 * spend most of its time reading the keys of thousands of events, of which it wants a few: instead it looks for the bytes.
 */
export class UnreadFrames {
  readonly #pieces: Piece[] = [];
  #count = 0;
  #bytes = 0;
  #searches = 0;

  get count(): number {
    return this.#count;
  }

  /** Takes the records `from` to `to` (exclusive) of a frame. Returns false when there is no room for them. */
  add(frame: UnreadFrame, from: number, to: number): boolean {
    let piece = this.#pieces[this.#pieces.length - 1];
    if (piece?.frame.bytes !== frame.bytes) {
      if (this.#bytes + frame.bytes.length > maxBytes) return false;
      this.#bytes += frame.bytes.length;
      piece = { frame, first: this.#count, starts: [], end: 0, plainTo: frame.records[from]! };
      this.#pieces.push(piece);
    }
    for (let i = from; i < to; i++) piece.starts.push(frame.records[i]!);
    piece.end = frame.records[to]!;
    this.#count += to - from;
    return true;
  }

  /** The keys of all records, in order. */
  *read(): Generator<EventKeys, void, undefined> {
    for (const { frame, starts } of this.#pieces) for (const start of starts) yield frame.keys(start);
  }

  /** Indexes, rising, of the records that have the type or tag; undefined when reading all would take no longer, or their bytes cannot tell. */
  find(key: IndexKey): number[] | undefined {
    if (++this.#searches > maxSearches) return undefined;
    const found: number[] = [];
    let left = maxRecordsRead;
    for (const piece of this.#pieces) {
      const { frame, first, starts, end } = piece;
      if (piece.plainTo < end && !isPlain(piece)) return undefined;
      piece.plainTo = end;
      const spelling = frame.spelling(key.text);
      const bytes = frame.bytes.subarray(0, end);
      for (let at = bytes.indexOf(spelling, starts[0]); at >= 0; ) {
        if (left-- === 0) return undefined;
        const index = lastAtOrBefore(starts, at);
        const { type, tags } = frame.keys(starts[index]!);
        const has = key.kind === keyKind.type ? type === key.text : tags.includes(key.text);
        if (has) found.push(first + index);
        // What stands in an event's content, or in a condition, is no key.
        at = bytes.indexOf(spelling, has ? (starts[index + 1] ?? end) : at + 1);
      }
    }
    return found;
  }
}

/** Whether what was added since `plainTo` holds no keys that may be spelled in another way. In an event's content, or between records, all is allowed. */
function isPlain({ frame, starts, end, plainTo }: Piece): boolean {
  const bytes = frame.bytes.subarray(0, end);
  let left = maxRecordsRead;
  for (const other of frame.otherSpellings) {
    for (let at = bytes.indexOf(other, plainTo); at >= 0; at = bytes.indexOf(other, at + 1)) {
      if (left-- === 0 || frame.isInKeys(starts[lastAtOrBefore(starts, at)]!, at)) return false;
    }
  }
  return true;
}

/** Index of the last of the rising `starts` that is not above `offset`, as the first is not. */
function lastAtOrBefore(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle;
  }
  return low;
}
