/*
 * The hash of the stored index format: MurmurHash3_x86_32 over the text's UTF-16 code units as little-endian bytes. It
 * must never change, or blocks on disk would seem to lack their keys. It only narrows a search: keys are compared in full.
 */

/** Returns 0 … 2^32 - 1. */
export function hashText(text: string, seed: number): number {
  const { length } = text;
  const even = length & ~1;
  let hash = seed | 0;
  for (let i = 0; i < even; i += 2) {
    hash ^= scramble(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (length !== even) hash ^= scramble(text.charCodeAt(even));
  return finish(hash ^ (length * 2)) >>> 0;
}

/** Which of `buckets` (at most 2^20) a hash falls into: its share of the hash's range. */
export function bucketOf(hash: number, buckets: number): number {
  return Math.floor((hash * buckets) / 0x1_0000_0000);
}

/** Bits set by each entry of a Bloom filter. */
const probes = 7;

/** A Bloom filter is a power of two of at least 8 bytes. */
export function addToFilter(filter: Uint8Array, hash: number): void {
  const shift = filterShift(filter);
  const step = filterStep(hash);
  let probe = hash | 0;
  for (let i = 0; i < probes; i++) {
    const bit = probe >>> shift;
    filter[bit >>> 3]! |= 1 << (bit & 7);
    probe = (probe + step) | 0;
  }
}

/** False only when `hash` was never added. */
export function mayHold(filter: Uint8Array, hash: number): boolean {
  const shift = filterShift(filter);
  const step = filterStep(hash);
  let probe = hash | 0;
  for (let i = 0; i < probes; i++) {
    const bit = probe >>> shift;
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    probe = (probe + step) | 0;
  }
  return true;
}

/** The uppermost bits choose the bit of the filter. */
function filterShift(filter: Uint8Array): number {
  return Math.clz32(filter.length * 8) + 1;
}

function filterStep(hash: number): number {
  return finish(hash ^ 0x9e3779b9) | 1;
}

function scramble(pair: number): number {
  const mixed = Math.imul(pair, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

function finish(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
