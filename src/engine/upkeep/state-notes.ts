import path from 'node:path';
import { isOpossumError } from '../../core/errors.js';
import type { Disk } from '../../disk/disk.js';
import { messageOf } from '../../disk/error-code.js';
import { findStates, readState, stateRootOf } from '../../state/state-folder.js';
import type { Breather } from '../breather.js';
import type { VerifyNote } from './problems.js';

/**
 * Which states cannot be read back. No event depends on them, and neither the ledger nor a repair can bring them back, so they are
 * notes: a backup of the events must not fail for them.
 */
export async function* stateNotes(directory: string, disk: Disk, breather: Breather): AsyncGenerator<VerifyNote> {
  try {
    for await (const { name, folder } of findStates(directory, undefined, disk)) {
      await breather.breathe();
      const error = await readState(folder, name, disk).then(() => undefined, (reason: unknown) => reason ?? new Error('unknown'));
      if (error !== undefined) yield noteOf(directory, folder, error);
    }
  } catch (error) {
    yield noteOf(directory, stateRootOf(directory), error);
  }
}

function noteOf(directory: string, folder: string, error: unknown): VerifyNote {
  const file = isOpossumError(error) ? error.details['file'] : undefined;
  const where = path.relative(directory, typeof file === 'string' ? file : folder);
  return { what: 'state', where, message: isOpossumError(error) ? error.message : `It cannot be read: ${messageOf(error)}.` };
}
