/* Takes the bytes of a ledger apart and changes them, as decay and crashes do. */
import { crc32 } from 'node:zlib';
import { at, headLength, markerLength, marker } from '../../src/ledger/format.js';

export type FrameBytes = { readonly offset: number; readonly end: number };

/** The frames of a ledger that holds nothing else. */
export function framesOf(ledger: Buffer): FrameBytes[] {
  const frames: FrameBytes[] = [];
  for (let offset = 0; offset < ledger.length; ) {
    if (ledger.compare(marker, 0, markerLength, offset, offset + markerLength) !== 0) throw new Error(`no frame at byte ${offset}`);
    const end = offset + headLength + ledger.readUInt32LE(offset + at.bodyLength);
    frames.push({ offset, end });
    offset = end;
  }
  return frames;
}

/** A copy with one bit of one byte changed. */
export function flipped(bytes: Buffer, offset: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[offset]! ^= 0x10;
  return changed;
}

/** A copy with zeros from `from` (inclusive) to `to` (exclusive). */
export function zeroed(bytes: Buffer, from: number, to: number): Buffer {
  return Buffer.from(bytes).fill(0, from, to);
}

/** A copy whose first frame says that it has this version. */
export function ofVersion(ledger: Buffer, version: number): Buffer {
  const changed = Buffer.from(ledger);
  changed[at.version] = version;
  changed.writeUInt32LE(crc32(changed.subarray(0, at.headChecksum)), at.headChecksum);
  return changed;
}
