import {
  blockLayout,
  encodeHead,
  eventsPerPage,
  headLengthOf,
  idEntryLength,
  idFilterBytes,
  keyFilterBytes,
  keyPagesFor,
  locationLength,
} from './block-format.js';
import { bucketOf, hashText } from './hash.js';
import { keyKind } from './index-key.js';
import { KeyTable } from './key-table.js';
import type { MemorySegment } from './memory-segment.js';
import { runInTurns, runToEnd } from './steps.js';
import { PageWriter, writeFilter, writeKeys, writeLongLists } from './page-writer.js';

/** Encodes a full segment; the same events give the same bytes in every process. Lets others run after every millisecond or so. */
export async function encodeBlock(segment: MemorySegment, ledgerId: Buffer, yieldTurn: () => Promise<void>): Promise<Buffer> {
  return runInTurns(encodeInSteps(segment, ledgerId), yieldTurn);
}

/** Encodes a full segment at once. */
export function encodeBlockSync(segment: MemorySegment, ledgerId: Buffer): Buffer {
  return runToEnd(encodeInSteps(segment, ledgerId));
}

function* encodeInSteps(segment: MemorySegment, ledgerId: Buffer): Generator<void, Buffer, undefined> {
  const { first, size: count, end } = segment;
  if (end === undefined) throw new Error(`Index: the block from position ${first} on is sealed before it is full.`);
  const keys = yield* KeyTable.of(segment);
  const keyPages = keyPagesFor(keys.length);
  const layout = blockLayout('block', count, keyPages, keys.longLists.length);
  const pages = new PageWriter(headLengthOf(layout), layout.pages, bodyLength(count, keys));
  yield;
  yield* writeFilter(pages, keyFilterBytes(keys.hashes.length), keys.hashes);
  yield;
  const idHashes = segment.ids.map((id) => hashText(id, keyKind.id));
  yield;
  yield* writeFilter(pages, idFilterBytes(count), idHashes);
  yield;
  writeLocations(pages, segment);
  yield;
  writeIds(pages, idHashes, layout.eventPages);
  yield;
  yield* writeKeys(pages, keys, keyPages);
  yield* writeLongLists(pages, keys.longLists);
  yield;
  yield* encodeHead(pages.file, { kind: 'block', ledgerId, first, count }, end, layout, pages.starts);
  return pages.file;
}

function bodyLength(count: number, keys: KeyTable): number {
  return keyFilterBytes(keys.hashes.length) + idFilterBytes(count) + count * (locationLength + idEntryLength) + keys.length + keys.longListBytes;
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
