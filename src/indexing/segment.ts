import type { EventLocation } from '../core/stored.js';
import type { Awaitable } from '../disk/disk.js';
import type { IndexKey } from './index-key.js';
import type { Matches } from './matches.js';
import type { KeySource } from './key-pages.js';

/** Positions in a block of the index: blocks are aligned, block k holds positions k * blockSize + 1 to (k + 1) * blockSize. */
export const blockSize = 4096;

/** Blocks whose types and tags are merged into one file, by level: each is a multiple of the one before. */
export const groupSizes: readonly number[] = [4, 16, 64, 256];

/**
 * The index of one block, in memory or in a sealed file. Within a segment an event goes by its slot, 0 … blockSize - 1:
 * its position is `first` + slot. Asking a sealed file may throw or reject, whatever is wrong with it: the caller rebuilds.
 */
export interface Segment {
  /** Position of slot 0. */
  readonly first: number;
  /** Slots whose event has the key; undefined when there are none. */
  matches(key: IndexKey): Awaitable<Matches | undefined>;
  location(slot: number): Awaitable<EventLocation>;
  /** All types and tags. */
  keys(): Awaitable<KeySource>;
  /** Slots, rising, whose event may have this id: rarely one too many, never one too few. */
  candidates(id: IndexKey): Awaitable<readonly number[]>;
  /** A filter of all ids, for the caller to keep. */
  idFilter(): Awaitable<Uint8Array>;
}
