/*
 * The bytes of a sealed block, as docs/format.md draws them. All numbers are little-endian; positions and offsets of the
 * head are float64, exact up to 2^53. Every page has its checksum in the head's page table, and the head has its own, so
 * that any part is read by itself and a damaged one is noticed before it is believed.
 */
import { crc32 } from 'node:zlib';
import type { ChainPoint } from '../core/stored.js';
import type { Steps } from './steps.js';

/** A block holds all that there is of its events; a file of keys only the types and tags, of several blocks together. */
export type BlockKind = 'block' | 'keys';

/** Versions that this code writes and reads; a file of another version is made anew. */
const versions = { block: 1, keys: 2 } as const;

const magics = { block: Buffer.from('OPOSSIDX', 'latin1'), keys: Buffer.from('OPOSSKEY', 'latin1') } as const;

const at = {
  checksum: 8,
  headLength: 12,
  version: 16,
  ledgerId: 20,
  first: 36,
  count: 44,
  endPosition: 48,
  endOffset: 56,
  endChecksum: 64,
  keyPages: 68,
  postingPages: 72,
  pageTable: 76,
} as const;

/** Where a block's page table begins: what is needed to know how long its head is. */
export const fixedHeadLength = at.pageTable;
/** Offset and checksum of a page. Behind the last page's entry stands one with the length of the file. */
const pageEntryLength = 8;
export const maxPages = 1 << 20;
/** Checksums of so many bytes are made without a pause: some tenths of a millisecond. */
const bytesPerPause = 1024 * 1024;

/** Events that share a page of locations, and on average a page of ids. */
export const eventsPerPage = 256;
/** Offset uint48, length uint32. */
export const locationLength = 10;
/** Hash uint32, slot uint16. */
export const idEntryLength = 6;
/** Hash uint32, kind uint8, length of the key uint16, count of slots uint16 (0 when it has no room for it); then the key and its slots. */
export const keyEntryHeadLength = 9;
/** Longer lists of slots have a page of their own; the entry counts it, by a uint32, from the first of these pages. */
export const maxInlineSlots = 32;
/** What pages of keys aim at, in bytes. */
export const keyPageBytes = 1200;

/** Bytes of the filter of a block's ids: 16 bits for each. */
export function idFilterBytes(count: number): number {
  return count * 2;
}

/** Bytes of the filter of `keys` keys: 8 to 16 bits for each. */
export function keyFilterBytes(keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(8, keys)));
}

export function keyPagesFor(bytes: number): number {
  return Math.min(Math.max(1, Math.ceil(bytes / keyPageBytes)), maxPages / 2);
}

/** The order of pages in a file: key filter, id filter, locations, ids, keys, postings. A file of keys has the first and the last two. */
export type BlockLayout = {
  readonly keyFilter: 0;
  readonly idFilter: 1;
  readonly locations: number;
  /** Pages of locations, and of ids. */
  readonly eventPages: number;
  readonly ids: number;
  readonly keys: number;
  readonly keyPages: number;
  readonly postings: number;
  readonly pages: number;
};

export function blockLayout(kind: BlockKind, count: number, keyPages: number, postingPages: number): BlockLayout {
  const eventPages = kind === 'keys' ? 0 : Math.ceil(count / eventsPerPage);
  const locations = kind === 'keys' ? 1 : 2;
  const ids = locations + eventPages;
  const keys = ids + eventPages;
  const postings = keys + keyPages;
  return { keyFilter: 0, idFilter: 1, locations, eventPages, ids, keys, keyPages, postings, pages: postings + postingPages };
}

export function headLengthOf(layout: BlockLayout): number {
  return fixedHeadLength + (layout.pages + 1) * pageEntryLength;
}

/** What tells a block from all others. */
export type BlockIdentity = { readonly kind: BlockKind; readonly ledgerId: Buffer; readonly first: number; readonly count: number };

/** A verified head. `page` gives where a page lies: from `start` to `end` (exclusive). */
export type BlockHead = { readonly bytes: Buffer; readonly end: ChainPoint; readonly layout: BlockLayout };

export function isSamePoint(a: ChainPoint, b: ChainPoint): boolean {
  return a.position === b.position && a.offset === b.offset && a.checksum === b.checksum;
}

