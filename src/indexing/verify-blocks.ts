/*
 * Checks index files against the ledger: first each by its own checksums, then, while the ledger is read from its
 * beginning, each against what the same events give when they are encoded again. A file that differs by one byte is told.
 */
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { ChainPoint, IndexedEvent } from '../core/stored.js';
import type { Disk } from '../disk/disk.js';
import { messageOf } from '../disk/error-code.js';
import { claimedHeadLength, decodeHead, pageBounds, verifyPage, type BlockIdentity, type BlockKind } from './block-format.js';
import { blockFileName, blockNumbers, keysFileName, keysGroups, type BlockGroup } from './block-names.js';
import { encodeBlockSync } from './encode-block.js';
import { encodeKeys } from './encode-keys.js';
import { keysIn, type KeySource } from './key-pages.js';
import { MemorySegment } from './memory-segment.js';
import { blockSize as standardBlockSize, groupSizes as standardGroupSizes } from './segment.js';

export type VerifyBlocksOptions = {
  readonly disk: Disk;
  readonly directory: string;
  readonly ledgerId: Buffer;
  readonly blockSize?: number;
  readonly groupSizes?: readonly number[];
  /** Called often, to let others run. */
  breathe?(): Promise<void>;
};

export type DamagedBlock = {
  readonly name: string;
  /** First position of the block. */
  readonly first: number;
  /** A sentence. */
  readonly reason: string;
  /** What the file should hold; absent when there should be no such file. */
  readonly expected?: Buffer;
};

/** What a file amounts to, the frame that its head names if the head is sound, and what is wrong with the file. */
type FoundFile = { readonly length: number; readonly checksum: number; readonly end?: ChainPoint; readonly problem?: string };

/** Reads all index files and checks each by itself. */
export async function verifyBlocks(options: VerifyBlocksOptions): Promise<BlockVerifier> {
  const { disk, directory, ledgerId, blockSize = standardBlockSize, groupSizes = standardGroupSizes } = options;
  // Something else in the place of the folder is no index: others tell of it.
  const isFolder = (await disk.stat(directory))?.kind === 'directory';
  const names = (isFolder && (await disk.list(directory))) || [];
  const breathe = async (): Promise<void> => options.breathe?.();
  const check = async (name: string, kind: BlockKind, number: number, count: number): Promise<FoundFile | undefined> => {
    await breathe();
    return checkFile(disk, path.join(directory, name), { kind, ledgerId, first: number * count + 1, count });
  };
  const blocks = new Map<number, FoundFile>();
  for (const block of blockNumbers(names)) blocks.set(block, (await check(blockFileName(block), 'block', block, blockSize)) ?? missing);
  const groups = new Map<string, FoundGroup>();
  for (const place of keysGroups(names, groupSizes)) {
    const file = await check(keysFileName(place), 'keys', place.group, blockSize * place.size);
    // Removed since the folder was listed: a larger group has a file now.
    if (file) groups.set(keysFileName(place), { ...place, ...file });
  }
  return new BlockVerifier({ blocks, groups }, { ledgerId, blockSize, groupSizes, breathe });
}

type FoundGroup = FoundFile & BlockGroup;
type FoundFiles = { readonly blocks: Map<number, FoundFile>; readonly groups: Map<string, FoundGroup> };
type IndexShape = { readonly ledgerId: Buffer; readonly blockSize: number; readonly groupSizes: readonly number[]; breathe(): Promise<void> };

const missing: FoundFile = { length: 0, checksum: 0, problem: 'is missing' };

export class BlockVerifier {
  readonly #files: FoundFiles;
  readonly #newest: number;
  readonly #shape: IndexShape;
  #segment: MemorySegment;
  /** By level, the keys of which the group that is not full yet is made; undefined for those that are too many. */
  readonly #keys: (KeySource | undefined)[][];
  /** The frames that sound heads name: each was durable when its block was sealed. */
  readonly ends: readonly ChainPoint[];

  constructor(files: FoundFiles, shape: IndexShape) {
    this.#files = files;
    this.ends = [...files.blocks.values(), ...files.groups.values()].flatMap(({ end }) => (end ? [end] : []));
    this.#newest = Math.max(-1, ...files.blocks.keys());
    this.#shape = shape;
    this.#segment = new MemorySegment(1, shape.blockSize);
    this.#keys = shape.groupSizes.map(() => []);
  }

