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

export type VerifyBlocksOptions = {
  readonly disk: Disk;
  readonly directory: string;
  readonly ledgerId: Buffer;
  readonly blockSize?: number;
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
  const { disk, directory, ledgerId, blockSize = standardBlockSize } = options;
  const files = new Map<number, FoundFile>();
  // Something else in the place of the folder is no index: others tell of it.
  const isFolder = (await disk.stat(directory))?.kind === 'directory';
  for (const block of blockNumbers((isFolder && (await disk.list(directory))) || [])) {
    await options.breathe?.();
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
  /** The frames that sound heads name: each was durable when its block was sealed. */
  readonly ends: readonly ChainPoint[];

  constructor(files: Map<number, FoundFile>, ledgerId: Buffer, blockSize: number) {
    this.#files = files;
    this.ends = [...files.values()].flatMap(({ end }) => (end ? [end] : []));
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
      const found = this.#checkFull((first - 1) / this.#blockSize);
      if (found) damaged.push({ name: blockFileName((first - 1) / this.#blockSize), first, ...found });
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

  #checkFull(block: number): { reason: string; expected: Buffer } | undefined {
    const file = this.#files.get(block);
    // Whoever opens the store next seals what follows the newest block.
    if (!file && block > this.#newest) return undefined;
    this.#files.delete(block);
    const expected = encodeBlockSync(this.#segment, this.#ledgerId);
    if (!file) return { reason: 'The block is missing.', expected };
    if (file.problem !== undefined) return { reason: `The block ${file.problem}.`, expected };
    if (expected.length === file.length && crc32(expected) === file.checksum) return undefined;
    return { reason: 'The block does not say what the ledger says.', expected };
  }
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
    const headLength = claimedHeadLength(bytes);
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
