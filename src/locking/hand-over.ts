/*
 * How a lock goes from its holder to a process that waits for it, without being free in between: the holder writes the other's
 * name over its own in the owner file, as an offer; the other takes the word `offered` away, and holds the lock. Then nothing is
 * made or removed on the way. An offer that is not noticed is revoked by anybody who waits: it takes the lock's directory down.
 *
 * That no two hold the lock rests on this:
 * - Only whom the owner file names writes over it, and only through the descriptor that said so. Who makes the lock anew
 *   makes the file anew, so that what comes late is written where nobody reads.
 * - Who offered the lock has no more to do with it, but that it may revoke the offer like anybody else.
 * - Who accepts writes first, and looks then for a revocation and for the directory. Who revokes says so first, one at a time,
 *   looks then whether the offer was accepted, takes the directory down, and takes the revocation back last. So one of both sees
 *   the other. When both do, the lock is nobody's: who could not accept it takes it down, and never tries again.
 */
import type { Disk, DiskFile } from '../disk/disk.js';
import { isNameTaken } from './lock-errors.js';
import type { LockFiles } from './lock-files.js';
import { overwriteOwnerRecord, readOpenRecord, readOwnerRecord, type OwnerRecord } from './owner.js';

/** Offers the lock that `holder`, a token, holds. Returns false when the owner file does not name that holder. */
export async function offerLock(disk: Disk, files: LockFiles, holder: string, offer: OwnerRecord): Promise<boolean> {
  const file = await disk.open(files.owner, 'update');
  try {
    if ((await readOpenRecord(file))?.owner.token !== holder) return false;
    await overwriteOwnerRecord(file, offer);
    return true;
  } finally {
    await closeQuietly(file);
  }
}

/** Accepts the lock that was offered, once; returns false when it was revoked. `isThere` looks at the lock's directory. */
export async function acceptLock(disk: Disk, files: LockFiles, expected: OwnerRecord, isThere: () => boolean): Promise<boolean> {
  const file = await disk.open(files.owner, 'update');
  try {
    const offer = await readOpenRecord(file);
    if (!offer?.offered || offer.owner.token !== expected.owner.token) return false;
    const { offered: _, ...accepted } = offer;
    await overwriteOwnerRecord(file, accepted);
    return !(await disk.stat(revocationOf(files, offer))) && isThere();
  } finally {
    await closeQuietly(file);
  }
}

/**
 * Calls `takeDown` unless the owner file says something else than `record` by now; returns what that returns. One does so at a
 * time: undefined when another one is at it, or died over it.
 */
export async function revokeLock(disk: Disk, files: LockFiles, record: OwnerRecord | undefined, takeDown: () => Promise<boolean>): Promise<boolean | undefined> {
  const revocation = revocationOf(files, record);
  try {
    await disk.createFile(revocation, new Uint8Array());
  } catch (error) {
    if (isNameTaken(error)) return undefined;
    throw error;
  }
  try {
    const found = await readOwnerRecord(disk, files);
    return found?.owner.token === record?.owner.token && found?.offered === record?.offered && (await takeDown());
  } finally {
    await disk.removeFile(revocation);
  }
}

/** Is there while that hold or offer is revoked. */
export const revocationOf = (files: LockFiles, record: OwnerRecord | undefined): string => `${files.lock}.revoked.${record?.owner.token ?? 'unsigned'}`;

/** What was written is written: a failure now must not be taken for one of writing. */
async function closeQuietly(file: DiskFile): Promise<void> {
  try {
    await file.close();
  } catch {
    // Only what was written through it matters.
  }
}
