/*
 * A sealed block in its file. Any part is read when it is needed, by itself, and verified before it is believed: whatever is
 * wrong (no file, a short one, another ledger's, a bad checksum, an I/O error) is thrown, and never seems to be "no match".
 */
import type { ChainPoint, EventLocation } from '../core/stored.js';
import type { Awaitable } from '../disk/disk.js';
import { uint32At } from '../disk/numbers.js';
import {
  BlockDamagedError,
  claimedHeadLength,
  decodeHead,
  eventsPerPage,
  idEntryLength,
  locationLength,
  pageBounds,
  verifyPage,
  type BlockHead,
  type BlockIdentity,
} from './block-format.js';
import { bucketOf, mayHold } from './hash.js';
import type { IndexKey } from './index-key.js';
import { isLong, keyEnd, keyStart, KeyPages, slotCount } from './key-pages.js';
import type { Matches } from './matches.js';
import type { OpenFiles } from './open-files.js';
import type { CachedPage, PageCache, PageOwner } from './page-cache.js';
import type { Segment } from './segment.js';
import { inlineMatches, pageMatches, slotFormat, type SlotFormat } from './slots.js';
import { whenReady } from '../disk/when-ready.js';

/** Most heads fit into the first read. */
const headReadBytes = 4096;
/** The head counts as a page in the cache, before all others. */
const headPage = -1;

export class BlockSegment implements Segment, PageOwner {
  readonly first: number;
  /** Positions from `first` on. */
  readonly count: number;
  readonly path: string;
  readonly #identity: BlockIdentity;
  readonly #files: OpenFiles;
  readonly #cache: PageCache;
  readonly #format: SlotFormat;
  /** What is in memory of it, page `page` at `page` + 1: a list is asked faster than a map, and each event that is read asks. */
  readonly #pages: (CachedPage | undefined)[] = [];
  #head: BlockHead | undefined;

  constructor(path: string, identity: BlockIdentity, files: OpenFiles, cache: PageCache) {
    this.first = identity.first;
    this.count = identity.count;
    this.path = path;
    this.#identity = identity;
    this.#files = files;
    this.#cache = cache;
    this.#format = slotFormat(identity.kind, identity.count);
  }

  /** The frame that holds the block's last position. */
  end(): Awaitable<ChainPoint> {
    return whenReady(this.#readyHead(), ({ end }) => end);
  }

  matches(key: IndexKey): Awaitable<Matches | undefined> {
    const filter = this.#cached(0);
    if (filter) return this.#matches(filter, key);
    return whenReady(this.#readyHead(), (head) => whenReady(this.#page(head, head.layout.keyFilter), (read) => this.#matches(read, key)));
  }

  location(slot: number): Awaitable<EventLocation> {
    const known = this.#head && this.#cached(this.#head.layout.locations + Math.floor(slot / eventsPerPage));
    if (known) return locationIn(known, slot % eventsPerPage);
    return whenReady(this.#readyHead(), (head) =>
      whenReady(this.#page(head, head.layout.locations + Math.floor(slot / eventsPerPage)), (page) => locationIn(page, slot % eventsPerPage)),
    );
  }

  keys(): Awaitable<KeyPages> {
    const read = (start: number, end: number): Awaitable<Buffer> => {
      const bytes = Buffer.allocUnsafeSlow(end - start);
      return whenReady(this.#readFully(bytes, start), () => bytes);
    };
    return whenReady(this.#readyHead(), (head) => new KeyPages(head, this.#identity, read));
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
    this.#pages[page + 1] = undefined;
  }

  /** Gives up what it keeps in memory, and its file. */
  close(): void {
    for (const cached of this.#pages) if (cached) this.#cache.remove(cached);
    this.#pages.length = 0;
    this.#head = undefined;
    this.#files.forget(this.path);
  }

  #matches(filter: Buffer, key: IndexKey): Awaitable<Matches | undefined> {
    if (!mayHold(filter, key.hash)) return undefined;
    const head = this.#readyHead();
    return head instanceof Promise ? head.then((late) => this.#findKey(late, key)) : this.#findKey(head, key);
  }

  #findKey(head: BlockHead, key: IndexKey): Awaitable<Matches | undefined> {
    const page = this.#page(head, head.layout.keys + bucketOf(key.hash, head.layout.keyPages));
    return page instanceof Promise ? page.then((late) => this.#findInPage(head, late, key)) : this.#findInPage(head, page, key);
  }

  #findInPage(head: BlockHead, page: Buffer, key: IndexKey): Awaitable<Matches | undefined> {
    const format = this.#format;
    const { kind, hash } = key;
    for (let at = 0; at < page.length; ) {
      const count = slotCount(page, at);
      const start = keyStart(at);
      const behind = keyEnd(page, at);
      if (page[at] === (hash & 0xff) && uint32At(page, at) === hash && page[at + 4] === kind && isAt(page, start, behind, key)) {
        if (!isLong(count)) return inlineMatches(page, behind, count, format);
        return whenReady(this.#page(head, head.layout.postings + page.readUInt32LE(behind)), (slots) => pageMatches(slots, count, format));
      }
      at = behind + (isLong(count) ? 4 : count * format.bytes);
    }
    return undefined;
  }

  #cached(page: number): Buffer | undefined {
    const cached = this.#pages[page + 1];
    if (!cached) return undefined;
    cached.used = true;
    return cached.bytes;
  }

  #page(head: BlockHead, page: number): Awaitable<Buffer> {
    return this.#cached(page) ?? whenReady(this.#readPage(head, page), (bytes) => this.#keep(page, bytes));
  }

  #keep(page: number, bytes: Buffer): Buffer {
    this.#pages[page + 1] ??= this.#cache.add(this, page, bytes);
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

/** Whether the bytes from `start` to `end` (exclusive) are the key's text. Keys are short: a call out of JavaScript would take longer. */
function isAt(page: Buffer, start: number, end: number, key: IndexKey): boolean {
  const { text } = key;
  // As many bytes as characters: it is ASCII, or another.
  if (end - start === text.length) {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (page[start + i] !== code || code > 0x7f) return false;
    }
    return true;
  }
  const { bytes } = key;
  if (end - start !== bytes.length) return false;
  for (let i = 0; i < bytes.length; i++) {
    if (page[start + i] !== bytes[i]) return false;
  }
  return true;
}

function locationIn(page: Buffer, index: number): EventLocation {
  const start = index * locationLength;
  if (start + locationLength > page.length) throw new BlockDamagedError('has too short a page of locations');
  const offset = uint32At(page, start) + (page[start + 4]! | (page[start + 5]! << 8)) * 0x1_0000_0000;
  return { offset, length: uint32At(page, start + 6) };
}
