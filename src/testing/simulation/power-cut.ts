/*
 * What is left of a disk when the power goes. Bytes and entries that a sync covered are there; of everything else the disk
 * may have any part, since the kernel writes pages back when and in which order it likes.
 */
import { applyWrite, type DirectoryNode, type FileNode, type Medium, type Write } from './medium.js';
import type { SeededRandom } from './seeded-random.js';

/** What becomes of what no sync covered. */
export type Survival =
  | 'lost'
  | 'kept'
  /** By chance, for each file and each change of an entry: lost, kept, cut at any byte, any sectors of it, or zeros. */
  | 'torn';

export type PowerCut = { readonly data: Survival; readonly entries: Survival };

const sectorLength = 512;

/** Turns what programs saw into what the next boot finds. */
export function cutPower(medium: Medium, cut: PowerCut, random: SeededRandom): void {
  medium.settleEntries(chooseEntries(medium, cut.entries, random));
  restart(medium.root, (file) => survivingBytes(file, medium, cut.data, random), new Set());
}

function chooseEntries(medium: Medium, survival: Survival, random: SeededRandom): () => boolean {
  if (survival !== 'torn') return () => survival === 'kept';
  if (medium.syncModel === 'posix') return () => random.chance(0.5);
  // A journal is replayed from its beginning to where it ends.
  let left = random.below(medium.unsyncedEntries.length + 1);
  return () => left-- > 0;
}

function restart(directory: DirectoryNode, bytesOf: (file: FileNode) => Buffer, seen: Set<DirectoryNode>): void {
  if (seen.has(directory)) return;
  seen.add(directory);
  directory.entries = new Map(directory.durable);
  for (const node of directory.entries.values()) {
    if (node.kind === 'directory') restart(node, bytesOf, seen);
    else {
      node.bytes = node.durable = bytesOf(node);
      node.unsynced = [];
    }
  }
}

function survivingBytes({ durable, unsynced }: FileNode, medium: Medium, survival: Survival, random: SeededRandom): Buffer {
  if (unsynced.length === 0 || survival === 'lost') return durable;
  if (survival === 'kept') return unsynced.reduce(applyWrite, durable);
  // Ordered data: a file never has a length whose bytes are not there.
  const ways = medium.syncModel === 'ext4' ? [lose, keep, cutAnywhere] : [lose, keep, cutAnywhere, keepSectors, keepLength];
  return ways[random.below(ways.length)]!(durable, unsynced, random);
}

const lose = (durable: Buffer): Buffer => durable;
const keep = (durable: Buffer, writes: readonly Write[]): Buffer => writes.reduce(applyWrite, durable);

/** The writes up to any byte of them. */
function cutAnywhere(durable: Buffer, writes: readonly Write[], random: SeededRandom): Buffer {
  let left = random.below(writes.reduce((sum, { bytes }) => sum + bytes.length, 1));
  let bytes = durable;
  for (const write of writes) {
    const length = Math.min(left, write.bytes.length);
    if (length > 0) bytes = applyWrite(bytes, { offset: write.offset, bytes: write.bytes.subarray(0, length) });
    left -= length;
  }
  return bytes;
}

/** Any sectors; where the file became longer, it has all of its length or ends with its last sector that is there. */
function keepSectors(durable: Buffer, writes: readonly Write[], random: SeededRandom): Buffer {
  let bytes = random.chance(0.5) ? keepLength(durable, writes) : durable;
  const persists = new Map<number, boolean>();
  for (const { offset, bytes: written } of writes) {
    for (let from = 0; from < written.length; ) {
      const sector = Math.floor((offset + from) / sectorLength);
      const to = Math.min(written.length, (sector + 1) * sectorLength - offset);
      if (!persists.has(sector)) persists.set(sector, random.chance(0.5));
      if (persists.get(sector)) bytes = applyWrite(bytes, { offset: offset + from, bytes: written.subarray(from, to) });
      from = to;
    }
  }
  return bytes;
}

/** The length is there, what was written is not: zeros, and what lay there before. */
function keepLength(durable: Buffer, writes: readonly Write[]): Buffer {
  const length = writes.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes.length), durable.length);
  return Buffer.concat([durable, Buffer.alloc(length - durable.length)]);
}
