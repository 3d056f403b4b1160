/*
 * The files that hold the types and tags of several blocks together, so that a query asks one file where it would ask
 * sixteen. They say nothing that the blocks do not: whatever is wrong with one, the blocks are asked.
 */
import path from 'node:path';
import type { ChainPoint } from '../core/stored.js';
import type { Awaitable } from '../disk/disk.js';
import { BlockDamagedError, isSamePoint } from './block-format.js';
import { keysFileName, keysNumbers } from './block-names.js';
import { BlockSegment } from './block-segment.js';
import { encodeKeys } from './encode-keys.js';
import type { KeySource } from './merge-keys.js';
import type { OpenFiles } from './open-files.js';
import type { PageCache } from './page-cache.js';
import type { SealedBlocksOptions } from './sealed-blocks.js';
import { runInTurns } from './steps.js';
import { writeWhole } from './write-block.js';

/** What a file is made of: the blocks' keys, in order, and the frame that holds the last block's last event. */
export type BlocksToMerge = { readonly sources: readonly KeySource[]; readonly end: ChainPoint };

export class MergedKeys {
  readonly #options: SealedBlocksOptions;
  readonly #files: OpenFiles;
  readonly #cache: PageCache;
  /** By group: group g holds blocks g * blocksPerGroup to (g + 1) * blocksPerGroup - 1. */
  readonly #segments = new Map<number, BlockSegment>();
  /** Those that are known to end where their last block ends. */
  readonly #trusted = new Set<BlockSegment>();
  /** Groups whose file failed: its head may be sound all the same, so it is made again without a look at it. */
  readonly #failed = new Set<number>();
  /** Groups that could not be merged; whoever opens the index next tries again. */
  readonly #givenUp = new Set<number>();
  /** Groups below this one have a file, or were given up. */
  #next = 0;

  constructor(options: SealedBlocksOptions, files: OpenFiles, cache: PageCache) {
    this.#options = options;
    this.#files = files;
    this.#cache = cache;
  }

  /** Takes the files that there are, by the names in the folder; each is checked when it is first asked. */
  adopt(names: readonly string[]): void {
    for (const group of keysNumbers(names)) this.#segments.set(group, this.#newSegment(group));
  }

  /** The keys of the group around `block`, when the whole group is among the first `sealed` blocks. */
  of(block: number, sealed: number): BlockSegment | undefined {
    const { blocksPerGroup } = this.#options;
    const group = Math.floor(block / blocksPerGroup);
    return (group + 1) * blocksPerGroup <= sealed ? this.#segments.get(group) : undefined;
  }

  /** Asks a file no more that failed, until it was made again. */
  onFailed(segment: BlockSegment): void {
    const group = this.#groupOf(segment);
    if (this.#segments.get(group) !== segment) return;
    segment.close();
    this.#segments.delete(group);
    this.#trusted.delete(segment);
    this.#failed.add(group);
    this.#next = Math.min(this.#next, group);
  }

  /** The lowest group of the first `sealed` blocks that has no file and was not given up. */
  nextMissing(sealed: number): number | undefined {
    while (this.#segments.has(this.#next) || this.#givenUp.has(this.#next)) this.#next++;
    return (this.#next + 1) * this.#options.blocksPerGroup <= sealed ? this.#next : undefined;
  }

  /**
   * Sees to it, once, that a file was made of the very blocks that are there: `endOf` gives the end of a block.
   * @throws when it was not.
   */
  trust(segment: BlockSegment, endOf: (block: number) => Promise<ChainPoint | undefined>): Awaitable<void> {
    return this.#trusted.has(segment) ? undefined : this.#checkEnd(segment, endOf);
  }

  /** Makes the file of a group, unless another process did. Never fails: without it, queries only take longer. */
  async merge(group: number, endOf: (block: number) => Promise<ChainPoint | undefined>, gather: () => Promise<BlocksToMerge>): Promise<void> {
    const segment = this.#newSegment(group);
    try {
      const isThere = !this.#failed.has(group) && (await this.#isSound(segment, endOf));
      if (isThere || (await this.#write(group, segment, gather))) {
        this.#segments.set(group, segment);
        this.#trusted.add(segment);
      } else {
        this.#givenUp.add(group);
      }
    } catch {
      segment.close();
      this.#givenUp.add(group);
    }
    this.#failed.delete(group);
  }

  async #checkEnd(segment: BlockSegment, endOf: (block: number) => Promise<ChainPoint | undefined>): Promise<void> {
    const own = await segment.end();
    const end = await endOf((this.#groupOf(segment) + 1) * this.#options.blocksPerGroup - 1);
    if (!end || !isSamePoint(own, end)) throw new BlockDamagedError('is of other blocks');
    this.#trusted.add(segment);
  }

  async #isSound(segment: BlockSegment, endOf: (block: number) => Promise<ChainPoint | undefined>): Promise<boolean> {
    try {
      await this.#checkEnd(segment, endOf);
      return true;
    } catch {
      return false;
    }
  }

  async #write(group: number, segment: BlockSegment, gather: () => Promise<BlocksToMerge>): Promise<boolean> {
    const { readOnly, blockSize, blocksPerGroup, ledgerId, yieldTurn } = this.#options;
    segment.close();
    if (readOnly) return false;
    const { sources, end } = await gather();
    const steps = encodeKeys(sources, { ledgerId, blockSize, first: group * blocksPerGroup * blockSize + 1 }, end);
    const bytes = await runInTurns(steps, yieldTurn);
    if (!bytes) return false;
    await writeWhole(segment.path, bytes, this.#options, () => this.#files.forget(segment.path));
    return true;
  }

  #newSegment(group: number): BlockSegment {
    const { directory, ledgerId, blockSize, blocksPerGroup } = this.#options;
    const count = blocksPerGroup * blockSize;
    const identity = { kind: 'keys', ledgerId, first: group * count + 1, count } as const;
    return new BlockSegment(path.join(directory, keysFileName(group)), identity, this.#files, this.#cache);
  }

  #groupOf({ first }: BlockSegment): number {
    return (first - 1) / (this.#options.blocksPerGroup * this.#options.blockSize);
  }
}
