import type { KnownFrame, LedgerRemains } from './ledger-remains.js';

/**
 * Which frames of a damaged ledger counted beyond doubt: those that somebody knew to be durable, and, since a durable frame
 * names the one before it, all before them. Their bodies may be damaged.
 */
export class ProvenFrames {
  readonly #byFirst = new Map<number, KnownFrame>();
  readonly #candidates = new Map<number, KnownFrame[]>();
  /** Checksums of frames that counted, by the position of their last event. */
  readonly #checksums: Map<number, number>;
  readonly #set = new Set<KnownFrame>();
  /** By position. */
  readonly #sorted: readonly KnownFrame[];
  /** Up to this position there were events. */
  readonly end: number;

  constructor({ frames, marks }: LedgerRemains) {
    this.#checksums = new Map(marks);
    const byEnd = new Map<string, KnownFrame>();
    for (const frame of frames) {
      byEnd.set(`${frame.first + frame.count - 1} ${frame.checksum}`, frame);
      if (frame.isWhole) this.#candidates.set(frame.first, [...(this.#candidates.get(frame.first) ?? []), frame]);
    }
    for (const mark of marks) {
      let [position, checksum] = mark;
      for (let frame = byEnd.get(`${position} ${checksum}`); frame && !this.#set.has(frame); frame = byEnd.get(`${position} ${checksum}`)) {
        this.#set.add(frame);
        this.#byFirst.set(frame.first, frame);
        [position, checksum] = [frame.first - 1, frame.previous];
        this.#checksums.set(position, checksum);
      }
    }
    this.end = [...this.#checksums.keys()].reduce((end, position) => Math.max(end, position), 0);
    this.#sorted = [...this.#set].sort((a, b) => a.first - b.first);
  }

  /** The proven frame that begins with this position. */
  at(first: number): KnownFrame | undefined {
    return this.#byFirst.get(first);
  }

  isProven(frame: KnownFrame): boolean {
    return this.#set.has(frame);
  }

  /** Whole frames that begin with this position and lie at or behind `offset`, by offset. */
  candidates(first: number, offset: number): readonly KnownFrame[] {
    return (this.#candidates.get(first) ?? []).filter((frame) => frame.offset >= offset);
  }

  /** The checksum of the frame that ended with this position, if anything tells. */
  checksumAt(position: number): number | undefined {
    return this.#checksums.get(position);
  }

  /** Notes that a frame counted. */
  take(frame: KnownFrame): void {
    this.#checksums.set(frame.first + frame.count - 1, frame.checksum);
  }

  /** First position of the next proven frame that begins above `position`; Infinity when there is none. */
  nextFirst(position: number): number {
    return this.#nextAbove(position)?.first ?? Infinity;
  }

  /** Where that frame lies. */
  nextOffset(position: number): number | undefined {
    return this.#nextAbove(position)?.offset;
  }

  #nextAbove(position: number): KnownFrame | undefined {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.first > position) high = middle;
      else low = middle + 1;
    }
    return this.#sorted[low];
  }
}
