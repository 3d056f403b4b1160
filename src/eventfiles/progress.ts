import type { ChainPoint } from '../core/stored.js';

/** A run of batches whose files this process wrote or compared: after position `from` (exclusive) to `points`' last. */
type Stretch = { readonly from: number; readonly points: ChainPoint[] };

/** Points need not be closer than this: they are where a mark may stand. */
const spacing = 256;
const maxStretches = 256;

/**
 * Knows up to where event files are complete without a gap, as far as this process wrote or compared them itself.
 * Stretches may be finished in any order; memory grows with the number of stretches and, slowly, of events.
 */
export class Progress {
  #complete: ChainPoint | undefined;
  #stretches: Stretch[] = [];

  /** `complete` is the mark of the checkpoint; undefined means that nothing is known. */
  constructor(complete: ChainPoint | undefined) {
    this.#complete = complete;
  }

  /** Up to here every file is in place and durable. */
  get complete(): ChainPoint | undefined {
    return this.#complete;
  }

  /** Notes that the files after `from` (exclusive) up to `to` are in place. */
  done(from: number, to: ChainPoint): void {
    const stretch = this.#stretches.findLast(({ points }) => points[points.length - 1]!.position === from);
    if (!stretch) {
      // Too many gaps: what is not noted is compared again by the next writer.
      if (this.#stretches.length < maxStretches) this.#stretches.push({ from, points: [to] });
      return;
    }
    const { points } = stretch;
    const before = points[points.length - 2]?.position ?? stretch.from;
    if (points[points.length - 1]!.position - before < spacing) points[points.length - 1] = to;
    else points.push(to);
  }

  /** The points that may become complete next, rising: their files are in place behind the complete mark without a gap. */
  reachable(): readonly ChainPoint[] {
    const points: ChainPoint[] = [];
    for (let position = this.#complete?.position ?? 0; ; ) {
      const next = this.#stretches.find((stretch) => stretch.from === position);
      if (!next) return points;
      points.push(...next.points);
      position = points[points.length - 1]!.position;
    }
  }

  /** Moves the mark to `point`, one of `reachable()`, whose files and folders are durable now. */
  moveTo(point: ChainPoint): void {
    this.#complete = point;
    this.#stretches = this.#stretches.flatMap(({ from, points }) => {
      const rest = points.filter(({ position }) => position > point.position);
      return rest.length === 0 ? [] : [{ from: Math.max(from, point.position), points: rest }];
    });
  }
}
