/*
 * A sealed block in its file. Any part is read when it is needed, by itself, and verified before it is believed: whatever is
 * wrong (no file, a short one, another ledger's, a bad checksum, an I/O error) is thrown, and never seems to be "no match".
 */
import type { ChainPoint, EventLocation } from '../core/stored.js';
import type { Awaitable } from '../disk/disk.js';
import {
  BlockDamagedError,
  claimedHeadLength,
  decodeHead,
  eventsPerPage,
  idEntryLength,
  keyEntryHeadLength,
  locationLength,
  maxInlineSlots,
  pageBounds,
  verifyPage,
  type BlockHead,
  type BlockIdentity,
} from './block-format.js';
import { bucketOf, mayHold } from './hash.js';
import type { IndexKey } from './index-key.js';
import { ListedMatches, storedSlots, type Matches } from './matches.js';
import type { KeySource } from './merge-keys.js';
import type { OpenFiles } from './open-files.js';
import type { CachedPage, PageCache, PageOwner } from './page-cache.js';
import type { Segment } from './segment.js';
import { whenReady } from '../disk/when-ready.js';

/** Most heads fit into the first read. */
const headReadBytes = 4096;
const allSlots = 0x1_0000;
/** The head counts as a page in the cache. */
const headPage = -1;

export class BlockSegment implements Segment, PageOwner {
  readonly first: number;
  /** Positions from `first` on. */
  readonly count: number;
  readonly path: string;
  readonly #identity: BlockIdentity;
  readonly #files: OpenFiles;
  readonly #cache: PageCache;
  readonly #pages = new Map<number, CachedPage>();
  #head: BlockHead | undefined;

  constructor(path: string, identity: BlockIdentity, files: OpenFiles, cache: PageCache) {
    this.first = identity.first;
    this.count = identity.count;
    this.path = path;
    this.#identity = identity;
    this.#files = files;
    this.#cache = cache;
  }

  /** The frame that holds the block's last position. */
  end(): Awaitable<ChainPoint> {
    return whenReady(this.#readyHead(), ({ end }) => end);
  }

  matches(key: IndexKey): Awaitable<Matches | undefined> {
    const filter = this.#cached(0);
    if (filter && !mayHold(filter, key.hash)) return undefined;
    const known = this.#head;
    const entries = filter && known && this.#cached(keyPageOf(known, key));
    if (entries) return this.#findKey(known, entries, key);
    return whenReady(this.#readyHead(), (head) =>
      whenReady(filter ?? this.#page(head, head.layout.keyFilter), (bytes) => {
        if (!mayHold(bytes, key.hash)) return undefined;
        return whenReady(this.#page(head, keyPageOf(head, key)), (page) => this.#findKey(head, page, key));
      }),
    );
  }

  location(slot: number): Awaitable<EventLocation> {
    const known = this.#head && this.#cached(this.#head.layout.locations + Math.floor(slot / eventsPerPage));
    if (known) return locationIn(known, slot % eventsPerPage);
    return whenReady(this.#readyHead(), (head) =>
      whenReady(this.#page(head, head.layout.locations + Math.floor(slot / eventsPerPage)), (page) => locationIn(page, slot % eventsPerPage)),
    );
  }

  /** All pages of keys and postings, which lie one behind the other, in one read. */
  keys(): Awaitable<KeySource> {
    return whenReady(this.#readyHead(), (head) => {
      const { keys, postings, pages } = head.layout;
      const { start } = pageBounds(head, keys);
      const pageStart = (page: number): number => (page < pages ? pageBounds(head, page).start : pageBounds(head, pages - 1).end) - start;
      const bytes = Buffer.allocUnsafeSlow(pageStart(pages));
      return whenReady(this.#readFully(bytes, start), () => {
        for (let page = keys; page < pages; page++) verifyPage(head, page, bytes.subarray(pageStart(page), pageStart(page + 1)));
        const longList = (page: number): ArrayLike<number> => slotsOf(bytes.subarray(pageStart(postings + page), pageStart(postings + page + 1)));
        return { bytes: bytes.subarray(0, pageStart(postings)), longList };
      });
    });
  }

