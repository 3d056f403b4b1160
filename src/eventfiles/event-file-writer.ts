/*
 * Writes event files behind the commits. The backlog is a list of ranges that are read again from the ledger, so its
 * memory is bounded; work is done in slices of two milliseconds, which are so rare while appends are going on that they
 * take less than a tenth of the time. A file appears whole, by rename, or not at all. Nothing
 * here deletes an event file.
 */
import path from 'node:path';
import type { ChainPoint, StoredBatch } from '../core/stored.js';
import { sleep, type Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import { eventFileContent, type EventFileCodec } from './event-file.js';
import { fileName, folderName } from './paths.js';
import { Progress } from './progress.js';

export type EventFileWriterOptions = {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Folder `events` of the context. */
  readonly directory: string;
  readonly codec: EventFileCodec;
  /** Part of the temporary names: unique to this process. */
  readonly token: string;
  /** Up to where the checkpoint says that files are complete and durable. */
  readonly complete: ChainPoint | undefined;
  /** Yields the batches behind `after` (exclusive; from the first when undefined), in order, up to `last` (inclusive). */
  readBatches(after: ChainPoint | undefined, last: number): AsyncIterable<StoredBatch>;
  /** Whether appends are going on. */
  isBusy(): boolean;
  /** Told when files cannot be written; the writer goes on trying. */
  onProblem(error: unknown): void;
};

/** Batches behind `after` up to position `last`, inclusive. */
type Range = { after: ChainPoint | undefined; last: number };

const sliceMs = 2;
/** While appends go on: few bursts, since every sync of the ledger also commits the files made before it. */
const busyPauseMs = 60;
const retryMs = 1000;
/** More ranges than this are merged into one that also covers what other processes write. */
const maxRanges = 256;

export class EventFileWriter {
  readonly #options: EventFileWriterOptions;
  readonly #progress: Progress;
  /** What this process committed: written first, and by `flush`. */
  #owed: Range[] = [];
  /** What others may have left undone: files that are right already are left alone. */
  #healing: Range | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** True while `flush` waits: then there is no need to be gentle. */
  #flushing = false;
  #cancelRetry: (() => void) | undefined;
  #folder = '';
  #sliceEnd = 0;

  constructor(options: EventFileWriterOptions) {
    this.#options = options;
    this.#progress = new Progress(options.complete);
  }

  /** Up to here every event file is in place and durable, as far as this process knows. */
  get complete(): ChainPoint | undefined {
    return this.#progress.complete;
  }

  get idle(): boolean {
    return this.#owed.length === 0 && !this.#healing;
  }

  /** Queues the files of batches behind `after` up to `last`, which this process committed. */
  add(after: ChainPoint, last: number): void {
    const newest = this.#owed[this.#owed.length - 1];
    if (newest && (newest.last === after.position || this.#owed.length >= maxRanges)) newest.last = last;
    else this.#owed.push({ after, last });
    this.#start();
  }

  /** Queues a check of all files behind the complete mark up to `last`: an earlier process may have died before it wrote them. */
  heal(last: number): void {
    if ((this.complete?.position ?? 0) >= last) return;
    this.#healing = { after: this.complete, last };
    this.#start();
  }

  /** Writes what this process owes, and gives up what it only wanted to compare. @throws when files cannot be written. */
  async flush(): Promise<void> {
    this.#flushing = true;
    this.#healing = undefined;
    this.#cancelRetry?.();
    await this.#running;
    await this.#writeAll();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
  }

  /** Makes files durable, and moves the complete mark, for as long as `mayGoOn` says so. */
  async syncFiles(mayGoOn: () => boolean): Promise<void> {
    const { disk } = this.#options;
    for (const point of this.#progress.reachable()) {
      const from = (this.complete?.position ?? 0) + 1;
      for (let position = from; position <= point.position; position++) {
        if (!mayGoOn()) return;
        await disk.syncFile(this.#pathOf(position));
      }
      for (let folder = from; ; folder += 1000) {
        await disk.syncDirectory(path.dirname(this.#pathOf(Math.min(folder, point.position))));
        if (folder >= point.position) break;
      }
      await disk.syncDirectory(this.#options.directory);
      await disk.syncDirectory(path.dirname(this.#options.directory));
      this.#progress.moveTo(point);
    }
  }

  #start(): void {
    if (this.#running || this.#stopped || this.#flushing || this.#cancelRetry) return;
    this.#running = this.#writeAll()
      .catch((error: unknown) => {
        this.#options.onProblem(error);
        this.#retryLater();
      })
      .finally(() => {
        this.#running = undefined;
        if (!this.idle) this.#start();
      });
  }

  #retryLater(): void {
    this.#cancelRetry = this.#options.clock.timer(
      retryMs,
      () => {
        this.#cancelRetry = undefined;
        this.#start();
      },
      false,
    );
  }

  async #writeAll(): Promise<void> {
    // Lets the append that queued this range be acknowledged first.
    if (!this.#flushing) await this.#options.clock.turn();
    for (let range = this.#next(); range; range = this.#next()) await this.#writeRange(range);
  }

  /** The range to work on, after dropping those that are done. */
  #next(): Range | undefined {
    if (this.#stopped) return undefined;
    const isDone = (range: Range): boolean => (range.after?.position ?? 0) >= range.last;
    while (this.#owed[0] && isDone(this.#owed[0])) this.#owed.shift();
    if (this.#healing && isDone(this.#healing)) this.#healing = undefined;
    return this.#owed[0] ?? this.#healing;
  }

  /** Works on a range until it is done, or until something more urgent comes. */
  async #writeRange(range: Range): Promise<void> {
    for await (const batch of this.#options.readBatches(range.after, range.last)) {
      for (let i = 0; i < batch.count; i++) {
        await this.#pause();
        if (this.#stopped || (range !== this.#owed[0] && range !== this.#healing)) return;
        await this.#writeEvent(batch, i, range === this.#healing);
      }
      this.#progress.done(range.after?.position ?? 0, batch.point);
      range.after = batch.point;
      if (range === this.#healing && this.#owed.length > 0) return;
    }
  }

  async #writeEvent(batch: StoredBatch, index: number, compare: boolean): Promise<void> {
    const { disk, codec, token } = this.#options;
    const position = batch.first + index;
    const target = this.#pathOf(position);
    const bytes = codec.encode(eventFileContent(batch, index));
    // A file that is right stays as it is, whoever made it: another process may have made it durable and said so.
    if (compare || (await disk.stat(target))) {
      const found = await disk.readFile(target);
      if (found?.equals(bytes)) return;
    }
    await this.#makeFolder(path.dirname(target));
    const temporary = path.join(path.dirname(target), `.${fileName(position, codec.format)}.${token}.tmp`);
    try {
      await disk.createFile(temporary, bytes);
    } catch (error) {
      await this.#removeQuietly(temporary);
      // Somebody removed the folder: make it again the next time.
      if (codeOf(error) === 'ENOENT') this.#folder = '';
      throw error;
    }
    await disk.rename(temporary, target);
  }

  async #removeQuietly(temporary: string): Promise<void> {
    try {
      await this.#options.disk.removeFile(temporary);
    } catch {
      // The first error tells more; a leftover is harmless.
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#folder === folder) return;
    await this.#options.disk.makeDirectory(this.#options.directory);
    await this.#options.disk.makeDirectory(folder);
    this.#folder = folder;
  }

  async #pause(): Promise<void> {
    const { clock } = this.#options;
    const now = clock.monotonic();
    if (now < this.#sliceEnd) return;
    const busy = !this.#flushing && this.#options.isBusy();
    await (busy ? sleep(clock, busyPauseMs) : clock.turn());
    this.#sliceEnd = clock.monotonic() + sliceMs;
  }

  #pathOf(position: number): string {
    return path.join(this.#options.directory, folderName(position), fileName(position, this.#options.codec.format));
  }
}
