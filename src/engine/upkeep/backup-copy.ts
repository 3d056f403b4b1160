/*
 * Makes a copy's ledger equal to the source's, byte for byte and so with the same offsets. It is durable before this
 * returns; nothing that tells of it (checkpoint, event files) is written earlier.
 */
import path from 'node:path';
import { StorageFailedError } from '../../core/errors.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { messageOf } from '../../disk/error-code.js';
import { markUnsynced } from '../../ledger/unsynced.js';
import type { CopyPlan } from './backup-target.js';

export type CopyOptions = {
  readonly disk: Disk;
  readonly source: DiskFile;
  /** The copy's folder. */
  readonly folder: string;
  readonly plan: Pick<CopyPlan, 'appendAt' | 'end' | 'durableTo'>;
  /** Called before each piece; ends the work by throwing. */
  readonly beforePiece: (offset: number) => void;
};

const pieceLength = 1024 * 1024;

/** Where a copy of the whole ledger is built that is to replace one with a torn end. */
export const freshLedgerName = 'ledger.backup';

/** Returns how many bytes were copied. */
export async function copyLedger(options: CopyOptions): Promise<number> {
  const { disk, folder, plan } = options;
  const ledger = path.join(folder, 'ledger');
  const from = plan.appendAt ?? 0;
  if (plan.appendAt !== undefined) {
    await appendPieces(options, ledger, from);
  } else {
    // There is no cutting off a torn end: bytes of a ledger are never changed in place.
    const fresh = path.join(folder, freshLedgerName);
    await disk.removeFile(fresh);
    await appendPieces(options, fresh, from);
    await disk.rename(fresh, ledger);
  }
  await disk.syncDirectory(folder);
  return plan.end - from;
}

async function appendPieces({ disk, source, folder, plan, beforePiece }: CopyOptions, target: string, from: number): Promise<void> {
  const file = await disk.open(target, 'append-create');
  try {
    for (let offset = from; offset < plan.end; offset += pieceLength) {
      beforePiece(offset);
      const piece = Buffer.allocUnsafe(Math.min(pieceLength, plan.end - offset));
      if ((await source.read(piece, offset)) < piece.length) throw new Error('the source became shorter while it was copied');
      await appendAll(file, piece);
    }
    const { size } = await file.stat();
    if (size !== plan.end) throw new Error(`${target} has ${size} bytes instead of ${plan.end}: somebody else writes to it`);
    await sync(file, target, folder, plan, disk);
  } finally {
    await file.close();
  }
}

async function appendAll(file: DiskFile, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const count = await file.append(bytes.subarray(done));
    if (count === 0) throw new Error('the disk takes no more bytes');
    done += count;
  }
}

async function sync(file: DiskFile, target: string, folder: string, plan: CopyOptions['plan'], disk: Disk): Promise<void> {
  try {
    await file.dataSync();
  } catch (error) {
    // A later sync may claim success without having written these bytes: the mark has the next run write them again.
    if (path.basename(target) === 'ledger') await Promise.resolve(markUnsynced(folder, plan.durableTo, disk)).catch(() => undefined);
    throw new StorageFailedError(
      `Syncing ${target} failed (${messageOf(error)}). The backup is not to be relied on: look after that disk, and run the backup again.`,
      'unknown',
      { file: target },
      error,
    );
  }
}
