import path from 'node:path';
import { InvalidInputError, isOpossumError, StorageFailedError } from '../core/errors.js';
import type { Disk } from '../disk/disk.js';
import { codeOf, messageOf } from '../disk/error-code.js';
import { readLockOwner } from '../locking/owner.js';
import { openHost, type ProcessState } from '../locking/host.js';
import type { LockOwner } from '../locking/lock.js';
import { scanChain, indexedEvents } from '../ledger/scan-chain.js';
import { headerPoint, openLedgerFileReadOnly, type EventFileFormat } from '../ledger/header.js';
import { checkLocation } from './context-location.js';
import { systemPorts } from './system-ports.js';

export type StatsOptions = {
  directory: string;
  context?: string;
  /** How many of the most frequent tags to list; 20 when absent. */
  topTags?: number;
};

/** Sizes in bytes: what the files hold, and what the file system sets aside for them. */
export type SizeOnDisk = { readonly apparent: number; readonly allocated: number };

export type StoreStats = {
  readonly context: string;
  readonly ledgerId: string;
  readonly createdAt: string;
  readonly eventFiles: EventFileFormat;
  readonly events: number;
  /** Position of the last event. */
  readonly head: number;
  /** Every type with the number of its events, the most frequent first. */
  readonly types: readonly { readonly type: string; readonly count: number }[];
  /** The most frequent tags. */
  readonly tags: readonly { readonly tag: string; readonly count: number }[];
  /** How many different tags there are. */
  readonly distinctTags: number;
  readonly bytes: { readonly ledger: SizeOnDisk; readonly eventFiles: SizeOnDisk; readonly index: SizeOnDisk; readonly total: SizeOnDisk };
  /** Who holds the lock, if anybody. */
  readonly lockOwner?: LockOwner;
  /** Whether that process still runs, as far as this machine can tell; a dead one's lock goes to the next process that appends. */
  readonly lockOwnerState?: ProcessState;
};

/**
 * Counts what a context holds: reads the whole ledger without decoding data, takes no lock and writes nothing.
 * @throws InvalidInputError when there is no such store; LedgerCorruptError; UnsupportedFormatError; StorageFailedError when it
 *   cannot be read.
 */
export async function storeStats(options: StatsOptions): Promise<StoreStats> {
  const { folder: directory, context } = checkLocation(options, ['topTags'], 'the options of storeStats');
  const topTags = options.topTags ?? 20;
  if (!Number.isSafeInteger(topTags) || topTags < 0) throw new InvalidInputError('options.topTags', 'must be a whole number from 0.');
  try {
    return await count({ directory, context, topTags }, systemPorts.disk);
  } catch (error) {
    if (isOpossumError(error)) throw error;
    throw new StorageFailedError(`${directory} cannot be read: ${messageOf(error)}.`, 'not-committed', { directory, code: codeOf(error) }, error);
  }
}

async function count({ directory, context, topTags }: { directory: string; context: string; topTags: number }, disk: Disk): Promise<StoreStats> {
  const { file, header } = await openLedgerFileReadOnly(directory, disk);
  const types = new Map<string, number>();
  const tags = new Map<string, number>();
  let head = 0;
  try {
    for await (const frame of scanChain(file, header, headerPoint(header), (await file.stat()).size)) {
      for (const event of indexedEvents(frame)) {
        head = event.position;
        types.set(event.type, (types.get(event.type) ?? 0) + 1);
        for (const tag of event.tags) tags.set(tag, (tags.get(tag) ?? 0) + 1);
      }
    }
  } finally {
    await file.close();
  }
  const lockOwner = await readLockOwner(disk, directory);
  return {
    context,
    ledgerId: header.ledgerId.toString('hex'),
    createdAt: header.createdAt,
    eventFiles: header.eventFiles,
    events: head,
    head,
    types: byCount(types).map(([type, count]) => ({ type, count })),
    tags: byCount(tags).slice(0, topTags).map(([tag, count]) => ({ tag, count })),
    distinctTags: tags.size,
    bytes: {
      ledger: await sizeOf(path.join(directory, 'ledger'), disk),
      eventFiles: await sizeOf(path.join(directory, 'events'), disk),
      index: await sizeOf(path.join(directory, 'index'), disk),
      total: await sizeOf(directory, disk),
    },
    ...(lockOwner ? { lockOwner, lockOwnerState: await (await openHost(disk)).stateOf(lockOwner) } : {}),
  };
}

function byCount(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** Size of a file, or of all files below a folder; zero when it is absent. Files that vanish meanwhile count as absent. */
async function sizeOf(target: string, disk: Disk): Promise<SizeOnDisk> {
  const found = await disk.stat(target);
  if (!found) return { apparent: 0, allocated: 0 };
  if (found.kind !== 'directory') return { apparent: found.size, allocated: found.allocated };
  let apparent = 0;
  let allocated = found.allocated;
  for (const name of (await disk.list(target)) ?? []) {
    const inner = await sizeOf(path.join(target, name), disk);
    apparent += inner.apparent;
    allocated += inner.allocated;
  }
  return { apparent, allocated };
}
