/*
 * Checks everything that a context stores: every checksum and chain link of the ledger, every event file, every index block
 * and the checkpoint. Reads only, takes no lock, and looks at what was written when it began, so writers may go on.
 */
import path from 'node:path';
import { isOpossumError, StorageFailedError } from '../core/errors.js';
import { checkName } from '../core/names.js';
import type { ChainPoint } from '../core/stored.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import { messageOf } from '../disk/error-code.js';
import { eventFileContent, openEventFileCodec, type EventFileCodec } from '../eventfiles/event-file.js';
import { fileName, folderName } from '../eventfiles/paths.js';
import { verifyBlocks, type DamagedBlock } from '../indexing/verify-blocks.js';
import { Chain } from '../ledger/chain.js';
import { headLength } from '../ledger/format.js';
import { FrameScan, type FoundFrame } from '../ledger/frame-scan.js';
import { headerPoint, openLedgerFileReadOnly, type LedgerHeader } from '../ledger/header.js';
import { isRecord, recordEnd } from '../ledger/record.js';
import { chainPoint, indexedEvents, orphanError } from '../ledger/scan-chain.js';
import { storedBatch } from '../ledger/stored-batch.js';
import { readCheckpoint, type Checkpoint } from './checkpoint.js';
import { systemPorts } from './system-ports.js';

export type VerifyOptions = {
  directory: string;
  context?: string;
  /** Told now and then how many bytes of the ledger were checked. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Aborting rejects with `signal.reason`. */
  signal?: AbortSignal;
};

export type VerifyProblem = {
  readonly what: 'ledger' | 'event file' | 'index block' | 'checkpoint';
  /** File, relative to the context's folder. */
  readonly where: string;
  readonly position?: number;
  /** Byte in the file. */
  readonly offset?: number;
  readonly message: string;
};

export type VerifyReport = {
  readonly ok: boolean;
  /** Position of the last event that counts. */
  readonly head: number;
  readonly events: number;
  /** Bytes of ledger that were checked. */
  readonly bytes: number;
  /** Frames that do not count: their appends lost a race or were never acknowledged. Harmless. */
  readonly voidFrames: number;
  /** Bytes that belong to no frame: what crashes left behind. Harmless. */
  readonly scarBytes: number;
  /** Event files that are still to be written by a running process, or by the next one that appends. */
  readonly pendingEventFiles: number;
  /** The first thousand. */
  readonly problems: readonly VerifyProblem[];
  /** All of them, listed or not. */
  readonly problemCount: number;
};

/** More problems than this are counted, not listed. */
const maxProblems = 1000;

/** @throws InvalidInputError when there is no store; StorageFailedError when it cannot be read. What is damaged is in the report. */
export async function verifyContext(options: VerifyOptions): Promise<VerifyReport> {
  const directory = path.join(path.resolve(options.directory), checkName(options.context ?? 'default', 'options.context'));
  const { disk } = systemPorts;
  const verification = new Verification(directory, disk, options);
  let opened: { file: DiskFile; header: LedgerHeader };
  try {
    opened = await openLedgerFileReadOnly(directory, disk);
  } catch (error) {
    if (!isOpossumError(error, 'LEDGER_CORRUPT')) throw asReadError(directory, error);
    verification.addProblem({ what: 'ledger', where: 'ledger', offset: 0, message: error.message });
    return verification.report();
  }
  try {
    await verification.run(opened.file, opened.header);
  } catch (error) {
    throw asReadError(directory, error);
  } finally {
    await opened.file.close();
  }
  return verification.report();
}

class Verification {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #options: VerifyOptions;
  readonly #problems: VerifyProblem[] = [];
  #problemCount = 0;
  #head = 0;
  #bytes = 0;
  #voidFrames = 0;
  #scarBytes = 0;
  #pendingEventFiles = 0;

  constructor(directory: string, disk: Disk, options: VerifyOptions) {
    this.#directory = directory;
    this.#disk = disk;
    this.#options = options;
  }

