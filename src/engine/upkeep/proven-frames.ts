import type { Breather } from '../breather.js';
import { framesABreath, PositionIndex, type FrameTable, type KnownFrame } from './frame-table.js';
import type { LedgerRemains } from './ledger-remains.js';

/**
 * Which frames of a damaged ledger counted beyond doubt: those that somebody knew to be durable, and, since a durable frame
 * names the one before it, all before them. Their bodies may be damaged.
 */
export class ProvenFrames {
  readonly #frames: FrameTable;
  /** Checksums of frames that somebody knew to be durable, by the position of their last event. */
  readonly #marks: ReadonlyMap<number, number>;
  readonly #byFirst: PositionIndex;
  readonly #byLast: PositionIndex;
  /** 1 for a proven frame. */
  readonly #proven: Uint8Array;
  /** Numbers of the proven frames, by position. */
  #sorted = new Uint32Array();
  /** The frame that was taken last. */
  #taken: KnownFrame | undefined;
  #end = 0;

  static async of(remains: LedgerRemains, breather: Breather): Promise<ProvenFrames> {
    const proven = new ProvenFrames(remains);
    await proven.#index(breather);
    await proven.#prove(breather);
    return proven;
  }

  private constructor({ frames, marks }: LedgerRemains) {
    this.#frames = frames;
    this.#marks = marks;
    this.#byFirst = new PositionIndex(frames.length);
    this.#byLast = new PositionIndex(frames.length);
    this.#proven = new Uint8Array(frames.length);
  }

  /** Up to this position there were events. */
  get end(): number {
    return this.#end;
  }

  /** The proven frame that begins with this position. */
  at(first: number): KnownFrame | undefined {
    for (const index of this.#byFirst.at(first)) if (this.#proven[index] === 1 && this.#frames.firstOf(index) === first) return this.#frames.get(index);
    return undefined;
  }

  isProven({ index }: KnownFrame): boolean {
    return this.#proven[index] === 1;
  }

  /** Whole frames that begin with this position and lie at or behind `offset`, by offset. */
  candidates(first: number, offset: number): readonly KnownFrame[] {
    const frames = this.#frames;
    const found = [...this.#byFirst.at(first)].filter((index) => frames.firstOf(index) === first && frames.isWhole(index) && frames.offsetOf(index) >= offset);
    return found.map((index) => frames.get(index));
  }

  /** The checksum of the frame that ended with this position, if anything tells. */
  checksumAt(position: number): number | undefined {
    const taken = this.#taken;
    return taken && taken.first + taken.count - 1 === position ? taken.checksum : this.#marks.get(position);
  }

  /** Notes that a frame counted. */
  take(frame: KnownFrame): void {
    this.#taken = frame;
  }

  /** First position of the next proven frame that begins above `position`; Infinity when there is none. */
  nextFirst(position: number): number {
    const next = this.#nextAbove(position);
    return next === undefined ? Infinity : this.#frames.firstOf(next);
  }

  /** Where that frame lies. */
  nextOffset(position: number): number | undefined {
    const next = this.#nextAbove(position);
    return next === undefined ? undefined : this.#frames.offsetOf(next);
  }

  async #index(breather: Breather): Promise<void> {
    for (let index = this.#frames.length - 1; index >= 0; index--) {
      if (index % framesABreath === 0) await breather.breathe();
      if (!this.#frames.isKnown(index)) continue;
      this.#byFirst.add(this.#frames.firstOf(index), index);
      this.#byLast.add(this.#frames.lastOf(index), index);
    }
  }

  async #prove(breather: Breather): Promise<void> {
    let count = 0;
    for (let [position, checksum] of this.#marks) {
      this.#end = Math.max(this.#end, position);
      for (let index = this.#ending(position, checksum); index !== undefined && this.#proven[index] === 0; index = this.#ending(position, checksum)) {
        this.#proven[index] = 1;
        if (++count % framesABreath === 0) await breather.breathe();
        [position, checksum] = [this.#frames.firstOf(index) - 1, this.#frames.previousOf(index)];
      }
    }
    this.#sorted = new Uint32Array(count);
    for (let index = 0, at = 0; index < this.#proven.length; index++) if (this.#proven[index] === 1) this.#sorted[at++] = index;
    // They are in order as a rule: a frame lies behind those that it builds upon.
    const isSorted = this.#sorted.every((index, at) => at === 0 || this.#frames.firstOf(this.#sorted[at - 1]!) <= this.#frames.firstOf(index));
    if (!isSorted) this.#sorted.sort((a, b) => this.#frames.firstOf(a) - this.#frames.firstOf(b));
  }

  #ending(position: number, checksum: number): number | undefined {
    for (const index of this.#byLast.at(position)) {
      if (this.#frames.lastOf(index) === position && this.#frames.checksumOf(index) === checksum) return index;
    }
    return undefined;
  }

  /** Number of the first proven frame that begins above `position`. */
  #nextAbove(position: number): number | undefined {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#frames.firstOf(this.#sorted[middle]!) > position) high = middle;
      else low = middle + 1;
    }
    return this.#sorted[low];
  }
}
