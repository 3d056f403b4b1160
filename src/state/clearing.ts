/*
 * What is cleared away after a save. None of it has to succeed: what stays takes up room until the next save or removal. But it
 * has an order, see publish.ts: temporary files go first, and of versions the lowest.
 */
import path from 'node:path';
import type { Awaitable, Disk } from '../disk/disk.js';
import { raiseFloor } from './floor.js';
import { listVersions, versionFile } from './state-folder.js';

/** Removes what `version`, just saved, made useless, but for the version before it, which somebody may be about to read. */
export async function clearAway(folder: string, version: number, disk: Disk): Promise<void> {
  await quietly(() => removeOlder(folder, version, version - 1, disk));
}

/**
 * Removes everything, after `version` said that the state was removed: names that are used once and never again must leave nothing.
 * When others save meanwhile, what they need stays.
 */
export async function dissolve(folder: string, version: number, durable: boolean, disk: Disk): Promise<void> {
  await quietly(async () => {
    await removeOlder(folder, version, version, disk);
    // A power cut must not bring back a version before the removal when the removal itself is gone.
    if (durable) await disk.syncDirectory(folder);
    await raiseFloor(folder, version, disk);
    await disk.removeFile(path.join(folder, versionFile(version)));
    // Refused while anybody else has a file there.
    await disk.removeDirectory(folder);
  });
}

export function removeQuietly(disk: Disk, file: string): Promise<void> {
  return quietly(() => disk.removeFile(file));
}

/** Removes temporary files that aim at `version` or lower, then all versions below `kept`. */
async function removeOlder(folder: string, version: number, kept: number, disk: Disk): Promise<void> {
  const found = await listVersions(folder, disk);
  for (const one of found?.temporaries ?? []) if (one.version <= version) await disk.removeFile(path.join(folder, one.entry));
  for (const old of found?.files ?? []) if (old < kept) await disk.removeFile(path.join(folder, versionFile(old)));
}

async function quietly(work: () => Awaitable<void>): Promise<void> {
  try {
    await work();
  } catch {
    // The next save or removal tries again.
  }
}