/** A part of a block is not what its writer wrote. */
export class BlockDamagedError extends Error {}

/** Writes head and page table over the beginning of `file`, whose pages lie from `starts[i]` to `starts[i + 1]`. */
export function* encodeHead(file: Buffer, { kind, ledgerId, first, count }: BlockIdentity, end: ChainPoint, layout: BlockLayout, starts: Float64Array): Steps<void> {
  const headLength = headLengthOf(layout);
  file.set(magics[kind], 0);
  file.writeUInt32LE(headLength, at.headLength);
  file.writeUInt32LE(versions[kind], at.version);
  file.set(ledgerId, at.ledgerId);
  file.writeDoubleLE(first, at.first);
  file.writeUInt32LE(count, at.count);
  file.writeDoubleLE(end.position, at.endPosition);
  file.writeDoubleLE(end.offset, at.endOffset);
  file.writeUInt32LE(end.checksum, at.endChecksum);
  file.writeUInt32LE(layout.keyPages, at.keyPages);
  file.writeUInt32LE(layout.pages - layout.postings, at.postingPages);
  let paused = headLength;
  for (let page = 0; page <= layout.pages; page++) {
    const entry = at.pageTable + page * pageEntryLength;
    const start = starts[page]!;
    file.writeUInt32LE(start, entry);
    file.writeUInt32LE(page < layout.pages ? crc32(file.subarray(start, starts[page + 1])) : 0, entry + 4);
    if (start - paused < bytesPerPause) continue;
    paused = start;
    yield;
  }
  file.writeUInt32LE(crc32(file.subarray(at.headLength, headLength)), at.checksum);
}

/** How long the head is that begins with `bytes`, of which at least `fixedHeadLength` are needed. */
export function claimedHeadLength(bytes: Buffer, kind: BlockKind): number {
  if (bytes.length < fixedHeadLength || magics[kind].compare(bytes, 0, magics[kind].length) !== 0) throw new BlockDamagedError('is not an index block');
  const headLength = bytes.readUInt32LE(at.headLength);
  if (headLength < fixedHeadLength || headLength > fixedHeadLength + (maxPages + 1) * pageEntryLength) {
    throw new BlockDamagedError('has an impossible length of its head');
  }
  return headLength;
}

/** Verifies a whole head against the block that it must belong to. */
export function decodeHead(bytes: Buffer, { kind, ledgerId, first, count }: BlockIdentity): BlockHead {
  if (bytes.readUInt32LE(at.checksum) !== crc32(bytes.subarray(at.headLength))) throw new BlockDamagedError('has a damaged head');
  if (bytes.readUInt32LE(at.version) !== versions[kind]) throw new BlockDamagedError('is of another version');
  if (ledgerId.compare(bytes, at.ledgerId, at.ledgerId + ledgerId.length) !== 0) throw new BlockDamagedError('belongs to another ledger');
  const layout = blockLayout(kind, count, bytes.readUInt32LE(at.keyPages), bytes.readUInt32LE(at.postingPages));
  const end = {
    position: bytes.readDoubleLE(at.endPosition),
    offset: bytes.readDoubleLE(at.endOffset),
    checksum: bytes.readUInt32LE(at.endChecksum),
  };
  const isPossible =
    bytes.readDoubleLE(at.first) === first &&
    bytes.readUInt32LE(at.count) === count &&
    headLengthOf(layout) === bytes.length &&
    end.position >= first + count - 1;
  if (!isPossible) throw new BlockDamagedError('belongs to other positions, or has impossible numbers in its head');
  return { bytes, end, layout };
}

/** Where page `page` lies: bytes `start` to `end` (exclusive). */
export function pageBounds({ bytes }: BlockHead, page: number): { start: number; end: number } {
  const entry = at.pageTable + page * pageEntryLength;
  return { start: bytes.readUInt32LE(entry), end: bytes.readUInt32LE(entry + pageEntryLength) };
}

export function verifyPage({ bytes }: BlockHead, page: number, content: Buffer): void {
  if (crc32(content) !== bytes.readUInt32LE(at.pageTable + page * pageEntryLength + 4)) throw new BlockDamagedError(`has a damaged page ${page}`);
}
