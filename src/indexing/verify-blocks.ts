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
import { blockFileName, blockNumbers, keysFileName, keysNumbers } from './block-names.js';
import { encodeBlockSync } from './encode-block.js';
import { encodeKeys } from './encode-keys.js';
import { MemorySegment } from './memory-segment.js';
import type { KeySource } from './merge-keys.js';
import { blockSize as standardBlockSize, blocksPerGroup as standardBlocksPerGroup } from './segment.js';
import { runToEnd } from './steps.js';

export type VerifyBlocksOptions = {
  readonly disk: Disk;
  readonly directory: string;
  readonly ledgerId: Buffer;
  readonly blockSize?: number;
  readonly blocksPerGroup?: number;
  /** Called between files, to let others run. */
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
  const { disk, directory, ledgerId, blockSize = standardBlockSize, blocksPerGroup = standardBlocksPerGroup } = options;
  // Something else in the place of the folder is no index: others tell of it.
  const isFolder = (await disk.stat(directory))?.kind === 'directory';
  const names = (isFolder && (await disk.list(directory))) || [];
  const check = async (name: string, kind: BlockKind, number: number, count: number): Promise<[number, FoundFile]> => {
    await options.breathe?.();
    return [number, await checkFile(disk, path.join(directory, name), { kind, ledgerId, first: number * count + 1, count })];
  };
  const blocks = new Map<number, FoundFile>();
  for (const block of blockNumbers(names)) blocks.set(...(await check(blockFileName(block), 'block', block, blockSize)));
  const groups = new Map<number, FoundFile>();
  for (const group of keysNumbers(names)) groups.set(...(await check(keysFileName(group), 'keys', group, blockSize * blocksPerGroup)));
  return new BlockVerifier({ blocks, groups }, { ledgerId, blockSize, blocksPerGroup });
}

type FoundFiles = { readonly blocks: Map<number, FoundFile>; readonly groups: Map<number, FoundFile> };
type IndexShape = { readonly ledgerId: Buffer; readonly blockSize: number; readonly blocksPerGroup: number };

export class BlockVerifier {
  readonly #files: FoundFiles;
  readonly #newest: number;
  readonly #shape: IndexShape;
  #segment: MemorySegment;
  /** Types and tags of the blocks of the group that is not full yet. */
  #keys: KeySource[] = [];
  /** The frames that sound heads name: each was durable when its block was sealed. */
  readonly ends: readonly ChainPoint[];

  constructor(files: FoundFiles, shape: IndexShape) {
    this.#files = files;
    this.ends = [...files.blocks.values(), ...files.groups.values()].flatMap(({ end }) => (end ? [end] : []));
    this.#newest = Math.max(-1, ...files.blocks.keys());
    this.#shape = shape;
    this.#segment = new MemorySegment(1, shape.blockSize);
  }

  /** Takes the next frame of the ledger, beginning with its first; returns the damaged blocks that it completes. */
  check(point: ChainPoint, events: readonly IndexedEvent[]): DamagedBlock[] {
    const { blockSize } = this.#shape;
    const damaged: DamagedBlock[] = [];
    for (const event of events) {
      this.#segment.add(event, point);
      if (this.#segment.count < blockSize) continue;
      const { first } = this.#segment;
      damaged.push(...this.#checkBlock(first, (first - 1) / blockSize), ...this.#checkGroup(first, point));
      this.#segment = new MemorySegment(first + blockSize, blockSize);
    }
    return damaged;
  }

  /** The files whose positions the ledger does not have. */
  finish(): DamagedBlock[] {
    const { blockSize, blocksPerGroup } = this.#shape;
    const reason = 'The block is about positions that the ledger does not hold.';
    return [
      ...[...this.#files.blocks.keys()].map((block) => ({ name: blockFileName(block), first: block * blockSize + 1, reason })),
      ...[...this.#files.groups.keys()].map((group) => ({ name: keysFileName(group), first: group * blocksPerGroup * blockSize + 1, reason })),
    ];
  }

  #checkBlock(first: number, block: number): DamagedBlock[] {
    const file = this.#files.blocks.get(block);
    // Whoever opens the store next seals what follows the newest block.
    if (!file && block > this.#newest) return [];
    this.#files.blocks.delete(block);
    const expected = encodeBlockSync(this.#segment, this.#shape.ledgerId);
    const reason = file ? problemOf(file, expected) : 'The block is missing.';
    return reason === undefined ? [] : [{ name: blockFileName(block), first, reason, expected }];
  }

  /** Takes the keys of a full block. A missing file of keys is no damage: blocks are merged when there is time. */
  #checkGroup(firstOfBlock: number, end: ChainPoint): DamagedBlock[] {
    const { ledgerId, blockSize, blocksPerGroup } = this.#shape;
    const group = Math.floor((firstOfBlock - 1) / (blockSize * blocksPerGroup));
    const file = this.#files.groups.get(group);
    if (!file) return [];
    this.#keys.push(this.#segment.keys());
    if (this.#keys.length < blocksPerGroup) return [];
    const sources = this.#keys;
    this.#keys = [];
    this.#files.groups.delete(group);
    const first = group * blocksPerGroup * blockSize + 1;
    const expected = runToEnd(encodeKeys(sources, { ledgerId, blockSize, first }, end));
    const reason = problemOf(file, expected);
    return reason === undefined ? [] : [{ name: keysFileName(group), first, reason, ...(expected ? { expected } : {}) }];
  }
}

function problemOf(file: FoundFile, expected: Buffer | undefined): string | undefined {
  if (file.problem !== undefined) return `The block ${file.problem}.`;
  const isRight = expected && expected.length === file.length && crc32(expected) === file.checksum;
  return isRight ? undefined : 'The block does not say what the ledger says.';
}

async function checkFile(disk: Disk, file: string, identity: BlockIdentity): Promise<FoundFile> {
  try {
    const bytes = await disk.readFile(file);
    if (!bytes) return { length: 0, checksum: 0, problem: 'is missing' };
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
