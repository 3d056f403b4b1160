/*
 * Checks index files against the ledger: first each by its own checksums, then, while the ledger is read from its
 * beginning, each against what the same events give when they are encoded again. A file that differs by one byte is told.
 */
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { ChainPoint, IndexedEvent } from '../core/stored.js';
import type { Disk } from '../disk/disk.js';
import { messageOf } from '../disk/error-code.js';
import { claimedHeadLength, decodeHead, pageBounds, verifyPage, type BlockIdentity } from './block-format.js';
import { blockFileName, blockNumbers } from './block-names.js';
import { encodeBlockSync } from './encode-block.js';
import { MemorySegment } from './memory-segment.js';
import { blockSize as standardBlockSize } from './segment.js';

export type VerifyBlocksOptions = { readonly disk: Disk; readonly directory: string; readonly ledgerId: Buffer; readonly blockSize?: number };

/** `reason` is a sentence; `first` is the first position of the block. */
export type DamagedBlock = { readonly name: string; readonly first: number; readonly reason: string };

/** What a sound file amounts to, or what is wrong with it. */
type FoundFile = { readonly length: number; readonly checksum: number; readonly problem?: string };

/** Reads all index files and checks each by itself. */
export async function verifyBlocks(options: VerifyBlocksOptions): Promise<BlockVerifier> {
  const { disk, directory, ledgerId, blockSize = standardBlockSize } = options;
  const files = new Map<number, FoundFile>();
  for (const block of blockNumbers((await disk.list(directory)) ?? [])) {
    files.set(block, await checkFile(disk, path.join(directory, blockFileName(block)), { ledgerId, first: block * blockSize + 1, count: blockSize }));
  }
  return new BlockVerifier(files, ledgerId, blockSize);
}

export class BlockVerifier {
  readonly #files: Map<number, FoundFile>;
  readonly #newest: number;
  readonly #ledgerId: Buffer;
  readonly #blockSize: number;
  #segment: MemorySegment;

  constructor(files: Map<number, FoundFile>, ledgerId: Buffer, blockSize: number) {
    this.#files = files;
    this.#newest = Math.max(-1, ...files.keys());
    this.#ledgerId = ledgerId;
    this.#blockSize = blockSize;
    this.#segment = new MemorySegment(1, blockSize);
  }

  /** Takes the next frame of the ledger, beginning with its first; returns the damaged blocks that it completes. */
  check(point: ChainPoint, events: readonly IndexedEvent[]): DamagedBlock[] {
    const damaged: DamagedBlock[] = [];
    for (const event of events) {
      this.#segment.add(event, point);
      if (this.#segment.count < this.#blockSize) continue;
      const { first } = this.#segment;
      const problem = this.#checkFull((first - 1) / this.#blockSize);
      if (problem !== undefined) damaged.push({ name: blockFileName((first - 1) / this.#blockSize), first, reason: `The block ${problem}.` });
      this.#segment = new MemorySegment(first + this.#blockSize, this.#blockSize);
    }
    return damaged;
  }

  /** The blocks whose positions the ledger does not have. */
  finish(): DamagedBlock[] {
    return [...this.#files.keys()].map((block) => ({
      name: blockFileName(block),
      first: block * this.#blockSize + 1,
      reason: 'The block is about positions that the ledger does not hold.',
    }));
  }

  #checkFull(block: number): string | undefined {
    const file = this.#files.get(block);
    if (!file) return block < this.#newest ? 'is missing' : undefined;
    this.#files.delete(block);
    if (file.problem !== undefined) return file.problem;
    const bytes = encodeBlockSync(this.#segment, this.#ledgerId);
    return bytes.length === file.length && crc32(bytes) === file.checksum ? undefined : 'does not say what the ledger says';
  }
}

async function checkFile(disk: Disk, file: string, identity: BlockIdentity): Promise<FoundFile> {
  try {
    const bytes = await disk.readFile(file);
    if (!bytes) return { length: 0, checksum: 0, problem: 'is missing' };
    return { length: bytes.length, checksum: crc32(bytes), ...withProblem(findProblem(bytes, identity)) };
  } catch (error) {
    return { length: 0, checksum: 0, problem: `cannot be read (${messageOf(error)})` };
  }
}

function withProblem(problem: string | undefined): { problem?: string } {
  return problem === undefined ? {} : { problem };
}

function findProblem(bytes: Buffer, identity: BlockIdentity): string | undefined {
  try {
    const headLength = claimedHeadLength(bytes);
    if (headLength > bytes.length) return 'is too short';
    const head = decodeHead(bytes.subarray(0, headLength), identity);
    for (let page = 0; page < head.layout.pages; page++) {
      const { start, end } = pageBounds(head, page);
      verifyPage(head, page, bytes.subarray(start, end));
    }
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
