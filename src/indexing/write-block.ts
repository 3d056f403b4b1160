import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import type { Random } from '../disk/random.js';

export type WriteWholeOptions = { readonly disk: Disk; readonly random: Random; yieldTurn(): Promise<void> };

/** Written at once: some tenths of a millisecond. */
const bytesPerPause = 1024 * 1024;

/**
 * Writes the file `target`, whole or not at all, after a power cut too; when its name is durable is left open. Makes the
 * folder when it is absent. Calls `beforeReplace` when the file is about to be replaced: Windows wants it closed by then.
 */
export async function writeWhole(target: string, bytes: Buffer, { disk, random, yieldTurn }: WriteWholeOptions, beforeReplace: () => void): Promise<void> {
  const temporary = `${target}.${random.bytes(6).toString('hex')}.tmp`;
  try {
    await createFile(temporary, bytes.subarray(0, bytesPerPause), disk);
    if (bytes.length > bytesPerPause) await writeRest(temporary, bytes, disk, yieldTurn);
    // A power cut would leave a torn block otherwise, which nobody reads but which verify would call damaged.
    await disk.syncFile(temporary);
    beforeReplace();
    await disk.rename(temporary, target);
  } catch (error) {
    await removeQuietly(disk, temporary);
    throw error;
  }
}

async function writeRest(file: string, bytes: Buffer, disk: Disk, yieldTurn: () => Promise<void>): Promise<void> {
  const opened = await disk.open(file, 'update');
  try {
    for (let at = bytesPerPause; at < bytes.length; at += bytesPerPause) {
      await yieldTurn();
      await opened.writeAt(bytes.subarray(at, at + bytesPerPause), at);
    }
  } finally {
    await opened.close();
  }
}

async function createFile(file: string, bytes: Buffer, disk: Disk): Promise<void> {
  try {
    await disk.createFile(file, bytes);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await disk.makeDirectory(path.dirname(file));
    await disk.createFile(file, bytes);
  }
}

async function removeQuietly(disk: Disk, file: string): Promise<void> {
  try {
    await disk.removeFile(file);
  } catch {
    // A file left behind under a temporary name does no harm.
  }
}
