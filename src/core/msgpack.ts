import { Packr } from 'msgpackr';

// Plain msgpack without msgpackr's extensions, so that any msgpack library can read what is stored.
const packr = new Packr({ useRecords: false, variableMapSize: true, copyBuffers: true });

export function pack(value: unknown): Buffer {
  return packr.pack(value);
}

/** Decodes the bytes from `start` (inclusive) to `end` (exclusive). */
export function unpack(bytes: Uint8Array, start: number, end: number): unknown {
  return packr.unpack(bytes, { start, end });
}
