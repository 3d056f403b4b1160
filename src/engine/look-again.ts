import { StorageFailedError } from '../core/errors.js';
import { sleep, type Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import { codeOf, messageOf } from '../disk/error-code.js';

/** Before a second look: a writer that is at work finishes one step of it in less, and so does a virus scanner as a rule. */
export const lookAgainMs = 30;

/**
 * The whole file, for which reading is tried twice; undefined when it is absent, or below something that is no folder.
 * @throws StorageFailedError, which names the file, when it cannot be read.
 */
export async function readTwice(file: string, disk: Disk, clock: Clock): Promise<Buffer | undefined> {
  try {
    return await readIfThere(file, disk);
  } catch {
    await sleep(clock, lookAgainMs);
  }
  try {
    return await readIfThere(file, disk);
  } catch (error) {
    throw new StorageFailedError(`${file} cannot be read (${messageOf(error)}).`, 'not-committed', { file, code: codeOf(error) }, error);
  }
}

/** The whole file; undefined when there is none that can be read. */
export async function readQuietly(file: string, disk: Disk): Promise<Buffer | undefined> {
  try {
    return await disk.readFile(file);
  } catch {
    return undefined;
  }
}

async function readIfThere(file: string, disk: Disk): Promise<Buffer | undefined> {
  try {
    return await disk.readFile(file);
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
