import type { Awaitable } from '../disk/disk.js';

/** Positions in a block of the index: blocks are aligned, block k holds positions k * blockSize + 1 to (k + 1) * blockSize. */
export const blockSize = 4096;

/** Where an event's record lies in the ledger. */
export type EventLocation = { readonly offset: number; readonly length: number };

/** A frame of the chain, named by its last event's position: where a scan can go on. */
export type ChainPoint = {
  /** Position of the frame's last event. */
  readonly position: number;
  /** Byte offset of the frame in the ledger. */
  readonly offset: number;
  /** The frame's checksum. */
  readonly checksum: number;
};

/** What the index knows of an event. */
export type IndexedEvent = {
  readonly position: number;
  readonly type: string;
  readonly tags: readonly string[];
  readonly id: string;
  readonly offset: number;
  readonly length: number;
};

/** Positions, rising, that share a type or a tag. Both searches are inclusive. */
export interface Matches {
  /** Lowest matching position >= `position`, or Infinity. */
  atOrAfter(position: number): number;
  /** Highest matching position <= `position`, or 0. */
  atOrBefore(position: number): number;
}

/** An aligned run of positions with what is needed to find its events: one in memory, or a sealed file. */
export interface Segment {
  /** First position that the segment can hold. */
  readonly first: number;
  /** Last position that it holds, inclusive. */
  readonly last: number;
  /** Undefined when no event of the segment has the type. */
  typeMatches(type: string): Awaitable<Matches | undefined>;
  tagMatches(tag: string): Awaitable<Matches | undefined>;
  /** The record of the event at `position`, which the segment holds. */
  location(position: number): Awaitable<EventLocation>;
  /** Writes the locations of positions `from` to `to` (inclusive) into `target`. */
  locations(from: number, to: number, target: EventLocation[]): Awaitable<void>;
  /** Positions whose event may have this id: rarely one too many, never one too few. */
  candidates(id: string): Awaitable<readonly number[]>;
}
