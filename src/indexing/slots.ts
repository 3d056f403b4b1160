/*
 * Lists of slots as files hold them: rising numbers of two bytes, or of four where a file holds more than 65,536 events. In
 * a file of keys a long list that would be longer than one bit for each event is such bits: slot s is bit s mod 8 of byte ⌊s / 8⌋.
 */
import { BlockDamagedError, type BlockKind } from './block-format.js';
import { BitMatches, StoredMatches, WideMatches, type Matches } from './matches.js';

export type SlotFormat = {
  /** Of a slot. */
  readonly bytes: 2 | 4;
  /** Length of a page that has a bit for each event; a block has none. */
  readonly bitBytes: number;
};

export function slotFormat(kind: BlockKind, count: number): SlotFormat {
  return { bytes: count > 0x1_0000 ? 4 : 2, bitBytes: kind === 'block' ? Infinity : Math.ceil(count / 8) };
}

/** Writes slots one behind the other; returns the offset behind them. */
export function writeSlots(target: Uint8Array, start: number, slots: ArrayLike<number>, { bytes }: SlotFormat): number {
  let offset = start;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    target[offset++] = slot & 0xff;
    target[offset++] = (slot >>> 8) & 0xff;
    if (bytes === 2) continue;
    target[offset++] = (slot >>> 16) & 0xff;
    target[offset++] = slot >>> 24;
  }
  return offset;
}

/** A list that has a page of its own. */
export function encodeSlots(slots: ArrayLike<number>, format: SlotFormat): Uint8Array {
  if (slots.length * format.bytes < format.bitBytes) {
    const page = new Uint8Array(slots.length * format.bytes);
    writeSlots(page, 0, slots, format);
    return page;
  }
  const bits = new Uint8Array(format.bitBytes);
  for (let i = 0; i < slots.length; i++) bits[slots[i]! >>> 3]! |= 1 << (slots[i]! & 7);
  return bits;
}

/** Puts `base` + each slot of a page of its own into `target` from `start` on; returns where they end. */
export function decodeSlots(page: Uint8Array, format: SlotFormat, base: number, target: Uint32Array, start: number): number {
  if (page.length !== format.bitBytes) return readSlots(page, 0, page.length / format.bytes, format, base, target, start);
  let end = start;
  for (let i = 0; i < page.length; i++) {
    for (let bits = page[i]!; bits !== 0; bits &= bits - 1) target[end++] = base + i * 8 + lowestBit(bits);
  }
  return end;
}

/** Puts `base` + each of `count` slots that lie one behind the other into `target` from `start` on; returns where they end. */
export function readSlots(bytes: Uint8Array, from: number, count: number, format: SlotFormat, base: number, target: Uint32Array, start: number): number {
  for (let i = 0, at = from; i < count; i++, at += format.bytes) {
    const low = bytes[at]! | (bytes[at + 1]! << 8);
    target[start + i] = base + (format.bytes === 2 ? low : low | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  }
  return start + count;
}

/** What a list within a page says. */
export function inlineMatches(bytes: Uint8Array, start: number, count: number, format: SlotFormat): Matches {
  if (count === 0 || start + count * format.bytes > bytes.length) throw impossible();
  return format.bytes === 2 ? new StoredMatches(bytes, start, count) : new WideMatches(bytes, start, count);
}

/** What a list that has a page of its own says; its entry says `claimed`, or 0 where that has no room for its length. */
export function pageMatches(page: Uint8Array, claimed: number, format: SlotFormat): Matches {
  if (page.length === format.bitBytes) return new BitMatches(page);
  const count = page.length / format.bytes;
  if (!Number.isInteger(count) || (claimed !== 0 && claimed !== count)) throw impossible();
  return inlineMatches(page, 0, count, format);
}

/** Which bit of a byte is the lowest that is set. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

function impossible(): BlockDamagedError {
  return new BlockDamagedError('has an impossible list of positions');
}
