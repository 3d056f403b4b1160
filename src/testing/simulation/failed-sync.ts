import type { FileNode } from './medium.js';
import type { SeededRandom } from './seeded-random.js';

/**
 * What Linux makes of a sync that fails: any part of the writes is on the disk, and the kernel takes all of them for
 * written. Programs go on reading what they wrote, or, when the pages were dropped, what the disk has; a later sync
 * succeeds and writes nothing of it. (Rebello and others, "Can Applications Recover from fsync Failures?", USENIX ATC 2020.)
 */
export function syncBadly(file: FileNode, random: SeededRandom): void {
  file.failedSyncs++;
  const seen = file.bytes;
  file.unsynced = file.unsynced.filter(() => random.chance(0.3));
  file.sync();
  const isDropped = random.chance(0.3);
  // The length is the file system's matter and is not forgotten; what was never written reads as zeros.
  file.bytes = isDropped ? Buffer.concat([file.durable, Buffer.alloc(seen.length - file.durable.length)]) : seen;
}
