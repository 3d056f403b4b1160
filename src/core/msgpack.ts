import { Packr } from 'msgpackr/pack';

// Plain msgpack without msgpackr's extensions, so that any msgpack library can read what is stored.
const newPackr = (): Packr => new Packr({ useRecords: false, variableMapSize: true, copyBuffers: true });

let packr = newPackr();

/** Encodes JSON values. */
export function pack(value: unknown): Buffer {
  try {
    return packr.pack(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // An object with data under the keys `constructor` and `toJSON` looks to msgpackr as if it could convert itself.
    packr = newPackr();
    return packr.pack(withMaps(value));
  }
}

/** Decodes the bytes from `start` (inclusive) to `end` (exclusive). */
export function unpack(bytes: Uint8Array, start: number, end: number): unknown {
  return packr.unpack(bytes, { start, end });
}

/** The same value with a Map for every object: both are encoded alike, and a Map's keys mean nothing to msgpackr. */
function withMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withMaps);
  return new Map(Object.entries(value).map(([key, property]) => [key, withMaps(property)]));
}
