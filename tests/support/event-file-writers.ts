import type { ChainPoint, StoredBatch } from '../../src/core/stored.js';
import { systemClock } from '../../src/disk/clock.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { openEventFileCodec } from '../../src/eventfiles/event-file.js';
import { EventFileWriter, type EventFileWriterOptions } from '../../src/eventfiles/event-file-writer.js';

export const json = await openEventFileCodec('json');
/** Where a ledger begins. */
export const begin: ChainPoint = { position: 0, checksum: 0, offset: 0 };

/** A batch as the ledger has it; what it says follows from its place. */
export function storedBatch(first: number, count: number): StoredBatch {
  return {
    point: { position: first + count - 1, checksum: first, offset: first * 100 },
    first,
    count,
    time: 1_700_000_000_000,
    condition: { failIfEventsMatch: 'all', after: first - 1 },
    event: (i) => ({ position: first + i, type: 'T', tags: ['a:b'], id: `id-${first + i}`, data: { n: i }, metadata: {}, timestamp: '2026-01-31T12:00:00Z' }),
  };
}

/** Writes files of these batches. Throws what goes wrong in the background unless `onProblem` says otherwise. */
export function eventFileWriter(directory: string, batches: readonly StoredBatch[], options: Partial<EventFileWriterOptions> = {}): EventFileWriter {
  return new EventFileWriter({
    disk: nodeDisk,
    plainDisk: options.disk ?? nodeDisk,
    clock: systemClock,
    directory,
    codec: json,
    token: () => 'test',
    complete: undefined,
    async *readBatches(after, last) {
      for (const one of batches) if (one.first > (after?.position ?? 0) && one.first <= last) yield one;
    },
    isBusy: () => false,
    workedMs: () => 0,
    onProblem: (problem) => {
      throw problem;
    },
    ...options,
  });
}
