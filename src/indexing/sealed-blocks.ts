/*
 * The blocks that are sealed in files. Guarantee: a question is answered rightly or fails with the ledger's error. A block
 * that is missing, damaged, another ledger's or cannot be read is built anew from the ledger and written again; where it
 * cannot be written, it is kept in memory for a while.
 */
import path from 'node:path';
import { LedgerCorruptError } from '../core/errors.js';
import type { ChainPoint, IndexedEvent } from '../core/stored.js';
import type { Awaitable, Disk } from '../disk/disk.js';
import type { Random } from '../disk/random.js';
import { isSamePoint } from './block-format.js';
import { blockFileName, blockNumbers } from './block-names.js';
import { BlockSegment } from './block-segment.js';
import { encodeBlock } from './encode-block.js';
import { mayHold } from './hash.js';
import type { IndexKey } from './index-key.js';
import { MemorySegment } from './memory-segment.js';
import { MergedKeys } from './merged-keys.js';
import { OpenFiles } from './open-files.js';
import { PageCache } from './page-cache.js';
import type { Segment } from './segment.js';
import { whenReady } from '../disk/when-ready.js';
import { writeWhole } from './write-block.js';

/** A frame that was read again: its end, and the events it holds. */
export type ScannedFrame = { readonly point: ChainPoint; readonly events: readonly IndexedEvent[] };

export type SealedBlocksOptions = {
  readonly disk: Disk;
  readonly random: Random;
  /** The folder `index`; made when the first block is sealed. */
  readonly directory: string;
  readonly ledgerId: Buffer;
  readonly readOnly: boolean;
  readonly blockSize: number;
  /** So many blocks have a file of keys together, by level; each is a multiple of the one before. */
  readonly groupSizes: readonly number[];
  readonly cacheBytes: number;
  /**
   * Reads the frames that hold positions `first` to `first + blockSize - 1`. `from` is the frame that holds position
   * `first - 1` (and may hold the first ones of the block); undefined for the beginning of the ledger.
   */
  scanBlock(first: number, from: ChainPoint | undefined): Promise<readonly ScannedFrame[]>;
  /** Lets the event loop do what waits for it. */
  yieldTurn(): Promise<void>;
};

const maxOpenFiles = 64;
/** Rebuilt blocks that could not be written and wait in memory. */
const maxKeptBlocks = 16;
/** Filters read without a pause. */
const filtersPerPause = 64;

export class SealedBlocks {
  readonly cache: PageCache;
  readonly #merged: MergedKeys;
  readonly #options: SealedBlocksOptions;
  readonly #files: OpenFiles;
  readonly #segments = new Map<number, BlockSegment>();
  /** Rebuilt blocks without a file, the oldest first. */
  readonly #kept = new Map<number, MemorySegment>();
  /** Read when an id is first looked up, then kept: two bytes an event. */
  readonly #idFilters: Uint8Array[] = [];
  #filtersRead = 0;
  #count = 0;
  #newestEnd: ChainPoint | undefined;
  #rebuilding: Promise<unknown> = Promise.resolve();

  constructor(options: SealedBlocksOptions) {
    this.#options = options;
    this.#files = new OpenFiles(options.disk, maxOpenFiles);
    this.cache = new PageCache(options.cacheBytes);
    this.#merged = new MergedKeys(options, this.#files, this.cache, { endOf: this.#endOf, keysOf: (block) => this.use(block, (segment) => segment.keys()) });
  }

  /** Blocks 0 … count - 1 are sealed. */
  get count(): number {
    return this.#count;
  }

  /** The frame that holds the newest sealed position. */
  get newestEnd(): ChainPoint | undefined {
    return this.#newestEnd;
  }

  /** Finds the newest block that is ours and has a sound head. Older ones are looked at when they are needed. */
  async findNewest(): Promise<void> {
    const names = await this.#list();
    this.#merged.adopt(names);
    for (const block of blockNumbers(names).reverse()) {
      const end = await this.#endInFile(block);
      if (end === undefined) continue;
      this.#count = block + 1;
      this.#newestEnd = end;
      return;
    }
  }

