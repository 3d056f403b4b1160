/*
 * The highest number that states of one folder of names had when they were removed for good. A state that is made anew begins above it,
 * so no number is ever used twice for one name, and a process that stood still cannot take a new version for the old one of that number.
 * It need not survive a power cut: neither does such a process.
 */
import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';

/** 0 when nothing was ever removed there. `folder` is that of the versions of one state. */
export async function readFloor(folder: string, disk: Disk): Promise<number> {
  const names = (await disk.list(placeOf(folder))) ?? [];
  return Math.max(0, ...names.map(toNumber));
}

/** Each number is a file, since files are added by several at once without loss; lower ones say nothing and go. */
export async function raiseFloor(folder: string, version: number, disk: Disk): Promise<void> {
  if ((await readFloor(folder, disk)) >= version) return;
  const place = placeOf(folder);
  await disk.makeDirectory(place);
  try {
    await disk.createFile(path.join(place, String(version)), new Uint8Array());
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const floor = await readFloor(folder, disk);
  for (const name of (await disk.list(place)) ?? []) if (toNumber(name) > 0 && toNumber(name) < floor) await disk.removeFile(path.join(place, name));
}

function placeOf(folder: string): string {
  return path.join(path.dirname(folder), '@floor');
}

function toNumber(name: string): number {
  return /^[1-9]\d{0,15}$/.test(name) ? Number(name) : 0;
}