  async run(file: DiskFile, header: LedgerHeader): Promise<void> {
    const checkpoint = await readCheckpoint(this.#directory, header.ledgerId, this.#disk);
    const codec = header.eventFiles === 'none' ? undefined : await openEventFileCodec(header.eventFiles);
    const blocks = await verifyBlocks({ disk: this.#disk, directory: path.join(this.#directory, 'index'), ledgerId: header.ledgerId });
    // Taken behind the blocks: those cover nothing that was written later.
    const { size } = await file.stat();
    const chain = new Chain(header.ledgerId, headerPoint(header));
    const scan = new FrameScan(file, header.end, size);
    let end = header.end;
    for (let frame = await scan.next(); frame; frame = await scan.next()) {
      this.#options.signal?.throwIfAborted();
      this.#options.onProgress?.({ done: frame.offset, total: size });
      this.#scarBytes += frame.offset - end;
      end = frame.end;
      const verdict = chain.judge(frame.head, frame.offset);
      if (verdict === 'void') this.#voidFrames++;
      if (verdict === 'orphan') {
        this.addProblem({ what: 'ledger', where: 'ledger', offset: frame.offset, position: chain.last.position + 1, message: orphanError(frame, chain.last.position).message });
        break;
      }
      if (verdict !== 'counts') continue;
      const point = chainPoint(frame);
      chain.add(point);
      this.#checkRecords(frame);
      if (codec) await this.#checkEventFiles(frame, codec, checkpoint);
      for (const damaged of blocks.check(point, indexedEvents(frame))) this.#addBlockProblem(damaged);
    }
    this.#head = chain.last.position;
    this.#bytes = size;
    this.#scarBytes += size - end;
    for (const damaged of blocks.finish()) this.#addBlockProblem(damaged);
    this.#checkCheckpoint(checkpoint, chain);
    this.#options.onProgress?.({ done: size, total: size });
  }

  addProblem(problem: VerifyProblem): void {
    this.#problemCount++;
    if (this.#problems.length < maxProblems) this.#problems.push(problem);
  }

  report(): VerifyReport {
    return {
      ok: this.#problems.length === 0,
      head: this.#head,
      events: this.#head,
      bytes: this.#bytes,
      voidFrames: this.#voidFrames,
      scarBytes: this.#scarBytes,
      pendingEventFiles: this.#pendingEventFiles,
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  #checkRecords({ head, bytes, start, offset }: FoundFrame): void {
    let at = start + headLength + head.conditionLength;
    for (let position = head.first; position < head.first + head.count; position++) {
      const end = recordEnd(bytes, at);
      if (!isRecord(bytes, at, end, position)) {
        this.addProblem({ what: 'ledger', where: 'ledger', position, offset: offset + at - start, message: `The record of event ${position} fails its checksum.` });
      }
      at = end;
    }
  }

  async #checkEventFiles(frame: FoundFrame, codec: EventFileCodec, checkpoint: Checkpoint | undefined): Promise<void> {
    const batch = storedBatch(frame);
    const complete = checkpoint?.eventFiles?.position ?? 0;
    for (let i = 0; i < batch.count; i++) {
      const position = batch.first + i;
      const where = path.join('events', folderName(position), fileName(position, codec.format));
      const found = await this.#disk.readFile(path.join(this.#directory, where));
      if (found?.equals(codec.encode(eventFileContent(batch, i)))) continue;
      if (!found && position > complete) this.#pendingEventFiles++;
      else {
        const message = found ? `The event file differs from event ${position} in the ledger.` : `The event file of event ${position} is missing.`;
        this.addProblem({ what: 'event file', where, position, message });
      }
    }
  }

  #addBlockProblem({ name, first, reason }: DamagedBlock): void {
    const message = `${reason} Reads do not rely on it: it is rebuilt from the ledger when it is next used.`;
    this.addProblem({ what: 'index block', where: path.join('index', name), position: first, message });
  }

  #checkCheckpoint(checkpoint: Checkpoint | undefined, chain: Chain): void {
    const durable: ChainPoint | undefined = checkpoint?.durable;
    if (!durable || (durable.position <= chain.last.position && chain.includes(durable))) return;
    this.addProblem({
      what: 'ledger',
      where: 'ledger',
      position: Math.min(durable.position, chain.last.position + 1),
      offset: durable.offset,
      message: `The checkpoint says that events up to position ${durable.position} were durable, but the ledger ends with position ${chain.last.position} or leaves that chain.`,
    });
  }
}

function asReadError(directory: string, error: unknown): unknown {
  if (isOpossumError(error) || (error instanceof Error && error.name === 'AbortError')) return error;
  return new StorageFailedError(`${directory} cannot be read: ${messageOf(error)}.`, 'not-committed', {}, error);
}
