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
  if (sources.length < 2) return sources[0] ?? everySlot;
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

/** Rising slots in a list, which may grow and shrink at its end between two searches. */
export class ListedMatches implements Matches {
  readonly #slots: ArrayLike<number>;
  #index = afterAll;

  constructor(slots: ArrayLike<number>) {
    this.#slots = slots;
  }

  get count(): number {
    return this.#slots.length;
  }

  atOrAfter(slot: number): number {
    const slots = this.#slots;
    const index = (this.#index = seek(slots, slot, this.#index));
    return index < slots.length ? slots[index]! : afterAll;
  }

  atOrBefore(slot: number): number {
    const slots = this.#slots;
    const index = (this.#index = seek(slots, slot + 1, this.#index)) - 1;
    return index >= 0 ? slots[index]! : beforeAll;
  }
}

/** Index of the lowest entry >= `slot`, or the list's length: gallops from `from`, where another was found, at first from the end. */
function seek(slots: ArrayLike<number>, slot: number, from: number): number {
  const count = slots.length;
  let low = from < count ? from : count;
  let high = low;
  let step = 1;
  if (low < count && slots[low]! < slot) {
    do {
      low = high + 1;
      high += step;
      step *= 2;
    } while (high < count && slots[high]! < slot);
    if (high > count) high = count;
  } else {
    for (low -= step; low >= 0 && slots[low]! >= slot; low -= step) {
      high = low;
      step *= 2;
    }
    low = low < 0 ? 0 : low + 1;
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slots[middle]! < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
/** Copying so few slots takes less than making an array that looks at them where they are. */
const fewSlots = 32;

/** `count` slots as they are stored from `start` on: uint16, little-endian. They may share the memory of `bytes`. */
export function storedSlots(bytes: Uint8Array, start: number, count: number): ArrayLike<number> {
  const offset = bytes.byteOffset + start;
  if (count > fewSlots && isLittleEndian && offset % 2 === 0) return new Uint16Array(bytes.buffer, offset, count);
  const slots = count > fewSlots ? new Uint16Array(count) : new Array<number>(count);
  for (let i = 0, at = start; i < count; i++, at += 2) slots[i] = bytes[at]! | (bytes[at + 1]! << 8);
  return slots;
}
