import { keyEntryHeadLength, maxInlineSlots } from './block-format.js';
import { hashText } from './hash.js';
import { keyKind, type KeyKind } from './index-key.js';
import type { MemorySegment } from './memory-segment.js';
import { encodeSlots, slotFormat, writeSlots, type SlotFormat } from './slots.js';

/** Keys handled between two pauses: a tenth of a millisecond's work, but ten times as much while the code is still cold. */
const keysPerPause = 512;
/** Of the entries of most blocks. */
const blockBytes = 128 * 1024;

/** The types and tags of a segment, encoded one behind the other as the pages of keys hold them. */
export class KeyTable {
  /** Entries of all keys, in the order in which they first came. */
  bytes: Buffer;
  readonly hashes: number[] = [];
  /** Where each entry ends in `bytes`. */
  readonly ends: number[] = [];
  /** The pages of lists that get one of their own, in the order in which entries refer to them. */
  readonly longLists: Uint8Array[] = [];
  readonly #format: SlotFormat;
  #view: DataView;
  #end = 0;

  /** `expectedBytes`: with room for so many its entries are not copied while it grows. */
  constructor(format: SlotFormat, expectedBytes: number) {
    this.#format = format;
    this.bytes = Buffer.allocUnsafeSlow(expectedBytes);
    this.#view = viewOf(this.bytes);
  }

  /** Bytes of all entries. */
  get length(): number {
    return this.#end;
  }

  /** Bytes of the pages of long lists. */
  get longListBytes(): number {
    return this.longLists.reduce((sum, { length }) => sum + length, 0);
  }

  static *of({ types, tags, size }: MemorySegment): Generator<void, KeyTable, undefined> {
    const table = new KeyTable(slotFormat('block', size), blockBytes);
    for (const [kind, lists] of [[keyKind.type, types], [keyKind.tag, tags]] as const) {
      for (const [text, slots] of lists) {
        table.#add(kind, text, slots);
        if (table.hashes.length % keysPerPause === 0) yield;
      }
    }
    return table;
  }

  #add(kind: KeyKind, text: string, slots: number | readonly number[]): void {
    const count = typeof slots === 'number' ? 1 : slots.length;
    this.#reserve(keyEntryHeadLength + text.length * 3 + maxInlineSlots * 2);
    const hash = hashText(text, kind);
    const start = this.#end;
    let end = writeText(this.bytes, start + keyEntryHeadLength, text);
    this.#view.setUint32(start, hash, true);
    this.bytes[start + 4] = kind;
    this.#view.setUint16(start + 5, end - start - keyEntryHeadLength, true);
    this.#view.setUint16(start + 7, count, true);
    if (typeof slots === 'number') {
      this.#view.setUint16(end, slots, true);
      end += 2;
    } else {
      end = this.#writeList(end, slots);
    }
    this.hashes.push(hash);
    this.ends.push(end);
    this.#end = end;
  }

  /** Adds a key with its rising slots; `key` is its hash, kind, length and text, as an entry begins, with any count of slots. */
  addEntry(key: Uint8Array, slots: Uint32Array): void {
    this.#reserve(key.length + maxInlineSlots * 4);
    const start = this.#end;
    this.bytes.set(key, start);
    this.#view.setUint16(start + 7, slots.length > 0xffff ? 0 : slots.length, true);
    const end = this.#writeList(start + key.length, slots);
    this.hashes.push(this.#view.getUint32(start, true));
    this.ends.push(end);
    this.#end = end;
  }

  #writeList(start: number, slots: ArrayLike<number>): number {
    if (slots.length <= maxInlineSlots) return writeSlots(this.bytes, start, slots, this.#format);
    this.#view.setUint32(start, this.longLists.push(encodeSlots(slots, this.#format)) - 1, true);
    return start + 4;
  }

  #reserve(length: number): void {
    if (this.#end + length <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.bytes.length + length));
    this.bytes.copy(larger, 0, 0, this.#end);
    this.bytes = larger;
    this.#view = viewOf(larger);
  }
}

export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Writes UTF-8; returns the offset behind it. Most keys are ASCII, which needs no call out of JavaScript. */
function writeText(target: Buffer, start: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return start + target.write(text, start);
    target[start + i] = unit;
  }
  return start + text.length;
}
