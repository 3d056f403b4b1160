import type { AppendCondition } from '../../core/condition.js';
import type { DiskFile } from '../../disk/disk.js';
import { headLength } from '../../ledger/format.js';
import type { Breather } from '../breather.js';
import type { KnownFrame } from './frame-table.js';
import { readStretch, type LedgerRemains, type Stretch } from './ledger-remains.js';
import { findRecords } from './salvage.js';

/** Where a record lies in the damaged ledger; `end` is exclusive. */
export type RecordPlace = { readonly offset: number; readonly end: number };

/** Looks for surviving records in the damaged parts of a ledger. */
export class RecordFinder {
  readonly #file: DiskFile | undefined;
  readonly #remains: LedgerRemains;
  readonly #breather: Breather;
  #last: { key: string; found: ReadonlyMap<number, RecordPlace> } | undefined;

  constructor(file: DiskFile | undefined, remains: LedgerRemains, breather: Breather) {
    this.#file = file;
    this.#breather = breather;
    this.#remains = remains;
  }

  /** The records that survived in a frame that counted. */
  async within(frame: KnownFrame): Promise<ReadonlyMap<number, RecordPlace>> {
    const from = frame.offset + headLength + frame.conditionLength;
    const to = Math.min(this.#remains.size, frame.offset + headLength + frame.bodyLength);
    const found = new Map<number, RecordPlace>();
    if (!this.#file || from >= to) return found;
    for (const { position, offset, end } of await findRecords(await readStretch(this.#file, { from, to }), { first: frame.first, last: frame.first + frame.count - 1 }, this.#breather)) {
      found.set(position, { offset: from + offset, end: from + end });
    }
    return found;
  }

  /** The condition in a frame that counted, if it can still be read. */
  async conditionOf({ offset, conditionLength }: KnownFrame): Promise<AppendCondition | undefined> {
    if (!this.#file || conditionLength === 0) return undefined;
    const from = offset + headLength;
    const bytes = await readStretch(this.#file, { from, to: Math.min(this.#remains.size, from + conditionLength) });
    try {
      const condition = JSON.parse(bytes.toString('utf8')) as Partial<AppendCondition> | null;
      return condition?.failIfEventsMatch === undefined ? undefined : (condition as AppendCondition);
    } catch {
      return undefined;
    }
  }

  /**
   * The records of positions `first` to `last` in a stretch where frames lost their heads. What lies in a damaged frame that
   * is not proven is passed over: its append may have failed. So are positions of which there is more than one record.
   */
  async between(stretch: Stretch, first: number, last: number, isProven: (frame: KnownFrame) => boolean): Promise<ReadonlyMap<number, RecordPlace>> {
    const key = `${stretch.from} ${stretch.to} ${last}`;
    if (this.#last?.key === key) return this.#last.found;
    const found = new Map<number, RecordPlace>();
    const unclear = new Set<number>();
    const claimed = this.#remains.claims.filter(({ frame }) => !frame || !isProven(frame));
    for (const gap of this.#remains.gaps) {
      const from = Math.max(gap.from, stretch.from);
      const to = Math.min(gap.to, stretch.to);
      if (!this.#file || from >= to) continue;
      for (const { position, offset, end } of await findRecords(await readStretch(this.#file, { from, to }), { first, last }, this.#breather)) {
        if (claimed.some((claim) => from + offset >= claim.from && from + offset < claim.to)) continue;
        if (found.has(position)) unclear.add(position);
        found.set(position, { offset: from + offset, end: from + end });
      }
    }
    for (const position of unclear) found.delete(position);
    this.#last = { key, found };
    return found;
  }
}
