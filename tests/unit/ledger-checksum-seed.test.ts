/*
 * goal: a record tells its position, whatever the position and the bytes.
 * method: random bytes (at least one: zlib takes none for no checksum at all) and seeds, against zlib's own CRC-32.
 */
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seedOfChecksum } from '../../src/ledger/checksum-seed.js';

test('the seed of a checksum is the one that it was made with', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(0xffff_ffff), fc.nat(20), (bytes, seed, skipped) => {
      const start = Math.min(skipped, bytes.length - 1);
      expect(seedOfChecksum(bytes, start, bytes.length, crc32(bytes.subarray(start), seed))).toBe(seed);
    }),
  );
});
