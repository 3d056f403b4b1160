import path from 'node:path';
import { checkFields } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import { describe } from '../core/json.js';
import { checkName } from '../core/names.js';
import type { Disk } from '../disk/disk.js';

/** Where a context is, as calls that work on a folder are told: checked. */
export type ContextLocation = {
  /** The folder that holds the contexts, as given. */
  readonly root: string;
  readonly context: string;
  /** The absolute path of the context's own folder. */
  readonly folder: string;
};

/** Checks the options of a call on a context: `directory`, `context`, and those named by `others`. @throws InvalidInputError */
export function checkLocation(options: unknown, others: readonly string[], what: string): ContextLocation {
  const { directory, context = 'default' } = checkFields(options, 'options', new Set(['directory', 'context', ...others]), what) as { directory?: unknown; context?: string };
  const root = checkDirectory(directory, 'options.directory');
  checkName(context, 'options.context');
  return { root, context, folder: path.join(path.resolve(root), context) };
}

export function checkDirectory(value: unknown, where: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidInputError(where, `is ${value === undefined ? 'missing' : describe(value)}; it must be the path of a folder.`);
}

/** Whoever gives a context's own folder for the one that holds it would make a context within a context. */
export async function refuseContextWithin(folder: string, disk: Disk): Promise<void> {
  if ((await disk.stat(path.join(folder, 'ledger')))?.kind !== 'file') return;
  for (const name of ['checkpoint', 'events', 'index']) {
    if (!(await disk.stat(path.join(folder, name)))) continue;
    const [root, context] = [path.dirname(folder), path.basename(folder)];
    throw new InvalidInputError('options.directory', `leads into ${folder}, which is a context itself. Give the folder that holds it, ${root}, and the context ${JSON.stringify(context)}.`);
  }
}
