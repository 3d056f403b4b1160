/** What is kept for the next use; larger ones go. */
const keptBytes = 1024 * 1024;

/** A place to encode into when the length is not known beforehand: measuring texts first costs as much as writing them. */
export class GrowingBuffer {
  #bytes = Buffer.allocUnsafeSlow(16 * 1024);

  /** The bytes, with room for `length` more behind `offset`; valid until the next call. What lies before `offset` is kept. */
  reserve(offset: number, length: number): Buffer {
    if (offset + length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(offset + length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, offset);
      this.#bytes = larger;
    }
    return this.#bytes;
  }

  /** A copy of the first `length` bytes. */
  take(length: number): Buffer {
    const taken = Buffer.allocUnsafe(length);
    this.#bytes.copy(taken, 0, 0, length);
    if (this.#bytes.length > keptBytes) this.#bytes = Buffer.allocUnsafeSlow(keptBytes);
    return taken;
  }
}

/** How many bytes the text takes as UTF-8 at most. */
export const utf8LengthMost = (text: string): number => text.length * 3;
