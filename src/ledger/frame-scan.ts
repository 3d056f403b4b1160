import type { DiskFile } from '../disk/disk.js';
import { headLength, marker, markerLength } from './format.js';
import { decodeHead, isFrameIntact, type FrameHead } from './frame.js';

/** A whole, undamaged frame, whether it counts or not. `bytes` is valid until the next call of `next`. */
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

const pieceLength = 1024 * 1024;

/** Where a frame may begin: undamaged, damaged, or cut off by the end of what is read. */
type Candidate = { readonly kind: 'intact'; readonly frame: FoundFrame } | { readonly kind: 'damaged' };

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

  /** Scans from `from` (inclusive) to `limit` (exclusive, at most the size of the file). */
  constructor(file: DiskFile, from: number, limit: number) {
    this.#file = file;
    this.#windowAt = from;
    this.#position = from;
    this.#limit = limit;
  }

  /** Offset behind the last frame that was found. */
  get position(): number {
    return this.#position;
  }

  /** The next undamaged frame, or undefined when there is none before the limit. */
  async next(): Promise<FoundFrame | undefined> {
    let offset = this.#position;
    for (;;) {
      const found = await this.#findMarker(offset);
      if (found === undefined) return undefined;
      const candidate = await this.#examine(found);
      if (candidate.kind === 'intact') {
        this.#position = candidate.frame.end;
        return candidate.frame;
      }
      offset = found + markerLength;
    }
  }

  async #examine(offset: number): Promise<Candidate> {
    if (offset + headLength > this.#limit) return { kind: 'damaged' };
    await this.#fill(offset, headLength);
    const head = decodeHead(this.#window, offset - this.#windowAt);
    if (!head) return { kind: 'damaged' };
    const end = offset + headLength + head.bodyLength;
    if (end > this.#limit) return { kind: 'damaged' };
    await this.#fill(offset, end - offset);
    const start = offset - this.#windowAt;
    if (!isFrameIntact(this.#window, start, head)) return { kind: 'damaged' };
    return { kind: 'intact', frame: { head, offset, end, bytes: this.#window, start } };
  }

  /** Offset of the first marker at or behind `offset`. */
  async #findMarker(offset: number): Promise<number | undefined> {
    while (offset + markerLength <= this.#limit) {
      await this.#fill(offset, markerLength);
      const found = this.#window.indexOf(marker, offset - this.#windowAt);
      if (found >= 0) return this.#windowAt + found;
      // A marker may begin in the last bytes of the window.
      offset = this.#windowAt + this.#window.length - (markerLength - 1);
    }
    return undefined;
  }

  /** Makes the window hold `length` bytes from `offset`, which lie before the limit. */
  async #fill(offset: number, length: number): Promise<void> {
    if (offset >= this.#windowAt && offset + length <= this.#windowAt + this.#window.length) return;
    const window = Buffer.allocUnsafe(Math.min(Math.max(length, pieceLength), this.#limit - offset));
    const count = await this.#file.read(window, offset);
    if (count < length) throw new Error(`the ledger became shorter while it was read: ${offset + count} bytes instead of ${offset + length}`);
    this.#window = count === window.length ? window : window.subarray(0, count);
    this.#windowAt = offset;
  }
}
