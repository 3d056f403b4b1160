import type { ChainPoint } from '../core/stored.js';
import { blockLayout, encodeHead, headLengthOf, keyFilterBytes, keyPagesFor } from './block-format.js';
import { mergeKeys, type KeySource } from './merge-keys.js';
import { PageWriter, writeFilter, writeKeys, writeLongLists } from './page-writer.js';

export type KeysIdentity = {
  readonly ledgerId: Buffer;
  /** First position of the first block. */
  readonly first: number;
  /** Events in each block. */
  readonly blockSize: number;
};

/** Encodes the keys of several blocks as one file; the same events give the same bytes. Undefined when there are too many keys. */
export function* encodeKeys(
  sources: readonly KeySource[],
  { ledgerId, first, blockSize }: KeysIdentity,
  end: ChainPoint,
): Generator<void, Buffer | undefined, undefined> {
  const keys = yield* mergeKeys(sources, blockSize);
  if (!keys) return undefined;
  const count = sources.length * blockSize;
  const keyPages = keyPagesFor(keys.length);
  const layout = blockLayout('keys', count, keyPages, keys.longLists.length);
  const postings = keys.longLists.reduce((sum, slots) => sum + slots.length * 2, 0);
  const pages = new PageWriter(headLengthOf(layout), layout.pages, keyFilterBytes(keys.hashes.length) + keys.length + postings);
  yield* writeFilter(pages, keyFilterBytes(keys.hashes.length), keys.hashes);
  yield* writeKeys(pages, keys, keyPages);
  yield* writeLongLists(pages, keys.longLists);
  encodeHead(pages.file, { kind: 'keys', ledgerId, first, count }, end, layout, pages.starts);
  yield;
  return pages.file;
}
