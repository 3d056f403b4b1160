/*
 * Tells a ledger that was put into another store's folder. Event files are only made from the ledger of their folder: when
 * the checkpoint belongs to a ledger of another id, and a sound event file is of another event than this ledger has at its
 * position, then this ledger is the stranger, and whoever "heals" by it would set aside the only copies of what is right.
 * A new ledger that a repair has just made is no stranger: a file in the quarantine names it until the checkpoint is written.
 */
import path from 'node:path';
import { isOpossumError, LedgerCorruptError } from '../core/errors.js';
import { sameContent } from '../core/same-content.js';
import type { StoredBatch } from '../core/stored.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import { EventFileSource, formatOfNames } from '../eventfiles/event-file-source.js';
import { headerPoint, type LedgerHeader } from '../ledger/header.js';
import { scanChain } from '../ledger/scan-chain.js';
import { storedBatch } from '../ledger/stored-batch.js';
import type { Breather } from './breather.js';
import { findCheckpoint, otherCheckpoint, type Checkpoint } from './checkpoint.js';
import { readQuietly } from './look-again.js';

/** File in a folder of the quarantine: says which ledger a repair is making that is not done. */
export const unfinishedName = 'unfinished';

export type ForeignLedger = {
  /** First position whose event file is of another event. */
  readonly position: number;
  /** A sentence that names both ledgers. */
  readonly message: string;
};

export type ForeignLedgerOptions = { readonly directory: string; readonly disk: Disk; readonly breather: Breather };

/** R21. What shows that the ledger in the folder is another store's, or of another time; `checkpoint` is the one of the folder. */
export async function findForeignLedger(
  { file, header, checkpoint }: { file: DiskFile; header: LedgerHeader; checkpoint: Checkpoint | undefined },
  options: ForeignLedgerOptions,
): Promise<ForeignLedger | undefined> {
  const { directory, disk } = options;
  const other = otherCheckpoint(checkpoint, header.ledgerId);
  if (!other || (await isBeingMade(header.ledgerId, directory, disk))) return undefined;
  const position = await findOtherEvent(soundBatches(file, header), options);
  if (position === undefined) return undefined;
  // A repair may have come to its end meanwhile.
  if (!otherCheckpoint(await findCheckpoint(directory, disk).catch(() => other), header.ledgerId)) return undefined;
  return describeForeign(header.ledgerId, other, position);
}

export function describeForeign(ledgerId: Buffer, checkpoint: Checkpoint, position: number): ForeignLedger {
  const message =
    `The ledger has the id ${ledgerId.toString('hex')}, but the checkpoint belongs to the ledger ${checkpoint.ledgerId}, and the event file of ` +
    `position ${position} is of another event than this ledger has there: a ledger of another store, or of another time, was put into this folder.`;
  return { position, message };
}

/** @throws LedgerCorruptError when the ledger is a stranger to its folder (R21). */
export async function refuseForeignLedger(found: { file: DiskFile; header: LedgerHeader; checkpoint: Checkpoint | undefined }, options: ForeignLedgerOptions): Promise<void> {
  const foreign = await findForeignLedger(found, options);
  if (foreign) throw foreignLedgerError(foreign, options.directory);
}

export function foreignLedgerError({ position, message }: ForeignLedger, directory: string): LedgerCorruptError {
  return new LedgerCorruptError(
    `${path.join(directory, 'ledger')}: ${message} Nothing was changed. Put the right ledger back; or say what to believe: repair with trust ` +
      '"event-files" (--trust event-files) makes a ledger of the event files, with trust "ledger" (--trust ledger) event files of this ledger.',
    { file: path.join(directory, 'ledger'), position },
  );
}

/**
 * The first position at which a sound event file is of another event than `batches` have, or the one behind their end if a
 * sound event file goes on there; undefined when there is none.
 */
export async function findOtherEvent(batches: AsyncIterable<StoredBatch>, { directory, disk, breather }: ForeignLedgerOptions): Promise<number | undefined> {
  const format = await formatOfNames(directory, disk);
  if (!format) return undefined;
  const files = await EventFileSource.open({ directory, format, disk, readFile: (file) => readQuietly(file, disk), breathe: () => breather.breathe() });
  let next = 1;
  for await (const batch of batches) {
    for (let i = 0; i < batch.count; i++) {
      const found = await files.read(batch.first + i);
      if (!found) continue;
      const event = batch.event(i);
      // Its place in a batch may differ: repair puts batches together again.
      if (found.id !== event.id || !sameContent(found, event)) return batch.first + i;
    }
    next = batch.first + batch.count;
  }
  return (await files.read(next)) ? next : undefined;
}

/** Up to damage, if there is any: that is told by others. */
async function* soundBatches(file: DiskFile, header: LedgerHeader): AsyncGenerator<StoredBatch> {
  const { size } = await file.stat();
  try {
    for await (const frame of scanChain(file, header, headerPoint(header), size)) yield storedBatch(frame);
  } catch (error) {
    if (!isOpossumError(error, 'LEDGER_CORRUPT')) throw error;
  }
}

/** Whether a repair that has not come to its end made this ledger. */
async function isBeingMade(ledgerId: Buffer, directory: string, disk: Disk): Promise<boolean> {
  const quarantine = path.join(directory, 'quarantine');
  if ((await disk.stat(quarantine))?.kind !== 'directory') return false;
  for (const name of (await disk.list(quarantine)) ?? []) {
    if ((await readQuietly(path.join(quarantine, name, unfinishedName), disk))?.includes(ledgerId.toString('hex'))) return true;
  }
  return false;
}
