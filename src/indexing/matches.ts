/*
 * Sets of slots that are searched, never listed: a query is answered by seeking from match to match, in either direction,
 * without memory per candidate. Every list gallops from where it was last found, so a seek costs by how far it goes.
 */

/** Rising slots of a segment. Both searches are inclusive. */
export interface Matches {
  /** An upper bound of how many there are, to begin with the rarest. */
  readonly count: number;
  /** Lowest match >= `slot`, or `afterAll`. */
  atOrAfter(slot: number): number;
  /** Highest match <= `slot`, or `beforeAll`. */
  atOrBefore(slot: number): number;
}

export const afterAll = 0x3fff_ffff;
export const beforeAll = -1;

/** Every slot: what a query without restrictions matches. The caller's bounds keep it within the segment. */
export const everySlot: Matches = {
  count: afterAll,
  atOrAfter: (slot) => slot,
  atOrBefore: (slot) => slot,
};

/** Matches of any of `sources`, of which there is at least one. */
export function anyOf(sources: readonly Matches[]): Matches {
  return sources.length === 1 ? sources[0]! : new AnyOf(sources);
}

/** Matches of all of `sources`; of none, every slot. Reorders the array. */
export function allOf(sources: Matches[]): Matches {
  const [first, second] = sources;
  if (!first || !second) return first ?? everySlot;
  if (sources.length === 2) return new AllOf(first.count <= second.count ? sources : [second, first]);
  return new AllOf(sources.sort((a, b) => a.count - b.count));
}

class AnyOf implements Matches {
  readonly count: number;
  readonly #sources: readonly Matches[];

  constructor(sources: readonly Matches[]) {
    this.#sources = sources;
    this.count = sources.reduce((sum, source) => sum + source.count, 0);
  }

  atOrAfter(slot: number): number {
    let lowest = afterAll;
    for (const source of this.#sources) {
      const found = source.atOrAfter(slot);
      if (found === slot) return slot;
      if (found < lowest) lowest = found;
    }
    return lowest;
  }

  atOrBefore(slot: number): number {
    let highest = beforeAll;
    for (const source of this.#sources) {
      const found = source.atOrBefore(slot);
      if (found === slot) return slot;
      if (found > highest) highest = found;
    }
    return highest;
  }
}

/** The rarest source proposes, and the others agree or name the next that may match: a leapfrog. */
class AllOf implements Matches {
  readonly count: number;
  readonly #sources: readonly Matches[];

  constructor(sources: readonly Matches[]) {
    this.#sources = sources;
    this.count = sources[0]!.count;
  }

  atOrAfter(slot: number): number {
    const sources = this.#sources;
    let candidate = slot;
    for (let agreed = 0, i = 0; agreed < sources.length; i = i + 1 < sources.length ? i + 1 : 0) {
      const found = sources[i]!.atOrAfter(candidate);
      if (found === afterAll) return afterAll;
      agreed = found === candidate ? agreed + 1 : 1;
      candidate = found;
    }
    return candidate;
  }

  atOrBefore(slot: number): number {
    const sources = this.#sources;
    let candidate = slot;
    for (let agreed = 0, i = 0; agreed < sources.length; i = i + 1 < sources.length ? i + 1 : 0) {
      const found = sources[i]!.atOrBefore(candidate);
      if (found === beforeAll) return beforeAll;
      agreed = found === candidate ? agreed + 1 : 1;
      candidate = found;
    }
    return candidate;
  }
}

/** Searches a rising list. The list may grow and shrink at its end between two searches. */
abstract class SearchedList implements Matches {
  #index = afterAll;

  abstract readonly count: number;
  abstract at(index: number): number;

  atOrAfter(slot: number): number {
    const index = this.#seek(slot);
    return index < this.count ? this.at(index) : afterAll;
  }

  atOrBefore(slot: number): number {
    const index = this.#seek(slot + 1) - 1;
    return index >= 0 ? this.at(index) : beforeAll;
  }

  /** Index of the lowest entry >= `slot`, or `count`: gallops from the last one found, at first from the end. */
  #seek(slot: number): number {
    const { count } = this;
    let low = this.#index < count ? this.#index : count;
    let high = low;
    let step = 1;
    if (low < count && this.at(low) < slot) {
      do {
        low = high + 1;
        high += step;
        step *= 2;
      } while (high < count && this.at(high) < slot);
      if (high > count) high = count;
    } else {
      for (low -= step; low >= 0 && this.at(low) >= slot; low -= step) {
        high = low;
        step *= 2;
      }
      low = low < 0 ? 0 : low + 1;
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) < slot) low = middle + 1;
      else high = middle;
    }
    return (this.#index = low);
  }
}

/** Slots in a growing array of the newest events. */
export class ListedMatches extends SearchedList {
  readonly #slots: readonly number[];

  constructor(slots: readonly number[]) {
    super();
    this.#slots = slots;
  }

  get count(): number {
    return this.#slots.length;
  }

  at(index: number): number {
    return this.#slots[index]!;
  }
}

/** Slots as they are stored, from `start` on. */
abstract class StoredList extends SearchedList {
  readonly count: number;
  protected readonly bytes: Uint8Array;
  protected readonly start: number;

  constructor(bytes: Uint8Array, start: number, count: number) {
    super();
    this.bytes = bytes;
    this.start = start;
    this.count = count;
  }
}

/** uint16, little-endian. */
export class StoredMatches extends StoredList {
  at(index: number): number {
    const { bytes } = this;
    const offset = this.start + index * 2;
    return bytes[offset]! | (bytes[offset + 1]! << 8);
  }
}

/** uint32, little-endian: where two bytes have no room for them. */
export class WideMatches extends StoredList {
  at(index: number): number {
    const { bytes } = this;
    const offset = this.start + index * 4;
    return bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24);
  }
}

/** Slots as bits, of which at least one is set: slot s is bit s mod 8 of byte ⌊s / 8⌋. */
export class BitMatches implements Matches {
  readonly count: number;
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array) {
    this.count = bits.length * 8;
    this.#bits = bits;
  }

  atOrAfter(slot: number): number {
    const bits = this.#bits;
    let index = slot >>> 3;
    if (index >= bits.length) return afterAll;
    let byte = bits[index]! & (0xff << (slot & 7));
    while (byte === 0) {
      if (++index === bits.length) return afterAll;
      byte = bits[index]!;
    }
    return index * 8 + 31 - Math.clz32(byte & -byte);
  }

  atOrBefore(slot: number): number {
    const bits = this.#bits;
    const last = Math.min(slot, this.count - 1);
    if (last < 0) return beforeAll;
    let index = last >>> 3;
    let byte = bits[index]! & (0xff >>> (7 - (last & 7)));
    while (byte === 0) {
      if (--index < 0) return beforeAll;
      byte = bits[index]!;
    }
    return index * 8 + 31 - Math.clz32(byte);
  }
}
