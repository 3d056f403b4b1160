/*
 * The files that hold the types and tags of several blocks together, in levels: groups of a few blocks, groups of a few of
 * these, and so on, so that a query asks a handful of files however many events there are. They say nothing that the blocks
 * do not: whatever is wrong with one, or when it is gone, what lies below it is asked. A larger one makes those below it
 * superfluous, and they are removed.
 */
import path from 'node:path';
import type { ChainPoint } from '../core/stored.js';
import type { Awaitable } from '../disk/disk.js';
import { BlockDamagedError, isSamePoint, type BlockIdentity } from './block-format.js';
import { keysFileName, keysGroups, type BlockGroup } from './block-names.js';
import { BlockSegment } from './block-segment.js';
import { encodeKeys } from './encode-keys.js';
import type { KeySource } from './key-pages.js';
import type { OpenFiles } from './open-files.js';
import type { PageCache } from './page-cache.js';
import type { SealedBlocksOptions } from './sealed-blocks.js';
import { writeWhole } from './write-block.js';

/** What merging needs of the blocks. */
export interface MergeableBlocks {
  /** The frame that holds the last event of a block. */
  endOf(block: number): Promise<ChainPoint | undefined>;
  keysOf(block: number): Awaitable<KeySource>;
}

/** The groups of one size. */
type Level = {
  readonly size: number;
  readonly segments: Map<number, BlockSegment>;
  /** Groups whose file failed: its head may be sound all the same, so it is made again without a look at it. */
  readonly failed: Set<number>;
  /** Groups that could not be merged, so that smaller ones are; whoever opens the index next tries again. */
  readonly givenUp: Set<number>;
  /** Groups below this one have a file, or were given up. */
  next: number;
};

export class MergedKeys {
  readonly #options: SealedBlocksOptions;
  readonly #files: OpenFiles;
  readonly #cache: PageCache;
  readonly #blocks: MergeableBlocks;
  /** The largest groups first. */
  readonly #levels: readonly Level[];
  /** Those that are known to end where their last block ends. */
  readonly #trusted = new Set<BlockSegment>();

  constructor(options: SealedBlocksOptions, files: OpenFiles, cache: PageCache, blocks: MergeableBlocks) {
    this.#options = options;
    this.#files = files;
    this.#cache = cache;
    this.#blocks = blocks;
    this.#levels = [...options.groupSizes].reverse().map((size) => ({ size, segments: new Map(), failed: new Set(), givenUp: new Set(), next: 0 }));
  }

