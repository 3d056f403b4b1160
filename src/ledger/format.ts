/*
 * The bytes of a frame, as docs/format.md draws them. All numbers are little-endian; positions, offsets and times are
 * float64, exact up to 2^53. The marker cannot occur inside a body: 0xC1 is never part of UTF-8, and the numbers between
 * texts are shorter than the marker.
 */

/** Version of the stored format that this code writes, and the newest that it reads. */
export const formatVersion = 1;

const markerWithoutVersion = Buffer.concat([Buffer.alloc(12, 0xc1), Buffer.from('OPL', 'latin1')]);
export const marker = Buffer.concat([markerWithoutVersion, Buffer.from([formatVersion])]);
export const markerLength = marker.length;
export const anyVersionMarker = markerWithoutVersion;

/** Offsets within a frame's head. */
export const at = {
  version: 15,
  bodyLength: 16,
  count: 20,
  writtenAt: 24,
  first: 32,
  time: 40,
  ledgerId: 48,
  previous: 64,
  baseChecksum: 68,
  basePosition: 72,
  conditionLength: 80,
  checksum: 84,
  headChecksum: 88,
} as const;

export const headLength = 92;
export const ledgerIdLength = 16;

/** Longer bodies are damage: the largest batch takes less even where every byte of it grows. */
export const maxBodyLength = 512 * 1024 * 1024;

/** Before an event's two parts: length of its keys, length of its content, checksum. */
export const recordHeadLength = 12;
