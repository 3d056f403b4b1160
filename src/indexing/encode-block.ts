import {
  BlockDamagedError,
  blockLayout,
  encodeHead,
  eventsPerPage,
  headLengthOf,
  idEntryLength,
  keyEntryHeadLength,
  keyPageBytes,
  locationLength,
  maxInlineSlots,
  maxPages,
} from './block-format.js';
import { addToFilter, bucketOf, hashText } from './hash.js';
import { keyKind, type KeyKind } from './index-key.js';
import type { MemorySegment } from './memory-segment.js';

/** Keys handled between two pauses: about a millisecond's work. */
const keysPerPause = 2048;

/** Encodes a full segment; the same events give the same bytes in every process. Pauses wherever a millisecond may have passed. */
export function* encodeBlock(segment: MemorySegment, ledgerId: Buffer): Generator<void, Buffer, undefined> {
  const { first, size: count, end } = segment;
  if (end === undefined) throw new Error(`Index: the block from position ${first} on is sealed before it is full.`);
  const keys = yield* measureKeys(segment);
  const ids = Uint32Array.from(segment.ids, (id) => hashText(id, keyKind.id));
  yield;

  const keyPages = Math.min(Math.max(1, Math.ceil(keys.bytes / keyPageBytes)), maxPages / 2);
  const layout = blockLayout(count, keyPages, keys.longLists);
  const filterBytes = keyFilterBytes(keys.entries.length);
  const eventBytes = count * (2 + locationLength + idEntryLength);
  const file = Buffer.allocUnsafe(headLengthOf(layout) + filterBytes + eventBytes + keys.bytes + keys.longListBytes);
  const pages = new PageWriter(file, headLengthOf(layout), layout.pages);

  const keyFilter = pages.add(filterBytes).fill(0);
  for (const { hash } of keys.entries) addToFilter(keyFilter, hash);
  const idFilter = pages.add(count * 2).fill(0);
  for (const hash of ids) addToFilter(idFilter, hash);
  for (let from = 0; from < count; from += eventsPerPage) writeLocations(segment, from, pages);
  writeIds(ids, layout.eventPages, pages);
  yield;
  yield* writeKeys(keys.entries, keyPages, layout.postings, pages);
  for (const { slots } of keys.entries) if (slots.length > maxInlineSlots) writeSlots(pages.add(slots.length * 2), 0, slots);
  yield;
  encodeHead(file, { ledgerId, first, count }, end, layout, pages.starts);
  return file;
}

/** Bytes of the filter of `keys` keys: 8 to 16 bits for each. */
export function keyFilterBytes(keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(8, keys)));
}

type KeyEntry = { readonly kind: KeyKind; readonly text: string; readonly slots: readonly number[]; readonly hash: number; readonly bytes: number };
type MeasuredKeys = { readonly entries: readonly KeyEntry[]; bytes: number; longLists: number; longListBytes: number };

function* measureKeys({ types, tags }: MemorySegment): Generator<void, MeasuredKeys, undefined> {
  const entries: KeyEntry[] = [];
  const keys: MeasuredKeys = { entries, bytes: 0, longLists: 0, longListBytes: 0 };
  for (const [kind, lists] of [[keyKind.type, types], [keyKind.tag, tags]] as const) {
    for (const [text, slots] of lists) {
      const isLong = slots.length > maxInlineSlots;
      const bytes = keyEntryHeadLength + Buffer.byteLength(text) + (isLong ? 4 : slots.length * 2);
      entries.push({ kind, text, slots, hash: hashText(text, kind), bytes });
      keys.bytes += bytes;
      if (isLong) {
        keys.longLists++;
        keys.longListBytes += slots.length * 2;
      }
      if (entries.length % keysPerPause === 0) yield;
    }
  }
  return keys;
}

/** Lays pages one behind the other. */
class PageWriter {
  /** Where each page begins; behind the last, where it ends. */
  readonly starts: Float64Array;
  readonly #file: Buffer;
  #page = 0;

  constructor(file: Buffer, start: number, pages: number) {
    this.#file = file;
    this.starts = new Float64Array(pages + 1);
    this.starts[0] = start;
  }

  add(length: number): Buffer {
    const start = this.starts[this.#page]!;
    const end = start + length;
    if (end > 0xffff_ffff || end > this.#file.length) throw new BlockDamagedError('would be too large');
    this.starts[++this.#page] = end;
    return this.#file.subarray(start, end);
  }
}

function writeLocations(segment: MemorySegment, from: number, pages: PageWriter): void {
  const count = Math.min(eventsPerPage, segment.size - from);
  const page = pages.add(count * locationLength);
  for (let i = 0; i < count; i++) {
    const { offset, length } = segment.location(from + i);
    page.writeUIntLE(offset, i * locationLength, 6);
    page.writeUInt32LE(length, i * locationLength + 6);
  }
}

function writeIds(hashes: Uint32Array, buckets: number, pages: PageWriter): void {
  const lengths = new Float64Array(buckets);
  for (const hash of hashes) lengths[bucketOf(hash, buckets)]! += idEntryLength;
  const bucketPages = Array.from(lengths, (length) => pages.add(length));
  const ends = new Float64Array(buckets);
  hashes.forEach((hash, slot) => {
    const bucket = bucketOf(hash, buckets);
    const page = bucketPages[bucket]!;
    page.writeUInt16LE(slot, page.writeUInt32LE(hash, ends[bucket]));
    ends[bucket]! += idEntryLength;
  });
}

function* writeKeys(entries: readonly KeyEntry[], buckets: number, firstPostingPage: number, pages: PageWriter): Generator<void, void, undefined> {
  const lengths = new Float64Array(buckets);
  for (const { hash, bytes } of entries) lengths[bucketOf(hash, buckets)]! += bytes;
  const bucketPages = Array.from(lengths, (length) => pages.add(length));
  const ends = new Float64Array(buckets);
  let postingPage = firstPostingPage;
  for (const [i, entry] of entries.entries()) {
    const bucket = bucketOf(entry.hash, buckets);
    writeKey(bucketPages[bucket]!, ends[bucket]!, entry, entry.slots.length > maxInlineSlots ? postingPage++ : 0);
    ends[bucket]! += entry.bytes;
    if (i % keysPerPause === keysPerPause - 1) yield;
  }
}

function writeKey(page: Buffer, start: number, { hash, kind, text, slots }: KeyEntry, postingPage: number): void {
  const length = page.write(text, start + keyEntryHeadLength);
  page.writeUInt32LE(hash, start);
  page.writeUInt8(kind, start + 4);
  page.writeUInt16LE(length, start + 5);
  page.writeUInt16LE(slots.length, start + 7);
  const behind = start + keyEntryHeadLength + length;
  if (slots.length > maxInlineSlots) page.writeUInt32LE(postingPage, behind);
  else writeSlots(page, behind, slots);
}

function writeSlots(page: Buffer, start: number, slots: readonly number[]): void {
  let offset = start;
  for (const slot of slots) {
    page[offset++] = slot & 0xff;
    page[offset++] = slot >>> 8;
  }
}
