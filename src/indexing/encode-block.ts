import {
  blockLayout,
  encodeHead,
  eventsPerPage,
  headLengthOf,
  idEntryLength,
  idFilterBytes,
  keyFilterBytes,
  keyPageBytes,
  locationLength,
  maxPages,
} from './block-format.js';
import { addToFilter, bucketOf, hashText } from './hash.js';
import { keyKind } from './index-key.js';
import { KeyTable, viewOf, writeSlots } from './key-table.js';
import type { MemorySegment } from './memory-segment.js';

/** Encodes a full segment; the same events give the same bytes in every process. Lets others run after every millisecond or so. */
export async function encodeBlock(segment: MemorySegment, ledgerId: Buffer, yieldTurn: () => Promise<void>): Promise<Buffer> {
  const steps = encodeInSteps(segment, ledgerId);
  let step = steps.next();
  for (; !step.done; step = steps.next()) await yieldTurn();
  return step.value;
}

/** Encodes a full segment at once. */
export function encodeBlockSync(segment: MemorySegment, ledgerId: Buffer): Buffer {
  const steps = encodeInSteps(segment, ledgerId);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

function* encodeInSteps(segment: MemorySegment, ledgerId: Buffer): Generator<void, Buffer, undefined> {
  const { first, size: count, end } = segment;
  if (end === undefined) throw new Error(`Index: the block from position ${first} on is sealed before it is full.`);
  const keys = yield* KeyTable.of(segment);
  const keyPages = Math.min(Math.max(1, Math.ceil(keys.length / keyPageBytes)), maxPages / 2);
  const layout = blockLayout(count, keyPages, keys.longLists.length);
  const pages = new PageWriter(headLengthOf(layout), layout.pages, bodyLength(count, keys));
  yield;
  writeFilter(pages, keyFilterBytes(keys.hashes.length), keys.hashes);
  yield;
  const idHashes = segment.ids.map((id) => hashText(id, keyKind.id));
  yield;
  writeFilter(pages, idFilterBytes(count), idHashes);
  yield;
  writeLocations(pages, segment);
  yield;
  writeIds(pages, idHashes, layout.eventPages);
  yield;
  writeKeys(pages, keys, keyPages);
  for (const slots of keys.longLists) writeSlots(pages.file, pages.add(slots.length * 2), slots);
  yield;
  encodeHead(pages.file, { ledgerId, first, count }, end, layout, pages.starts);
  return pages.file;
}

function bodyLength(count: number, keys: KeyTable): number {
  const postings = keys.longLists.reduce((sum, slots) => sum + slots.length * 2, 0);
  return keyFilterBytes(keys.hashes.length) + idFilterBytes(count) + count * (locationLength + idEntryLength) + keys.length + postings;
}

/** Lays pages one behind the other. */
class PageWriter {
  readonly file: Buffer;
  readonly view: DataView;
  /** Where each page begins; behind the last, where it ends. */
  readonly starts: Float64Array;
  #page = 0;

  constructor(headLength: number, pages: number, bodyLength: number) {
    const length = headLength + bodyLength;
    if (length > 0xffff_ffff) throw new Error(`Index: a block of ${length} bytes is too large.`);
    this.file = Buffer.allocUnsafeSlow(length);
    this.view = viewOf(this.file);
    this.starts = new Float64Array(pages + 1);
    this.starts[0] = headLength;
  }

  /** Adds a page; returns where it begins. */
  add(length: number): number {
    const start = this.starts[this.#page]!;
    this.starts[++this.#page] = start + length;
    return start;
  }

  /** Adds a page for each bucket; returns where they begin. */
  addBuckets(lengths: Float64Array): Float64Array {
    return lengths.map((length) => this.add(length));
  }
}

function writeFilter(pages: PageWriter, length: number, hashes: readonly number[]): void {
  const start = pages.add(length);
  const filter = pages.file.subarray(start, start + length).fill(0);
  for (const hash of hashes) addToFilter(filter, hash);
}

function writeLocations(pages: PageWriter, { size, offsets, lengths }: MemorySegment): void {
  const { view } = pages;
  for (let from = 0; from < size; from += eventsPerPage) {
    const to = Math.min(size, from + eventsPerPage);
    let at = pages.add((to - from) * locationLength);
    for (let slot = from; slot < to; slot++, at += locationLength) {
      const offset = offsets[slot]!;
      view.setUint32(at, offset >>> 0, true);
      view.setUint16(at + 4, Math.floor(offset / 0x1_0000_0000), true);
      view.setUint32(at + 6, lengths[slot]!, true);
    }
  }
}

function writeIds(pages: PageWriter, hashes: readonly number[], buckets: number): void {
  const lengths = new Float64Array(buckets);
  for (const hash of hashes) lengths[bucketOf(hash, buckets)]! += idEntryLength;
  const ends = pages.addBuckets(lengths);
  const { view } = pages;
  for (let slot = 0; slot < hashes.length; slot++) {
    const hash = hashes[slot]!;
    const bucket = bucketOf(hash, buckets);
    const at = ends[bucket]!;
    view.setUint32(at, hash, true);
    view.setUint16(at + 4, slot, true);
    ends[bucket] = at + idEntryLength;
  }
}

function writeKeys(pages: PageWriter, { bytes, hashes, ends }: KeyTable, buckets: number): void {
  const lengths = new Float64Array(buckets);
  let start = 0;
  for (let i = 0; i < hashes.length; i++) {
    lengths[bucketOf(hashes[i]!, buckets)]! += ends[i]! - start;
    start = ends[i]!;
  }
  const targets = pages.addBuckets(lengths);
  start = 0;
  for (let i = 0; i < hashes.length; i++) {
    const end = ends[i]!;
    const bucket = bucketOf(hashes[i]!, buckets);
    let target = targets[bucket]!;
    while (start < end) pages.file[target++] = bytes[start++]!;
    targets[bucket] = target;
  }
}
