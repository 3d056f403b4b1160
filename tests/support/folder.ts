import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';

const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

/**
 * Where tests put folders that are not about the disk: in memory where the system has such a place, since syncing a real
 * disk thousands of times takes minutes.
 */
export const fastRoot = hasRoom('/dev/shm') ? '/dev/shm' : os.tmpdir();

function hasRoom(folder: string): boolean {
  if (!fs.existsSync(folder)) return false;
  const { bavail, bsize } = fs.statfsSync(folder);
  return bavail * bsize > 2 * 1024 ** 3;
}

/** A fresh folder, removed after the test. */
export function freshFolder(): string {
  return makeFolder(os.tmpdir());
}

/** The same in `fastRoot`. */
export function fastFolder(): string {
  return makeFolder(fastRoot);
}

function makeFolder(root: string): string {
  const folder = fs.mkdtempSync(path.join(root, 'opossum-'));
  made.push(folder);
  return fs.realpathSync(folder);
}
