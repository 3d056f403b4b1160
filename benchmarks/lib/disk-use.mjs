import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Bytes of all files and folders below, as long as they say they are and as much as the disk gave them, and how many there are. @param {string} folder @param {(name: string) => boolean} [leaveOut] */
export function diskUse(folder, leaveOut = () => false) {
  let apparent = 0;
  let allocated = 0;
  let entries = 0;
  const visit = (/** @type {string} */ entry) => {
    const found = lstatSync(entry);
    allocated += found.blocks * 512;
    entries++;
    if (!found.isDirectory()) return void (apparent += found.size);
    for (const name of readdirSync(entry)) if (!leaveOut(name)) visit(path.join(entry, name));
  };
  visit(folder);
  return { apparent, allocated, entries };
}
