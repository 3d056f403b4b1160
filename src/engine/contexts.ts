import path from 'node:path';
import { InvalidInputError, StorageFailedError } from '../core/errors.js';
import { checkName, isName } from '../core/names.js';
import { codeOf, messageOf } from '../disk/error-code.js';
import { findFiles } from '../disk/find-files.js';
import { checkDirectory } from './context-location.js';
import { isShared } from './registry.js';
import { systemPorts } from './system-ports.js';

/** A ledger, or what only a store leaves: a context that lost its ledger is there to be repaired. */
const leavings = ['*/ledger', '*/index/*.idx', '*/events/0000001/*'];

/**
 * Names of the contexts in `directory`, sorted; those that lost their ledger included.
 * @throws InvalidInputError when the folder is missing or not a folder.
 */
export async function listContexts(directory: string): Promise<string[]> {
  await checkFolder(directory);
  const found = await findFiles(directory, leavings);
  return [...new Set(found.map((file) => file.split('/')[0]!))].filter(isName).sort();
}

/**
 * Deletes a context with all its events, for good. It must not be open in this process, and no other process may be
 * appending; one that has it open notices at its next append.
 * @throws InvalidInputError when there is no such context or this process has it open; LockTimeoutError when another
 *   process is appending; StorageFailedError.
 */
export async function deleteContext(directory: string, name: string): Promise<void> {
  checkName(name, 'name');
  await checkFolder(directory);
  const { disk, random, openLock, engines } = systemPorts;
  const folder = path.join(directory, name);
  if (!(await listContexts(directory)).includes(name)) {
    throw new InvalidInputError('name', `is ${JSON.stringify(name)}, but there is no such context in ${directory}.`);
  }
  const real = await disk.realPath(folder);
  if (isShared(engines, `write:${real}`) || isShared(engines, `read:${real}`)) {
    throw new InvalidInputError('name', `is ${JSON.stringify(name)}, which this process has open. Close its stores first.`);
  }
  // Renamed aside first: a crash leaves either the whole context or none, never a part under its name.
  const aside = path.join(directory, `.deleted-${name}-${random.uuid()}`);
  const hold = await openLock(real).acquire(5000);
  try {
    await disk.rename(folder, aside);
    await disk.syncDirectory(directory);
    await disk.removeTree(aside);
  } catch (error) {
    throw new StorageFailedError(`Context ${folder} could not be deleted: ${messageOf(error)}.`, 'unknown', { code: codeOf(error) }, error);
  } finally {
    await hold.release({ cleanly: true });
  }
}

async function checkFolder(directory: string): Promise<void> {
  checkDirectory(directory, 'directory');
  const found = await systemPorts.disk.stat(directory);
  if (found?.kind !== 'directory') {
    throw new InvalidInputError('directory', found ? `is ${directory}, which is not a folder.` : `is ${directory}, which does not exist.`);
  }
}
