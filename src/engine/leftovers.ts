import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';

/**
 * A temporary file lives for milliseconds, so one of this age was left by a process that died. When a clock jumped it may
 * be a living one's all the same: whoever misses its temporary file makes it again.
 */
const leftAfterMs = 10 * 60_000;

/**
 * R17. Removes what dead processes left of checkpoints and index blocks in a context's folder, at the cost of listing it and
 * `index`; event files are looked after by healing. What cannot be removed stays: it only takes up room.
 */
export async function removeLeftovers(directory: string, disk: Disk, clock: Clock): Promise<void> {
  await removeOld(directory, /^\.checkpoint\..+\.tmp$/, disk, clock);
  await removeOld(path.join(directory, 'index'), /^\d{10,}(-\d+)?\.(idx|keys)\.[0-9a-f]+\.tmp$/, disk, clock);
  // Files of keys had these names before there were several sizes of them, in no release.
  await removeOld(path.join(directory, 'index'), /^\d{10}\.keys$/, disk, clock);
}

async function removeOld(folder: string, pattern: RegExp, disk: Disk, clock: Clock): Promise<void> {
  for (const name of (await disk.list(folder)) ?? []) {
    if (!pattern.test(name)) continue;
    const file = path.join(folder, name);
    const found = await disk.stat(file);
    if (found && clock.now() - found.modifiedMs > leftAfterMs) await disk.removeFile(file);
  }
}
