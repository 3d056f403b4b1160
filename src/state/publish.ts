/*
 * How a version gets its place. The file is written whole under a temporary name, synced, and then given the version's name by a
 * hard link, which fails when another was faster: savers need no lock, and of several that aim at one number one wins.
 *
 * A saver that stood still must not take a number anew whose file was cleared away meanwhile. So it looks for the newest version
 * after its temporary file is there; and whoever removes the file of a version first looks, after having saved a newer one, for
 * temporary files that aim at its own number or a lower one, and removes them. A late saver has nothing left to link.
 * When a removal cleared everything away, numbers go on above it (floor.ts), and whoever begins anew first removes the temporary
 * files of those who aim at another number: they looked before the removal's own file went.
 */
import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import { clearAway, dissolve, removeQuietly } from './clearing.js';
import { readFloor } from './floor.js';
import { listVersions, newestOf, temporaryFile, versionFile } from './state-folder.js';

export type Publication = {
  readonly disk: Disk;
  /** The folder of the state's versions. */
  readonly folder: string;
  /** The number to take: what `nextVersion` said. */
  readonly version: number;
  readonly bytes: Buffer;
  /** Whether the version says that the state was removed. */
  readonly removes: boolean;
  /** Random, for the temporary name. */
  readonly token: string;
  /** Whether it must survive a power cut. */
  readonly durable: boolean;
  /** Makes the names of the folder, and of those above it, last. */
  readonly syncFoldersAbove: () => Promise<void>;
  /** What to throw for a failure. */
  readonly explain: (outcome: 'not-committed' | 'unknown', error: unknown) => unknown;
};

/** The number to take behind `newest`, which is 0 when the folder holds none. */
export async function nextVersion(newest: number, folder: string, disk: Disk): Promise<number> {
  return 1 + (newest > 0 ? newest : await readFloor(folder, disk));
}

/** Returns true when the version is saved, false when another took its number: look again. */
export async function publishVersion(publication: Publication): Promise<boolean> {
  const { disk, folder, version, removes, durable, explain } = publication;
  if (!(await place(publication))) return false;
  try {
    if (durable) await disk.syncDirectory(folder);
  } catch (error) {
    // Somebody removed the state since, and saw to it that this lasts, before the folder went.
    if (codeOf(error) === 'ENOENT') return true;
    throw explain('unknown', error);
  }
  await (removes ? dissolve(folder, version, durable, disk) : clearAway(folder, version, disk));
  return true;
}

async function place({ disk, folder, version, bytes, token, durable, syncFoldersAbove, explain }: Publication): Promise<boolean> {
  const temporary = path.join(folder, temporaryFile(version, token));
  let outcome: 'not-committed' | 'unknown' = 'not-committed';
  try {
    await disk.createFile(temporary, bytes);
    if (durable) {
      await disk.syncFile(temporary);
      await syncFoldersAbove();
    }
    if (!(await isNext(disk, folder, version))) return false;
    // A disk that fails here may have done it all the same.
    outcome = 'unknown';
    return await giveName(disk, temporary, path.join(folder, versionFile(version)));
  } catch (error) {
    const code = codeOf(error) ?? '';
    // The winner of this number, or of a later one, cleared our file away.
    if (code === 'ENOENT') return false;
    throw explain(refusals.has(code) ? 'not-committed' : outcome, error);
  } finally {
    await removeQuietly(disk, temporary);
  }
}

/** Whether `version` is the next one, and nobody is left who aims at a number that is behind it, or, where it is the first one, before it. */
async function isNext(disk: Disk, folder: string, version: number): Promise<boolean> {
  for (;;) {
    const found = await listVersions(folder, disk);
    const newest = newestOf(found);
    if ((await nextVersion(newest, folder, disk)) !== version) return false;
    const astray = (found?.temporaries ?? []).filter((one) => one.version > version || (newest === 0 && one.version < version));
    if (astray.length === 0) return true;
    for (const { entry } of astray) await disk.removeFile(path.join(folder, entry));
  }
}

/** With these a system says that it did nothing. */
const refusals = new Set(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENAMETOOLONG']);

/** With these it says that it has no hard links there (EISDIR: Windows, on FAT). */
const linkless = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EISDIR']);

async function giveName(disk: Disk, temporary: string, target: string): Promise<boolean> {
  try {
    await disk.link(temporary, target);
    return true;
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code === 'EEXIST') return false;
    if (!linkless.has(code)) throw error;
  }
  // Between this look and the rename another saver may take the name and be replaced: on such media only a lease keeps savers apart.
  if (await disk.stat(target)) return false;
  await disk.rename(temporary, target);
  return true;
}
