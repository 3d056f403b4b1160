/*
 * Turns a CRC-32 around: which seed gives these bytes this checksum. There is exactly one, since each step of a CRC can be
 * undone. A record's checksum is seeded with its position, so a record tells its position by itself.
 */

const polynomial = 0xedb88320;
const table = new Int32Array(256);
/** The index of the table's entry that has this highest byte. */
const indexOf = new Uint8Array(256);

for (let i = 0; i < 256; i++) {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
  table[i] = value;
  indexOf[value >>> 24] = i;
}

/** The seed, an unsigned 32-bit number, with which `crc32` gives the bytes from `start` to `end` (exclusive) this checksum. */
export function seedOfChecksum(bytes: Uint8Array, start: number, end: number, checksum: number): number {
  let state = ~checksum;
  for (let at = end - 1; at >= start; at--) {
    const index = indexOf[state >>> 24]!;
    state = ((state ^ table[index]!) << 8) | (index ^ bytes[at]!);
  }
  return ~state >>> 0;
}
