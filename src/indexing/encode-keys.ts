import type { ChainPoint } from '../core/stored.js';
import { blockLayout, encodeHead, headLengthOf, keyFilterBytes, keyPagesFor, type BlockIdentity } from './block-format.js';
import type { KeySource } from './key-pages.js';
import { mergeKeys } from './merge-keys.js';
import { PageWriter, writeFilter, writeKeys, writeLongLists } from './page-writer.js';
import { runInTurns } from './steps.js';

/**
 * Encodes the keys of several files, one behind the other, as one; the same events give the same bytes. Undefined when there
 * are too many keys. Lets others run after every millisecond or so.
 */
export async function encodeKeys(sources: readonly KeySource[], identity: BlockIdentity, end: ChainPoint, yieldTurn: () => Promise<void>): Promise<Buffer | undefined> {
  const keys = await mergeKeys(sources, identity, yieldTurn);
  if (!keys) return undefined;
  const keyPages = keyPagesFor(keys.length);
  const layout = blockLayout('keys', identity.count, keyPages, keys.longLists.length);
  const pages = new PageWriter(headLengthOf(layout), layout.pages, keyFilterBytes(keys.hashes.length) + keys.length + keys.longListBytes);
  await runInTurns(writeFilter(pages, keyFilterBytes(keys.hashes.length), keys.hashes), yieldTurn);
  await runInTurns(writeKeys(pages, keys, keyPages), yieldTurn);
  await runInTurns(writeLongLists(pages, keys.longLists), yieldTurn);
  await runInTurns(encodeHead(pages.file, identity, end, layout, pages.starts), yieldTurn);
  await yieldTurn();
  return pages.file;
}