  /** Takes the files that there are, by the names in the folder; each is checked when it is first asked. */
  adopt(names: readonly string[]): void {
    for (const { size, group } of keysGroups(names, this.#options.groupSizes)) {
      this.#levels.find((level) => level.size === size)!.segments.set(group, this.#newSegment({ size, group }));
    }
  }

  /** The keys of the largest group around `block` that has a file and is among the first `sealed` blocks. */
  of(block: number, sealed: number): BlockSegment | undefined {
    for (const { size, segments } of this.#levels) {
      const group = Math.floor(block / size);
      const segment = (group + 1) * size <= sealed ? segments.get(group) : undefined;
      if (segment) return segment;
    }
    return undefined;
  }

  /** Asks a file no more that failed, until it was made again. */
  onFailed(segment: BlockSegment): void {
    const { level, group } = this.#placeOf(segment);
    if (level.segments.get(group) !== segment) return;
    this.#forget(level, group);
    level.failed.add(group);
    for (const below of this.#levels) {
      if (below.size <= level.size) below.next = Math.min(below.next, (group * level.size) / below.size);
    }
  }

  /** Sees to it, once, that a file was made of the very blocks that are there. @throws when it was not. */
  trust(segment: BlockSegment): Awaitable<void> {
    return this.#trusted.has(segment) ? undefined : this.#checkEnd(segment);
  }

  /**
   * Makes the file of one group among the first `sealed` blocks, the largest that needs one, unless another process did, and
   * removes what became superfluous. Never fails: without files of keys, queries only take longer.
   */
  async mergeNext(sealed: number): Promise<void> {
    if (this.#options.readOnly) return this.#adoptNewest(sealed);
    for (const level of this.#levels) {
      while (this.#isSettled(level, level.next)) level.next++;
      if ((level.next + 1) * level.size > sealed) continue;
      await this.#merge(level, level.next);
      break;
    }
    await this.#removeSuperfluous();
  }

  /** Looks whether another process made the file of the newest group of each size. */
  async #adoptNewest(sealed: number): Promise<void> {
    for (const level of this.#levels) {
      const group = Math.floor(sealed / level.size) - 1;
      if (group < 0 || this.#isSettled(level, group)) continue;
      const segment = this.#newSegment({ size: level.size, group });
      if (await this.#isSound(segment)) level.segments.set(group, segment);
      else segment.close();
    }
  }

  #isSettled(level: Level, group: number): boolean {
    return level.givenUp.has(group) || level.segments.has(group) || this.#above(level, group) !== undefined;
  }

  /** A file of a larger group that this one is part of. */
  #above({ size }: Level, group: number): BlockSegment | undefined {
    for (const level of this.#levels) {
      if (level.size === size) return undefined;
      const segment = level.segments.get(Math.floor((group * size) / level.size));
      if (segment) return segment;
    }
    return undefined;
  }

  async #merge(level: Level, group: number): Promise<void> {
    const place = { size: level.size, group };
    const segment = this.#newSegment(place);
    // Whoever was faster may have removed what was being merged.
    const isThere = async (): Promise<boolean> => !level.failed.has(group) && (await this.#isSound(segment));
    if ((await isThere()) || (await this.#write(segment, place)) || (await isThere())) {
      level.segments.set(group, segment);
      this.#trusted.add(segment);
    } else {
      segment.close();
      level.givenUp.add(group);
    }
    level.failed.delete(group);
  }

  /** Returns false when there are too many keys, or something failed. */
  async #write(segment: BlockSegment, group: BlockGroup): Promise<boolean> {
    segment.close();
    try {
      const end = await this.#blocks.endOf(lastOf(group));
      const bytes = end && (await encodeKeys(await this.#gather(group), this.#identityOf(group), end, this.#options.yieldTurn));
      if (!bytes) return false;
      await writeWhole(segment.path, bytes, this.#options, () => this.#files.forget(segment.path));
      return true;
    } catch {
      return false;
    }
  }

  /** The keys of a group: of the largest files below it that there are, and of blocks. */
  async #gather({ size, group }: BlockGroup): Promise<KeySource[]> {
    const sources: KeySource[] = [];
    for (let block = group * size; block < (group + 1) * size; ) {
      const { keys, blocks } = (await this.#keysBelow(block, size)) ?? { keys: await this.#blocks.keysOf(block), blocks: 1 };
      sources.push(keys);
      block += blocks;
      await this.#options.yieldTurn();
    }
    return sources;
  }

  /** Of the largest file of less than `size` blocks that begins with this block and can be read. */
  async #keysBelow(block: number, size: number): Promise<{ keys: KeySource; blocks: number } | undefined> {
    for (const level of this.#levels) {
      const segment = level.size < size && block % level.size === 0 ? level.segments.get(block / level.size) : undefined;
      if (!segment) continue;
      try {
        await this.trust(segment);
        return { keys: await segment.keys(), blocks: level.size };
      } catch {
        this.onFailed(segment);
      }
    }
    return undefined;
  }

  /** Files that nobody asks any more, since one that is known to be right says the same. Others who ask them find out. */
  async #removeSuperfluous(): Promise<void> {
    for (const level of this.#levels) {
      for (const [group, segment] of level.segments) {
        const above = this.#above(level, group);
        if (!above || !this.#trusted.has(above)) continue;
        this.#forget(level, group);
        try {
          await this.#options.disk.removeFile(segment.path);
        } catch {
          // It only takes up room.
        }
      }
    }
  }

  #forget({ segments }: Level, group: number): void {
    const segment = segments.get(group)!;
    segment.close();
    segments.delete(group);
    this.#trusted.delete(segment);
  }

  async #checkEnd(segment: BlockSegment): Promise<void> {
    const own = await segment.end();
    const end = await this.#blocks.endOf((segment.first - 1 + segment.count) / this.#options.blockSize - 1);
    if (!end || !isSamePoint(own, end)) throw new BlockDamagedError('is of other blocks');
    this.#trusted.add(segment);
  }

  async #isSound(segment: BlockSegment): Promise<boolean> {
    try {
      await this.#checkEnd(segment);
      return true;
    } catch {
      return false;
    }
  }

  #newSegment(group: BlockGroup): BlockSegment {
    return new BlockSegment(path.join(this.#options.directory, keysFileName(group)), this.#identityOf(group), this.#files, this.#cache);
  }

  #identityOf({ size, group }: BlockGroup): BlockIdentity {
    const { ledgerId, blockSize } = this.#options;
    return { kind: 'keys', ledgerId, first: group * size * blockSize + 1, count: size * blockSize };
  }

  #placeOf({ first, count }: BlockSegment): { level: Level; group: number } {
    const size = count / this.#options.blockSize;
    return { level: this.#levels.find((level) => level.size === size)!, group: (first - 1) / count };
  }
}

function lastOf({ size, group }: BlockGroup): number {
  return (group + 1) * size - 1;
}