  /** Takes the next frame of the ledger, beginning with its first; returns the damaged blocks that it completes. */
  async check(point: ChainPoint, events: readonly IndexedEvent[]): Promise<DamagedBlock[]> {
    const { blockSize } = this.#shape;
    const damaged: DamagedBlock[] = [];
    for (const event of events) {
      this.#segment.add(event, point);
      if (this.#segment.count < blockSize) continue;
      const { first } = this.#segment;
      damaged.push(...(await this.#checkBlock(first, (first - 1) / blockSize, point)));
      this.#segment = new MemorySegment(first + blockSize, blockSize);
    }
    return damaged;
  }

  /** The files whose positions the ledger does not have. */
  finish(): DamagedBlock[] {
    const { blockSize } = this.#shape;
    const reason = 'The block is about positions that the ledger does not hold.';
    return [
      ...[...this.#files.blocks.keys()].map((block) => ({ name: blockFileName(block), first: block * blockSize + 1, reason })),
      ...[...this.#files.groups].map(([name, { group, size }]) => ({ name, first: group * size * blockSize + 1, reason })),
    ];
  }

  async #checkBlock(first: number, block: number, end: ChainPoint): Promise<DamagedBlock[]> {
    const { ledgerId, blockSize } = this.#shape;
    const file = this.#files.blocks.get(block);
    // Whoever opens the store next seals what follows the newest block.
    const isExpected = file !== undefined || block <= this.#newest;
    if (!isExpected && !this.#isInGroup(block, 0)) return [];
    this.#files.blocks.delete(block);
    const expected = encodeBlockSync(this.#segment, ledgerId);
    const reason = !isExpected ? undefined : file ? problemOf(file, expected) : 'The block is missing.';
    return [
      ...(reason === undefined ? [] : [{ name: blockFileName(block), first, reason, expected }]),
      ...(await this.#checkGroups(block, keysIn(expected, { kind: 'block', ledgerId, first, count: blockSize }), end)),
    ];
  }

  /** Takes the keys of a full block. A missing file of keys is no damage: blocks are merged when there is time. */
  async #checkGroups(block: number, keysOfBlock: KeySource, end: ChainPoint): Promise<DamagedBlock[]> {
    const { ledgerId, blockSize, groupSizes, breathe } = this.#shape;
    const damaged: DamagedBlock[] = [];
    let keys: KeySource | undefined = keysOfBlock;
    for (const [level, size] of groupSizes.entries()) {
      if (!this.#isInGroup(block, level)) break;
      const sources = this.#keys[level]!;
      sources.push(keys);
      if ((block + 1) % size !== 0) break;
      this.#keys[level] = [];
      const group = (block + 1) / size - 1;
      const identity = { kind: 'keys', ledgerId, first: group * size * blockSize + 1, count: size * blockSize } as const;
      const isComplete = sources.every((source) => source !== undefined);
      const expected: Buffer | undefined = isComplete ? await encodeKeys(sources, identity, end, breathe) : undefined;
      keys = expected && keysIn(expected, identity);
      const name = keysFileName({ size, group });
      const file = this.#files.groups.get(name);
      if (!file) continue;
      this.#files.groups.delete(name);
      const reason = problemOf(file, expected);
      if (reason !== undefined) damaged.push({ name, first: identity.first, reason, ...(expected ? { expected } : {}) });
    }
    return damaged;
  }

  /** Whether there is a file of a group around the block, of this level or of a higher one. */
  #isInGroup(block: number, level: number): boolean {
    return this.#shape.groupSizes.some((size, i) => i >= level && this.#files.groups.has(keysFileName({ size, group: Math.floor(block / size) })));
  }
}

function problemOf(file: FoundFile, expected: Buffer | undefined): string | undefined {
  if (file.problem !== undefined) return `The block ${file.problem}.`;
  const isRight = expected && expected.length === file.length && crc32(expected) === file.checksum;
  return isRight ? undefined : 'The block does not say what the ledger says.';
}

async function checkFile(disk: Disk, file: string, identity: BlockIdentity): Promise<FoundFile | undefined> {
  try {
    const bytes = await disk.readFile(file);
    if (!bytes) return undefined;
    return { length: bytes.length, checksum: crc32(bytes), ...examine(bytes, identity) };
  } catch (error) {
    return { length: 0, checksum: 0, problem: `cannot be read (${messageOf(error)})` };
  }
}

function examine(bytes: Buffer, identity: BlockIdentity): { end?: ChainPoint; problem?: string } {
  let end: ChainPoint | undefined;
  try {
    const headLength = claimedHeadLength(bytes, identity.kind);
    if (headLength > bytes.length) return { problem: 'is too short' };
    const head = decodeHead(bytes.subarray(0, headLength), identity);
    end = head.end;
    for (let page = 0; page < head.layout.pages; page++) {
      const bounds = pageBounds(head, page);
      verifyPage(head, page, bytes.subarray(bounds.start, bounds.end));
    }
    return { end };
  } catch (error) {
    return { ...(end ? { end } : {}), problem: messageOf(error) };
  }
}