  candidates(id: IndexKey): Awaitable<readonly number[]> {
    return whenReady(this.#readyHead(), (head) =>
      whenReady(this.#page(head, head.layout.ids + bucketOf(id.hash, head.layout.eventPages)), (page) => {
        const slots: number[] = [];
        for (let at = 0; at < page.length; at += idEntryLength) {
          if (page.readUInt32LE(at) === id.hash) slots.push(page.readUInt16LE(at + 4));
        }
        return slots;
      }),
    );
  }

  /** The filter of all ids; read from the file, for the caller to keep. */
  idFilter(): Awaitable<Buffer> {
    return whenReady(this.#readyHead(), (head) => this.#readPage(head, head.layout.idFilter));
  }

  dropPage(page: number): void {
    if (page === headPage) this.#head = undefined;
    this.#pages.delete(page);
  }

  /** Gives up what it keeps in memory, and its file. */
  close(): void {
    for (const cached of this.#pages.values()) this.#cache.remove(cached);
    this.#pages.clear();
    this.#head = undefined;
    this.#files.forget(this.path);
  }

  #findKey(head: BlockHead, page: Buffer, { kind, hash, bytes }: IndexKey): Awaitable<Matches | undefined> {
    for (let at = 0; at < page.length; ) {
      const length = page[at + 5]! | (page[at + 6]! << 8);
      // Sixteen bits have no room for all slots of a group.
      const count = page[at + 7]! | (page[at + 8]! << 8) || allSlots;
      const start = at + keyEntryHeadLength;
      const behind = start + length;
      if (page[at] === (hash & 0xff) && page.readUInt32LE(at) === hash && page[at + 4] === kind && length === bytes.length && bytes.compare(page, start, behind) === 0) {
        if (count > maxInlineSlots) return whenReady(this.#page(head, head.layout.postings + page.readUInt32LE(behind)), (slots) => storedMatches(slots, 0, count));
        return storedMatches(page, behind, count);
      }
      at = behind + (count > maxInlineSlots ? 4 : count * 2);
    }
    return undefined;
  }

  #cached(page: number): Buffer | undefined {
    const cached = this.#pages.get(page);
    if (cached) cached.used = true;
    return cached?.bytes;
  }

  #page(head: BlockHead, page: number): Awaitable<Buffer> {
    return this.#cached(page) ?? whenReady(this.#readPage(head, page), (bytes) => this.#keep(page, bytes));
  }

  #keep(page: number, bytes: Buffer): Buffer {
    if (!this.#pages.has(page)) this.#pages.set(page, this.#cache.add(this, page, bytes));
    return bytes;
  }

  #readPage(head: BlockHead, page: number): Awaitable<Buffer> {
    if (page >= head.layout.pages) throw new BlockDamagedError('names a page that it does not have');
    const { start, end } = pageBounds(head, page);
    const bytes = Buffer.allocUnsafeSlow(end - start);
    return whenReady(this.#readFully(bytes, start), () => {
      verifyPage(head, page, bytes);
      return bytes;
    });
  }

  #readFully(target: Buffer, offset: number): Awaitable<void> {
    if (target.length === 0) return;
    return whenReady(this.#files.read(this.path, target, offset), (count) => {
      if (count < target.length) throw new BlockDamagedError('is too short');
    });
  }

  #readyHead(): Awaitable<BlockHead> {
    if (this.#head && this.#cached(headPage)) return this.#head;
    return whenReady(this.#readHead(), (head) => {
      this.#keep(headPage, head.bytes);
      return (this.#head = head);
    });
  }

  #readHead(): Awaitable<BlockHead> {
    const begin = Buffer.allocUnsafe(headReadBytes);
    return whenReady(this.#files.read(this.path, begin, 0), (count) => {
      const headLength = claimedHeadLength(begin.subarray(0, count), this.#identity.kind);
      const bytes = Buffer.allocUnsafeSlow(headLength);
      const known = begin.copy(bytes, 0, 0, Math.min(count, headLength));
      return whenReady(this.#readFully(bytes.subarray(known), known), () => decodeHead(bytes, this.#identity));
    });
  }
}

function keyPageOf({ layout }: BlockHead, { hash }: IndexKey): number {
  return layout.keys + bucketOf(hash, layout.keyPages);
}

function locationIn(page: Buffer, index: number): EventLocation {
  const start = index * locationLength;
  return { offset: page.readUInt32LE(start) + page.readUInt16LE(start + 4) * 0x1_0000_0000, length: page.readUInt32LE(start + 6) };
}

function slotsOf(page: Buffer): Uint16Array {
  const slots = new Uint16Array(page.length / 2);
  for (let i = 0; i < slots.length; i++) slots[i] = page.readUInt16LE(i * 2);
  return slots;
}

function storedMatches(bytes: Buffer, start: number, count: number): Matches {
  if (count === 0 || start + count * 2 > bytes.length) throw new BlockDamagedError('has an impossible list of positions');
  return new ListedMatches(storedSlots(bytes, start, count));
}
