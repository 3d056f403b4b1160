/*
 * The index of one ledger by type, tag and id: full durable blocks in files, the newest events in memory. Guarantee: it
 * never says "no match" because of a missing or damaged file. It holds nothing that the ledger does not, so any of its
 * files may be deleted at any time.
 */
import type { Query } from '../core/query.js';
import type { ChainPoint, EventLocation, IndexedEvent, UnreadFrame } from '../core/stored.js';
import type { Awaitable } from '../disk/disk.js';
import { MatchCursor, type FoundMatches, type MatchSource, type PositionCursor, type PositionRange } from './cursor.js';
import type { BlockSegment } from './block-segment.js';
import { IndexKey, keyKind } from './index-key.js';
import { afterAll, everySlot } from './matches.js';
import { MemorySegment } from './memory-segment.js';
import { findMatches, planQuery, type QueryPlan } from './query-plan.js';
import { SealedBlocks, type ScannedFrame, type SealedBlocksOptions } from './sealed-blocks.js';
import { blockSize as standardBlockSize, groupSizes as standardGroupSizes, type Segment } from './segment.js';
import { whenReady } from '../disk/when-ready.js';

export type { PositionCursor, PositionRange, ScannedFrame };

/** `blockSize` must be a power of two of at least 64, the same for all who use the folder as `groupSizes` are: only tests give others. */
export type EventIndexOptions = Omit<SealedBlocksOptions, 'blockSize' | 'groupSizes' | 'cacheBytes'> & {
  readonly blockSize?: number;
  readonly groupSizes?: readonly number[];
  readonly cacheBytes?: number;
};

const standardCacheBytes = 16 * 1024 * 1024;
/** After a failure so many calls of `seal` at most do nothing. */
const maxSkippedSeals = 1024;
/** Pages that `firstMatch` reads before it lets others run. */
const pagesWithoutPause = 64;

export class EventIndex {
  readonly #sealed: SealedBlocks;
  readonly #blockSize: number;
  readonly #source: MatchSource;
  /** Blocks behind the sealed ones; only the last is not full. */
  readonly #memory: MemorySegment[] = [];
  #last: number;
  #sealing: Promise<void> | undefined;
  #merging: Promise<void> | undefined;
  #unmerged = 0;
  #skipSeals = 0;
  #nextSkip = 1;

  /** Opens the index of a ledger. Costs one listing of the folder and one small read, however many events there are. */
  static async open(options: EventIndexOptions): Promise<EventIndex> {
    const { blockSize = standardBlockSize, groupSizes = standardGroupSizes, cacheBytes = standardCacheBytes } = options;
    const sealed = new SealedBlocks({ ...options, blockSize, groupSizes, cacheBytes });
    await sealed.findNewest();
    return new EventIndex(sealed, blockSize, options.yieldTurn);
  }

