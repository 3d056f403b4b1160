/*
 * After a failed sync the page cache may hold bytes that the disk does not, and a later sync may claim success without
 * writing them. The process that saw the failure leaves a mark; the next writer, under the lock, writes the same bytes
 * again in place and syncs. This is the one exception to appending only.
 */
import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';

const markPath = (directory: string): string => path.join(directory, 'ledger.unsynced');
const pieceLength = 1024 * 1024;

/** Leaves the mark; `from` is an offset before which everything is durable. */
export async function markUnsynced(directory: string, from: number, disk: Disk): Promise<void> {
  try {
    await disk.createFile(markPath(directory), Buffer.from(JSON.stringify({ from })));
  } catch (error) {
    // Another failure left a mark already, which reaches at least as far back; or a full disk took the name and nothing else.
    if (codeOf(error) !== 'EEXIST' && !(await isUnsynced(directory, disk))) throw error;
  }
}

/** Whether there is a mark. */
export async function isUnsynced(directory: string, disk: Disk): Promise<boolean> {
  return (await disk.stat(markPath(directory))) !== undefined;
}

/**
 * R16. If there is a mark, writes what it covers again and removes it. One that does not say what it covers covers everything
 * from `otherwiseFrom` on, an offset before which everything was durable long ago. Call it under the lock only. Returns
 * whether there was a mark.
 */
export async function rewriteUnsynced(directory: string, otherwiseFrom: number, disk: Disk): Promise<boolean> {
  if (!(await isUnsynced(directory, disk))) return false;
  const from = readMark(await disk.readFile(markPath(directory))) ?? otherwiseFrom;
  const file = await disk.open(path.join(directory, 'ledger'), 'update');
  try {
    const { size } = await file.stat();
    for (let offset = from; offset < size; offset += pieceLength) {
      const piece = Buffer.alloc(Math.min(pieceLength, size - offset));
      const count = await file.read(piece, offset);
      await file.writeAt(piece.subarray(0, count), offset);
    }
    await file.dataSync();
  } finally {
    await file.close();
  }
  await disk.removeFile(markPath(directory));
  await disk.syncDirectory(directory);
  return true;
}

function readMark(bytes: Buffer | undefined): number | undefined {
  try {
    const { from } = JSON.parse(bytes?.toString('utf8') ?? '') as { from?: unknown };
    return typeof from === 'number' && Number.isSafeInteger(from) && from >= 0 ? from : undefined;
  } catch {
    return undefined;
  }
}