  /** Asks a sealed block. When its file fails, `ask` is put to the rebuilt block. */
  use<T>(block: number, ask: (segment: Segment) => Awaitable<T>): Awaitable<T> {
    const kept = this.#kept.get(block);
    if (kept) return ask(kept);
    const segment = this.#segment(block);
    try {
      const answer = ask(segment);
      return answer instanceof Promise ? answer.catch(() => this.#askRebuilt(block, segment, ask)) : answer;
    } catch {
      return this.#askRebuilt(block, segment, ask);
    }
  }

  /** Slots of a sealed block whose event may have the id. */
  candidates(block: number, id: IndexKey): Awaitable<readonly number[]> {
    const filter = this.#idFilters[block];
    if (filter) return mayHold(filter, id.hash) ? this.use(block, (segment) => segment.candidates(id)) : noSlots;
    return whenReady(this.#readIdFilter(block), () => this.candidates(block, id));
  }

  /** Puts the next block, full and durable, into its file, unless another process did. Returns false when that failed. */
  async writeNext(segment: MemorySegment): Promise<boolean> {
    const end = await this.#endInFile(this.#count);
    if (end && segment.end && isSamePoint(end, segment.end)) return true;
    this.#drop(this.#count);
    return !this.#options.readOnly && this.#write(this.#count, segment);
  }

  /** Counts the next block, which is in its file, as sealed. */
  addNext(end: ChainPoint): void {
    this.#count++;
    this.#newestEnd = end;
  }

  /** What knows the types and tags of the sealed block and of those around it; undefined when they are not merged. */
  mergedAround(block: number): BlockSegment | undefined {
    return this.#merged.of(block, this.#count);
  }

  /** Asks what `mergedAround` gave. Throws or rejects, whatever is wrong with its file. */
  askMerged<T>(segment: BlockSegment, ask: (segment: Segment) => Awaitable<T>): Awaitable<T> {
    return whenReady(this.#merged.trust(segment), () => ask(segment));
  }

  /** Notes that a file of keys failed: from now on what lies below it is asked. */
  onMergedFailed(segment: BlockSegment): void {
    this.#merged.onFailed(segment);
  }

  /** Merges the keys of one group of blocks, if there is one whose keys are not merged. Never fails. */
  mergeNext(): Promise<void> {
    return this.#merged.mergeNext(this.#count);
  }

  pathOf(block: number): string {
    return path.join(this.#options.directory, blockFileName(block));
  }

  close(): void {
    this.#files.close();
  }

  async #list(): Promise<readonly string[]> {
    try {
      return (await this.#options.disk.list(this.#options.directory)) ?? [];
    } catch {
      // Without the folder the ledger is read from its beginning.
      return [];
    }
  }

  #segment(block: number): BlockSegment {
    const known = this.#segments.get(block);
    if (known) return known;
    const segment = this.#newSegment(block);
    this.#segments.set(block, segment);
    return segment;
  }

  #newSegment(block: number): BlockSegment {
    const { ledgerId, blockSize } = this.#options;
    return new BlockSegment(this.pathOf(block), { kind: 'block', ledgerId, first: block * blockSize + 1, count: blockSize }, this.#files, this.cache);
  }

  /** Forgets what is known of a block's file. */
  #drop(block: number): void {
    this.#segments.get(block)?.close();
    this.#segments.delete(block);
  }

  async #endInFile(block: number): Promise<ChainPoint | undefined> {
    try {
      return await this.#segment(block).end();
    } catch {
      this.#drop(block);
      return undefined;
    }
  }

  readonly #endOf = async (block: number): Promise<ChainPoint | undefined> => this.#kept.get(block)?.end ?? (await this.#endInFile(block));

  #readIdFilter(block: number): Awaitable<void> {
    const keep = (): Awaitable<void> =>
      whenReady(this.use(block, (segment) => segment.idFilter()), (filter) => {
        this.#idFilters[block] = filter;
      });
    return ++this.#filtersRead % filtersPerPause === 0 ? this.#options.yieldTurn().then(keep) : keep();
  }

  /** R13. */
  async #askRebuilt<T>(block: number, failed: BlockSegment, ask: (segment: Segment) => Awaitable<T>): Promise<T> {
    const rebuilt = await this.#oneAtATime(async () => {
      // Another question may have had it rebuilt meanwhile.
      const isHealed = this.#kept.has(block) || (this.#segments.has(block) && this.#segments.get(block) !== failed);
      return isHealed ? undefined : this.#rebuildWithOlder(block);
    });
    return rebuilt ? ask(rebuilt) : this.use(block, ask);
  }

  #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#rebuilding.then(work);
    this.#rebuilding = done.catch(() => undefined);
    return done;
  }

  /** Rebuilds a block, and those before it whose end is not known: their last frame is where reading the ledger begins. */
  async #rebuildWithOlder(block: number): Promise<MemorySegment> {
    let lowest = block;
    let from: ChainPoint | undefined;
    for (; lowest > 0; lowest--) {
      from = await this.#endOf(lowest - 1);
      if (from) break;
    }
    for (let next = lowest; ; next++) {
      const segment = await this.#rebuild(next, from);
      if (next === block) return segment;
      from = segment.end;
      await this.#options.yieldTurn();
    }
  }

  async #rebuild(block: number, from: ChainPoint | undefined): Promise<MemorySegment> {
    const { blockSize, readOnly, scanBlock } = this.#options;
    const first = block * blockSize + 1;
    const segment = fillSegment(new MemorySegment(first, blockSize), await scanBlock(first, from));
    this.#drop(block);
    if (readOnly || !(await this.#write(block, segment))) this.#keep(block, segment);
    else this.#segment(block);
    return segment;
  }

  #keep(block: number, segment: MemorySegment): void {
    this.#kept.set(block, segment);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxKeptBlocks) return;
      this.#kept.delete(oldest);
    }
  }

  /** Returns false when the block could not be written, which costs nothing but time. */
  async #write(block: number, segment: MemorySegment): Promise<boolean> {
    const target = this.pathOf(block);
    try {
      const bytes = await encodeBlock(segment, this.#options.ledgerId, () => this.#options.yieldTurn());
      await writeWhole(target, bytes, this.#options, () => this.#files.forget(target));
      return true;
    } catch {
      return false;
    }
  }
}

const noSlots: readonly number[] = Object.freeze([]);

function fillSegment(segment: MemorySegment, frames: readonly ScannedFrame[]): MemorySegment {
  const { first, size } = segment;
  for (const { point, events } of frames) {
    for (const event of events) {
      if (event.position >= first && event.position < first + size) segment.add(event, point);
    }
  }
  if (segment.end) return segment;
  throw new LedgerCorruptError(
    `The ledger holds only ${segment.count} of the events ${first} to ${first + size - 1}, which were durable. Run "opossum verify", then "opossum repair", or restore it from a backup.`,
    { position: first + segment.count },
  );
}
