/** Reads an unsigned number of four bytes, little-endian. Buffer's own method checks its arguments by three calls more, and every event that is read comes here ten times. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
