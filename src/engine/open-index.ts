import path from 'node:path';
import type { ChainPoint, IndexedEvent } from '../core/stored.js';
import type { DiskFile } from '../disk/disk.js';
import { EventIndex } from '../indexing/event-index.js';
import { blockSize } from '../indexing/segment.js';
import { headerPoint, type LedgerHeader, type LedgerPorts } from '../ledger/header.js';
import { chainPoint, indexedEvents, scanChain } from '../ledger/scan-chain.js';

export type OpenIndexOptions = { readonly directory: string; readonly readOnly: boolean };

/** Opens the index of a ledger: blocks that fail a check are made anew from the ledger's `file`. */
export function openIndex(options: OpenIndexOptions, file: DiskFile, header: LedgerHeader, { disk, random, clock }: LedgerPorts): Promise<EventIndex> {
  return EventIndex.open({
    disk,
    random,
    directory: path.join(options.directory, 'index'),
    ledgerId: header.ledgerId,
    readOnly: options.readOnly,
    yieldTurn: () => clock.turn(),
    scanBlock: async (first, from) => {
      const last = first + blockSize - 1;
      const frames: { point: ChainPoint; events: IndexedEvent[] }[] = [];
      const { size } = await file.stat();
      for await (const frame of scanChain(file, header, from ?? headerPoint(header), size)) {
        const point = chainPoint(frame);
        if (point.position >= first) frames.push({ point, events: indexedEvents(frame) });
        if (point.position >= last) break;
      }
      return frames;
    },
  });
}