  private constructor(sealed: SealedBlocks, blockSize: number, yieldTurn: () => Promise<void>) {
    this.#sealed = sealed;
    this.#blockSize = blockSize;
    this.#last = sealed.count * blockSize;
    this.#source = {
      findAround: (position, plan) => this.#findAround(position, plan),
      yieldTurn,
      get pagesRead() {
        return sealed.cache.added;
      },
    };
  }

  /** The frame that holds the newest sealed position, and maybe events behind it: the ledger is read from here on. */
  get scanFrom(): ChainPoint | undefined {
    return this.#sealed.newestEnd;
  }

  /** Position of the last event that the index knows; 0 when it knows none. */
  get last(): number {
    return this.#last;
  }

  /** Full blocks that are in memory only. */
  get unsealed(): number {
    const { length } = this.#memory;
    return length > 0 && this.#memory[length - 1]!.end === undefined ? length - 1 : length;
  }

  /** Blocks that were sealed and not merged since, or tried to: one group may come full with each. */
  get unmerged(): number {
    return this.#unmerged;
  }

  /** Adds the events of the next frame of the chain. Events that are sealed already are passed over. */
  addFrame(point: ChainPoint, events: readonly IndexedEvent[]): void {
    const sealed = this.#sealed.count * this.#blockSize;
    let segment = this.#memory[this.#memory.length - 1];
    for (const event of events) {
      if (event.position <= sealed) continue;
      if (!segment || segment.count === this.#blockSize) segment = this.#beginSegment();
      segment.add(event, point);
      this.#last = event.position;
    }
  }

  /** The same for a frame that was found in the ledger; its keys are read when they are needed. */
  addUnread(point: ChainPoint, frame: UnreadFrame): void {
    const count = frame.records.length - 1;
    for (let from = Math.max(0, this.#sealed.count * this.#blockSize + 1 - frame.first); from < count; ) {
      let segment = this.#memory[this.#memory.length - 1];
      if (!segment || segment.count === this.#blockSize) segment = this.#beginSegment();
      const to = Math.min(count, from + this.#blockSize - segment.count);
      segment.addUnread(frame, from, to, point);
      this.#last = frame.first + to - 1;
      from = to;
    }
  }

  /** Takes back the events above `last`, none of which is sealed. */
  truncate(last: number): void {
    if (last >= this.#last) return;
    if (last < this.#sealed.count * this.#blockSize) throw new Error(`Index: events above ${last} are taken back, which are sealed.`);
    while (this.#memory.length > 0 && this.#memory[this.#memory.length - 1]!.first > last) this.#memory.pop();
    const segment = this.#memory[this.#memory.length - 1];
    segment?.truncate(last - segment.first + 1);
    this.#last = last;
  }

  /**
   * Moves full blocks whose last frame ends at or below `durable` from memory into files. Never fails: what cannot be
   * written stays in memory, and a later call tries again, though not the very next unless it is the last one. With
   * `readOnly`, and wherever another process was faster, the file that is there takes the place of the block in memory.
   */
  seal(durable: number, isLast = false): Promise<void> {
    if (this.#sealing) return this.#sealing;
    if (!this.#nextToSeal(durable)) return Promise.resolve();
    if (this.#skipSeals > 0 && !isLast) {
      this.#skipSeals--;
      return Promise.resolve();
    }
    this.#sealing = this.#sealAll(durable).finally(() => {
      this.#sealing = undefined;
    });
    return this.#sealing;
  }

  /** Merges the types and tags of blocks that were sealed. Takes long, and nobody waits for it: blocks are sealed meanwhile. Never fails. */
  merge(): Promise<void> {
    return (this.#merging ??= this.#mergeAll().finally(() => {
      this.#merging = undefined;
    }));
  }

  /** The positions in `range` that match, in order. `upTo` counts up to `last` as it is now. */
  cursor(query: Query, range: PositionRange): PositionCursor {
    return new MatchCursor(this.#source, planQuery(query), { ...range, upTo: Math.min(range.upTo, this.#last) });
  }

  /** The lowest position after `after` (exclusive) up to `upTo` (inclusive) that matches; 0 when there is none. */
  firstMatch(query: Query, after: number, upTo: number): Awaitable<number> {
    const plan = planQuery(query);
    const last = Math.min(upTo, this.#last);
    const pages = this.#sealed.cache.added;
    for (let from = after + 1; from <= last; ) {
      if (this.#sealed.cache.added - pages > pagesWithoutPause) return this.#firstMatchLater(plan, from, last);
      const found = this.#findAround(from, plan);
      if (found instanceof Promise) return found.then(() => this.#firstMatchLater(plan, from, last));
      const { first, size, matches } = found;
      const slot = matches ? matches.atOrAfter(from - first) : afterAll;
      if (slot < size) return first + slot <= last ? first + slot : 0;
      from = first + size;
    }
    return 0;
  }

  /** Where the records of these positions lie, in the same order. */
  locate(positions: readonly number[]): Awaitable<EventLocation[]> {
    return this.#locate(positions, 0, []);
  }

  /** Positions, rising, whose event may have this id: rarely one too many, never one too few. */
  candidates(id: string): Awaitable<readonly number[]> {
    return this.#candidates(new IndexKey(keyKind.id, id), 0, []);
  }

  /** Closes its files. */
  close(): void {
    this.#sealed.close();
  }

  #findAround(position: number, plan: QueryPlan): Awaitable<FoundMatches> {
    const { count } = this.#sealed;
    const size = this.#blockSize;
    const block = Math.floor((position - 1) / size);
    const first = block * size + 1;
    if (plan === undefined) return { first, size, matches: everySlot };
    if (block < count) {
      const merged = this.#sealed.mergedAround(block);
      if (merged) return this.#findInMerged(merged, position, plan);
      return whenReady(this.#sealed.use(block, (segment) => findMatches(plan, segment)), (matches) => ({ first, size, matches }));
    }
    const segment = this.#memory[block - count];
    return whenReady(segment && findMatches(plan, segment), (matches) => ({ first, size, matches }));
  }

  /** What fails is asked no more: what lies below tells the same. */
  #findInMerged(merged: BlockSegment, position: number, plan: QueryPlan): Awaitable<FoundMatches> {
    const { first, count: size } = merged;
    const askBelow = (): Awaitable<FoundMatches> => {
      this.#sealed.onMergedFailed(merged);
      return this.#findAround(position, plan);
    };
    try {
      const matches = this.#sealed.askMerged(merged, (segment) => findMatches(plan, segment));
      if (!(matches instanceof Promise)) return { first, size, matches };
      return matches.then((late) => ({ first, size, matches: late }), askBelow);
    } catch {
      return askBelow();
    }
  }

  /** Only the newest segment may hold frames that are not read: so their memory is bounded. */
  #beginSegment(): MemorySegment {
    this.#memory[this.#memory.length - 1]?.readAll();
    const segment = new MemorySegment(this.#last + 1, this.#blockSize);
    this.#memory.push(segment);
    return segment;
  }

  async #firstMatchLater(plan: QueryPlan, from: number, upTo: number): Promise<number> {
    await this.#source.yieldTurn();
    const [position] = await new MatchCursor(this.#source, plan, { after: from - 1, upTo, backwards: false }).next(1);
    return position ?? 0;
  }

  /** A block is asked for all positions in a row that it holds. */
  #locate(positions: readonly number[], index: number, found: EventLocation[]): Awaitable<EventLocation[]> {
    for (let from = index; from < positions.length; ) {
      const block = this.#blockOf(positions[from]!);
      let to = from + 1;
      while (to < positions.length && this.#blockOf(positions[to]!) === block) to++;
      const { count } = this.#sealed;
      const ask = (segment: Segment): Awaitable<void> => locateIn(segment, positions, from, to, found);
      const asked = block < count ? this.#sealed.use(block, ask) : ask(this.#memory[block - count]!);
      if (asked instanceof Promise) return asked.then(() => this.#locate(positions, to, found));
      from = to;
    }
    return found;
  }

  #blockOf(position: number): number {
    if (!(position >= 1 && position <= this.#last)) throw new Error(`Index: position ${position} is not known; the last is ${this.#last}.`);
    return Math.floor((position - 1) / this.#blockSize);
  }

  /** Blocks may be sealed between two steps, so each is looked up by its number when its turn comes. */
  #candidates(id: IndexKey, from: number, found: number[]): Awaitable<number[]> {
    for (let block = from; block < this.#sealed.count + this.#memory.length; block++) {
      const { count } = this.#sealed;
      const slots = block < count ? this.#sealed.candidates(block, id) : this.#memory[block - count]!.candidates(id);
      const first = block * this.#blockSize + 1;
      if (slots instanceof Promise) {
        return slots.then((late) => {
          for (const slot of late) found.push(first + slot);
          return this.#candidates(id, block + 1, found);
        });
      }
      for (const slot of slots) found.push(first + slot);
    }
    return found;
  }

  #nextToSeal(durable: number): { segment: MemorySegment; end: ChainPoint } | undefined {
    const segment = this.#memory[0];
    return segment?.end && segment.end.position <= durable ? { segment, end: segment.end } : undefined;
  }

  async #sealAll(durable: number): Promise<void> {
    for (let next = this.#nextToSeal(durable); next; next = this.#nextToSeal(durable)) {
      if (!(await this.#sealed.writeNext(next.segment))) {
        this.#skipSeals = this.#nextSkip;
        this.#nextSkip = Math.min(this.#nextSkip * 2, maxSkippedSeals);
        return;
      }
      // Both at once: nobody may see the block in neither place, or count it twice.
      this.#sealed.addNext(next.end);
      this.#memory.shift();
      this.#nextSkip = 1;
      this.#unmerged++;
      await this.#source.yieldTurn();
    }
  }

  async #mergeAll(): Promise<void> {
    for (; this.#unmerged > 0; this.#unmerged--) {
      await this.#sealed.mergeNext();
      await this.#source.yieldTurn();
    }
  }
}

/** Puts where the records of `positions[from]` to `positions[to]` (exclusive), all of one segment, lie into `found` at the same places. */
function locateIn(segment: Segment, positions: readonly number[], from: number, to: number, found: EventLocation[]): Awaitable<void> {
  for (let i = from; i < to; i++) {
    const location = segment.location(positions[i]! - segment.first);
    if (location instanceof Promise) {
      return location.then((late) => {
        found[i] = late;
        return locateIn(segment, positions, i + 1, to, found);
      });
    }
    found[i] = location;
  }
}
