/*
 * The types and tags of a block, or of several, as a file holds them, read a part at a time: its pages are in the order of
 * their keys' hashes, so those that a part of all hashes may be in lie one behind the other.
 */
import type { Awaitable } from '../disk/disk.js';
import { whenReady } from '../disk/when-ready.js';
import { claimedHeadLength, decodeHead, keyEntryHeadLength, maxInlineSlots, pageBounds, verifyPage, type BlockHead, type BlockIdentity } from './block-format.js';
import { bucketOf } from './hash.js';
import { slotFormat, type SlotFormat } from './slots.js';

/** Reads the bytes of a file from `start` to `end` (exclusive), all of them or throws. */
export type ReadBytes = (start: number, end: number) => Awaitable<Buffer>;

/** The types and tags of a file, for merging. */
export type KeySource = Pick<KeyPages, 'first' | 'format' | 'length' | 'entries' | 'longList'>;

export class KeyPages {
  /** First position of its events. */
  readonly first: number;
  readonly format: SlotFormat;
  readonly #head: BlockHead;
  readonly #read: ReadBytes;

  constructor(head: BlockHead, { kind, first, count }: BlockIdentity, read: ReadBytes) {
    this.first = first;
    this.format = slotFormat(kind, count);
    this.#head = head;
    this.#read = read;
  }

  /** Bytes of all entries. */
  get length(): number {
    const { keys, keyPages } = this.#head.layout;
    return pageBounds(this.#head, keys + keyPages - 1).end - pageBounds(this.#head, keys).start;
  }

  /** Whole pages, one behind the other, in which are all entries whose hash is from `low` to `high` (inclusive), and others. */
  entries(low: number, high: number): Awaitable<Buffer> {
    const { keys, keyPages } = this.#head.layout;
    return this.#pages(keys + bucketOf(low, keyPages), keys + bucketOf(high, keyPages));
  }

  /** A page of postings. */
  longList(page: number): Awaitable<Buffer> {
    const { postings, pages } = this.#head.layout;
    return this.#pages(Math.min(postings + page, pages - 1), Math.min(postings + page, pages - 1));
  }

  #pages(from: number, to: number): Awaitable<Buffer> {
    const { start } = pageBounds(this.#head, from);
    return whenReady(this.#read(start, pageBounds(this.#head, to).end), (bytes) => {
      for (let page = from; page <= to; page++) {
        const bounds = pageBounds(this.#head, page);
        verifyPage(this.#head, page, bytes.subarray(bounds.start - start, bounds.end - start));
      }
      return bytes;
    });
  }
}

/** What a whole file holds. */
export function keysIn(file: Buffer, identity: BlockIdentity): KeyPages {
  return new KeyPages(decodeHead(file.subarray(0, claimedHeadLength(file, identity.kind)), identity), identity, (start, end) => file.subarray(start, end));
}

export const keyStart = (at: number): number => at + keyEntryHeadLength;
export const keyEnd = (entries: Buffer, at: number): number => at + keyEntryHeadLength + (entries[at + 5]! | (entries[at + 6]! << 8));
/** 0 when there are more than the entry has room for. */
export const slotCount = (entries: Buffer, at: number): number => entries[at + 7]! | (entries[at + 8]! << 8);
/** Whether so many slots have a page of their own. */
export const isLong = (count: number): boolean => count > maxInlineSlots || count === 0;

/** Where the next entry begins. */
export function entryEnd(entries: Buffer, at: number, { bytes }: SlotFormat): number {
  const count = slotCount(entries, at);
  return keyEnd(entries, at) + (isLong(count) ? 4 : count * bytes);
}
