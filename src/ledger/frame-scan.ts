import type { Awaitable, DiskFile } from '../disk/disk.js';
import { headLength, marker, markerLength } from './format.js';
import { decodeHead, isFrameIntact, type FrameHead } from './frame.js';

/** A whole, undamaged frame, whether it counts or not. `bytes` is not changed any more: it may be kept. */
export type FoundFrame = {
  readonly head: FrameHead;
  /** Offset in the file. */
  readonly offset: number;
  /** Offset in the file behind the frame. */
  readonly end: number;
  readonly bytes: Buffer;
  /** Where the frame begins in `bytes`. */
  readonly start: number;
};

/** Most scans end within the first piece, which the page cache answers at once. */
const firstPieceLength = 1024 * 1024;
const pieceLength = 2 * 1024 * 1024;

/**
 * Finds the undamaged frames of a stretch of the ledger, in order. What is incomplete or damaged hides nothing: the
 * search goes on right behind its marker (R7, R8).
 */
export class FrameScan {
  readonly #file: DiskFile;
  readonly #limit: number;
  #window: Buffer = Buffer.alloc(0);
  /** Offset in the file of the window's first byte. */
  #windowAt: number;
  /** Offset behind the last frame found: what lies beyond is not yet a frame. */
  #position: number;
  /** No frame begins between `#position` and here. */
  #searchAt: number;

  /** Scans from `from` (inclusive) to `limit` (exclusive, at most the size of the file). */
  constructor(file: DiskFile, from: number, limit: number) {
    this.#file = file;
    this.#windowAt = from;
    this.#position = from;
    this.#searchAt = from;
    this.#limit = limit;
  }

  /** Offset behind the last frame that was found. */
  get position(): number {
    return this.#position;
  }

  /** The next undamaged frame, or undefined when there is none before the limit. A promise only where bytes are waited for. */
  next(): Awaitable<FoundFrame | undefined> {
    for (;;) {
      const wanted = this.#search();
      if (typeof wanted !== 'number') return wanted;
      const filling = this.#fill(wanted);
      if (filling) return filling.then(() => this.next());
    }
  }

  /** The next undamaged frame; or how many bytes from `#searchAt` on the window must hold for the search to go on. */
  #search(): FoundFrame | undefined | number {
    while (this.#searchAt + markerLength <= this.#limit) {
      const start = this.#searchAt - this.#windowAt;
      if (start + markerLength > this.#window.length) return markerLength;
      const found = this.#window.indexOf(marker, start);
      // A marker may begin in the last bytes of the window.
      this.#searchAt = this.#windowAt + (found >= 0 ? found : this.#window.length - (markerLength - 1));
      if (found < 0) continue;
      const frame = this.#examine(found);
      if (frame) return frame;
      this.#searchAt += markerLength;
    }
    return undefined;
  }

  /** The frame that begins at `start` of the window, at `#searchAt` of the file; undefined when it is damaged or cut off by the limit; or how many bytes it takes. */
  #examine(start: number): FoundFrame | undefined | number {
    const offset = this.#searchAt;
    if (offset + headLength > this.#limit) return undefined;
    if (start + headLength > this.#window.length) return headLength;
    const head = decodeHead(this.#window, start);
    if (!head) return undefined;
    const length = headLength + head.bodyLength;
    const end = offset + length;
    if (end > this.#limit) return undefined;
    if (start + length > this.#window.length) return length;
    if (!isFrameIntact(this.#window, start, head)) return undefined;
    this.#position = this.#searchAt = end;
    return { head, offset, end, bytes: this.#window, start };
  }

  /** Makes the window hold `length` bytes from `#searchAt`, which lie before the limit. */
  #fill(length: number): Promise<void> | void {
    const offset = this.#searchAt;
    const piece = this.#window.length === 0 ? firstPieceLength : pieceLength;
    const window = Buffer.allocUnsafe(Math.min(Math.max(length, piece), this.#limit - offset));
    const take = (count: number): void => {
      if (count < length) throw new Error(`the ledger became shorter while it was read: ${offset + count} bytes instead of ${offset + length}`);
      this.#window = count === window.length ? window : window.subarray(0, count);
      this.#windowAt = offset;
    };
    const reading = this.#file.read(window, offset);
    if (typeof reading !== 'number') return reading.then(take);
    take(reading);
  }
}
