import type { ChainPoint, StoredBatch } from '../core/stored.js';
import type { DiskFile } from '../disk/disk.js';
import { headerPoint } from '../ledger/header.js';
import { chainPoint, scanChain } from '../ledger/scan-chain.js';
import { storedBatch } from '../ledger/stored-batch.js';
import type { LedgerView } from './ledger-view.js';

/** The batches behind `after` up to position `last`, which are all in the file and count. */
export async function* readBatches(file: DiskFile, view: LedgerView, after: ChainPoint | undefined, last: number): AsyncGenerator<StoredBatch> {
  const start = after ?? headerPoint(view.ledger.header);
  if (start.position >= last) return;
  for await (const frame of scanChain(file, view.ledger.header, start, view.ledger.end)) {
    const { position } = chainPoint(frame);
    if (position > start.position) yield storedBatch(frame);
    if (position >= last) return;
  }
}
