import { InvalidInputError } from './errors.js';
import { describe } from './json.js';

const nameRule = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const windowsDevice = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/;

/** Whether `name` can name a context, consumer or projection: a folder name that means the same on every system. */
export function isName(name: unknown): name is string {
  return typeof name === 'string' && nameRule.test(name) && !windowsDevice.test(name) && !name.endsWith('.');
}

/** @throws InvalidInputError when `name` is not a name. */
export function checkName(name: unknown, path: string): string {
  if (isName(name)) return name;
  throw new InvalidInputError(
    path,
    `is ${describe(name)}; a name has 1 to 64 characters of a-z, 0-9, ".", "_" and "-", starts with a letter or digit, ` +
      'does not end in a dot and is no Windows device name (such as "con").',
  );
}
