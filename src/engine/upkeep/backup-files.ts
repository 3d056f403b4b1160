/* The event files of a backup, written from the copied ledger. */
import path from 'node:path';
import type { ChainPoint, StoredBatch } from '../../core/stored.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { eventFileContent, openEventFileCodec, type EventFileCodec } from '../../eventfiles/event-file.js';
import { fileName, folderName } from '../../eventfiles/paths.js';
import { headerPoint, type LedgerHeader } from '../../ledger/header.js';
import { scanChain } from '../../ledger/scan-chain.js';
import { storedBatch } from '../../ledger/stored-batch.js';

export type EventFilesOptions = {
  readonly disk: Disk;
  /** The copy's folder, its ledger, and the offset behind its last frame. */
  readonly folder: string;
  readonly file: DiskFile;
  readonly header: LedgerHeader;
  readonly end: number;
  /** Up to here the copy's event files are known to be in place and durable. */
  readonly complete: ChainPoint | undefined;
  /** Called after each file: lets others run, ends the work by throwing. */
  readonly pause: (position: number) => Promise<void>;
};

/** Part of the temporary names: whoever holds the copy's lock is the only one to use them. */
export const backupToken = 'backup';

/** Syncing one file waits for the disk: many at a time share the wait. */
const syncsAtOnce = 64;

/** Writes the event files behind `complete` that are absent or differ from the ledger, and makes all of them durable. */
export async function writeEventFiles(options: EventFilesOptions): Promise<void> {
  const { header, file, end, complete } = options;
  if (header.eventFiles === 'none') return;
  const codec = await openEventFileCodec(header.eventFiles);
  const writer = new FolderWriter(options, codec);
  const after = complete?.position ?? 0;
  for await (const frame of scanChain(file, header, complete ?? headerPoint(header), end)) {
    const batch = storedBatch(frame);
    if (batch.point.position <= after) continue;
    for (let i = 0; i < batch.count; i++) await writer.write(batch, i);
  }
  await writer.finish();
}

class FolderWriter {
  readonly #options: EventFilesOptions;
  readonly #codec: EventFileCodec;
  readonly #events: string;
  #folder = '';
  #unsynced: string[] = [];

  constructor(options: EventFilesOptions, codec: EventFileCodec) {
    this.#options = options;
    this.#codec = codec;
    this.#events = path.join(options.folder, 'events');
  }

  async write(batch: StoredBatch, index: number): Promise<void> {
    const { disk, pause } = this.#options;
    const position = batch.first + index;
    await pause(position);
    await this.#enter(path.join(this.#events, folderName(position)));
    const target = path.join(this.#folder, fileName(position, this.#codec.format));
    const bytes = this.#codec.encode(eventFileContent(batch, index));
    if (!(await disk.readFile(target))?.equals(bytes)) await replaceFile(target, bytes, disk);
    // One that is right may be left from a backup that was cut off before it was durable.
    this.#unsynced.push(target);
    if (this.#unsynced.length >= syncsAtOnce) await this.#sync();
  }

  async finish(): Promise<void> {
    const { disk, folder } = this.#options;
    if (this.#folder === '') return;
    await this.#leave();
    await disk.syncDirectory(this.#events);
    await disk.syncDirectory(folder);
  }

  async #enter(folder: string): Promise<void> {
    if (folder === this.#folder) return;
    if (this.#folder !== '') await this.#leave();
    await this.#options.disk.makeDirectory(this.#events);
    await this.#options.disk.makeDirectory(folder);
    this.#folder = folder;
  }

  async #leave(): Promise<void> {
    await this.#sync();
    await this.#options.disk.syncDirectory(this.#folder);
  }

  async #sync(): Promise<void> {
    const { disk } = this.#options;
    await Promise.all(this.#unsynced.splice(0).map((file) => disk.syncFile(file)));
  }
}

async function replaceFile(target: string, bytes: Buffer, disk: Disk): Promise<void> {
  const temporary = path.join(path.dirname(target), `.${path.basename(target)}.${backupToken}.tmp`);
  await disk.removeFile(temporary);
  await disk.createFile(temporary, bytes);
  await disk.rename(temporary, target);
}
