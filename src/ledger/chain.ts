/*
 * The chain rule: which frames count. It alone keeps two writers from both winning a position, whatever the lock does:
 * a frame counts if and only if its checksums are right (the scan has checked them), it lies where its writer believed the
 * file to end, it goes on at the next position, and it names the checksum of the last frame that counts.
 */
import type { ChainMark, ChainPoint } from '../core/stored.js';
import type { FrameHead } from './frame.js';

export type Verdict =
  /** Part of the ledger, for ever. */
  | 'counts'
  /** Lost a race, or a power cut took unacknowledged bytes before it: as if it had never been written (R8). */
  | 'void'
  /** Its writer built on a durable frame that is not there, or it is another ledger's: committed data is damaged (R9). */
  | 'orphan';

export class Chain {
  readonly #ledgerId: Buffer;
  /** Frames that count, from the oldest that is still remembered, rising. */
  #points: ChainPoint[];

  /** `start` is the frame where the scan begins; frames before it are taken for granted. */
  constructor(ledgerId: Buffer, start: ChainPoint) {
    this.#ledgerId = ledgerId;
    this.#points = [start];
  }

  get last(): ChainPoint {
    return this.#points[this.#points.length - 1]!;
  }

  judge(head: FrameHead, offset: number): Verdict {
    if (head.count === 0) return 'void'; // A header that lost the race to be the first.
    if (!head.ledgerId.equals(this.#ledgerId)) return 'orphan';
    const { position, checksum } = this.last;
    if (head.writtenAt === offset && head.first === position + 1 && head.previous === checksum) return 'counts';
    return this.includes(head.base) ? 'void' : 'orphan';
  }

  add(point: ChainPoint): void {
    this.#points.push(point);
  }

  /** Takes back frames above `position`, which were planned but are not there. */
  truncate(position: number): void {
    while (this.#points.length > 1 && this.last.position > position) this.#points.pop();
  }

  /** Whether this frame is on the chain; frames before the remembered part are taken for granted. */
  includes(mark: ChainMark): boolean {
    const oldest = this.#points[0]!;
    if (mark.position < oldest.position) return true;
    return this.find(mark.position)?.checksum === mark.checksum;
  }

  /** The frame whose last event has this position, if it is remembered. */
  find(position: number): ChainPoint | undefined {
    let low = 0;
    let high = this.#points.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const point = this.#points[middle]!;
      if (point.position === position) return point;
      if (point.position < position) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  /** Forgets frames below `position`, so that memory stays bounded; the last one is always kept. */
  forgetBelow(position: number): void {
    const keep = this.#points.findIndex((point) => point.position >= position);
    if (keep > 0) this.#points = this.#points.slice(keep);
    else if (keep < 0) this.#points = [this.last];
  }
}
