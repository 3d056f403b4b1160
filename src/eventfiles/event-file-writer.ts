/*
 * Writes event files behind the commits. The backlog is a list of ranges that are read again from the ledger, so its
 * memory is bounded; work is done in slices of two milliseconds, which are so rare while appends are going on that they
 * take less than a tenth of the time, and rarer still when appends take all the time there is.
 */
import path from 'node:path';
import type { ChainPoint, StoredBatch } from '../core/stored.js';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import { codeOf, isOutOfDescriptors } from '../disk/error-code.js';
import { eventFileContent, type EventFileCodec } from './event-file.js';
import { EventFolders } from './event-folders.js';
import { FolderAside } from './folder-aside.js';
import { eventsPerFolder, fileName } from './paths.js';
import { Progress } from './progress.js';

export type EventFileWriterOptions = {
  /** Refuses to make a file where the store's folder became another's, which costs a look each time. */
  readonly disk: Disk;
  /** Does not look. */
  readonly plainDisk: Disk;
  readonly clock: Clock;
  /** Folder `events` of the context. */
  readonly directory: string;
  readonly codec: EventFileCodec;
  /** Part of the temporary names: unique to this process. */
  readonly token: () => string;
  /** Up to where the checkpoint says that files are complete and durable. */
  readonly complete: ChainPoint | undefined;
  /** Yields the batches behind `after` (exclusive; from the first when undefined), in order, up to `last` (inclusive). */
  readBatches(after: ChainPoint | undefined, last: number): AsyncIterable<StoredBatch>;
  /** Whether appends are going on. */
  isBusy(): boolean;
  /** How long this process has been at appending, in all. */
  workedMs(): number;
  /** Told when files cannot be written, of each kind of error once until it works again; the writer goes on trying. */
  onProblem(error: unknown): void;
};

/** Batches behind `after` up to position `last`, inclusive. */
type Range = { after: ChainPoint | undefined; last: number };

const sliceMs = 2;
/** While appends go on: few bursts, since every sync of the ledger also commits the files made before it. */
const busyPauseMs = 60;
/** While appends take more than half of the time: somebody waits for each. */
const saturatedPauseMs = 250;
const retryMs = 1000;
/** More ranges than this are merged into one that also covers what other processes write. */
const maxRanges = 256;

export class EventFileWriter {
  readonly #options: EventFileWriterOptions;
  readonly #folders: EventFolders;
  readonly #progress: Progress;
  /** What this process committed: written first, and by `flush`. */
  #owed: Range[] = [];
  /** What others may have left undone: files that are right already are left alone. */
  #healing: Range | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** True while `flush` waits: then there is no need to be gentle. */
  #flushing = false;
  #mayHeal = (): boolean => true;
  #cancelRetry: (() => void) | undefined;
  /** Ends the pause that is made while appends go on. */
  #endPause: (() => void) | undefined;
  /** Positions whose file failed to sync and was not made anew since. */
  readonly #doubtful = new Set<number>();
  /** What was told since files could last be written: the same error comes again with every attempt. */
  readonly #told = new Set<string>();
  #sliceEnd = 0;
  /** The folder that is being filled under a temporary name, and the batches that will be in place when it gets its own. */
  #aside: { readonly folder: FolderAside; readonly batches: ChainPoint[] } | undefined;
  #mayFillAside = true;

  constructor(options: EventFileWriterOptions) {
    this.#options = options;
    const { disk, directory, codec, token } = options;
    this.#folders = new EventFolders({ disk, directory, codec, token });
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

  /**
   * Writes what this process owes, and goes on with what it only wanted to compare for as long as `mayHeal` says so.
   * @throws when files cannot be written.
   */
  async flush(mayHeal: () => boolean): Promise<void> {
    this.#flushing = true;
    this.#mayHeal = mayHeal;
    this.#cancelRetry?.();
    this.#endPause?.();
    await this.#running;
    await this.#writeAll();
  }

  /** Ends its work; resolves when none of it is going on any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#endPause?.();
    await this.#running;
  }

  /** Makes files durable, and moves the complete mark, for as long as `mayGoOn` says so. */
  async syncFiles(mayGoOn: () => boolean): Promise<void> {
    const { disk } = this.#options;
    for (const point of this.#progress.reachable()) {
      const from = (this.complete?.position ?? 0) + 1;
      for (let position = from; position <= point.position; position++) {
        if (!mayGoOn()) return;
        await this.#syncFile(position);
      }
      for (let folder = from; ; folder += eventsPerFolder) {
        await disk.syncDirectory(path.dirname(this.#folders.pathOf(Math.min(folder, point.position))));
        if (folder >= point.position) break;
      }
      await disk.syncDirectory(this.#options.directory);
      await disk.syncDirectory(path.dirname(this.#options.directory));
      this.#progress.moveTo(point);
    }
  }

  /**
   * After a failed sync the page cache may hold what the disk does not, and the next sync would claim success. So the file
   * is made anew, from the ledger, before it is synced again.
   */
  async #syncFile(position: number): Promise<void> {
    if (this.#doubtful.has(position)) await this.#replace(position);
    try {
      await this.#options.disk.syncFile(this.#folders.pathOf(position));
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      this.#doubtful.add(position);
      // At once: another process would take the file for right. On a full disk it can only be taken out of the way.
      await this.#replace(position).catch(() => this.#folders.withdraw(position));
      throw error;
    }
  }

  async #replace(position: number): Promise<void> {
    const { codec, readBatches } = this.#options;
    for await (const batch of readBatches(this.complete, position)) {
      if (batch.point.position < position) continue;
      await this.#folders.put(position, codec.encode(eventFileContent(batch, position - batch.first)), 'replace');
      this.#doubtful.delete(position);
      return;
    }
  }

  #start(): void {
    if (this.#running || this.#stopped || this.#flushing || this.#cancelRetry) return;
    this.#running = this.#writeAll()
      .then(
        () => this.#told.clear(),
        (error: unknown) => {
          this.#tell(error);
          this.#retryLater();
        },
      )
      .finally(() => {
        this.#running = undefined;
        if (!this.idle) this.#start();
      });
  }

  #tell(error: unknown): void {
    const kind = codeOf(error) ?? (error instanceof Error ? error.name : String(error));
    if (this.#told.has(kind)) return;
    this.#told.add(kind);
    this.#options.onProblem(error);
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
    if (this.#healing && (isDone(this.#healing) || !this.#mayHeal())) this.#healing = undefined;
    return this.#owed[0] ?? this.#healing;
  }

  /** Works on a range until it is done, or until something more urgent comes. */
  async #writeRange(range: Range): Promise<void> {
    try {
      await this.#writeBatches(range);
    } catch (error) {
      if (!this.#aside) throw error;
      // On a full disk each file counts that finds room.
      this.#mayFillAside = false;
      // Somebody took it for a leftover.
      if (codeOf(error) !== 'ENOENT') throw error;
    } finally {
      await this.#aside?.folder.discard();
      this.#aside = undefined;
    }
  }

  async #writeBatches(range: Range): Promise<void> {
    // Before anything is read: who appends many events at once waits for the first of them already.
    if (this.#options.clock.monotonic() >= this.#sliceEnd) await this.#pause();
    // It may grow meanwhile: what comes is another round's.
    const { last } = range;
    for await (const batch of this.#options.readBatches(range.after, last)) {
      for (let i = 0; i < batch.count; i++) {
        if (this.#options.clock.monotonic() >= this.#sliceEnd) await this.#pause();
        if (range === this.#healing && !this.#mayHeal()) this.#healing = undefined;
        if (this.#stopped || (range !== this.#owed[0] && range !== this.#healing)) return;
        if (range === this.#healing) await this.#compareEvent(batch, i, range);
        else if (!(await this.#writeEvent(batch, i, range, last))) return;
      }
      if (this.#aside) this.#aside.batches.push(batch.point);
      else this.#moveOn(range, batch.point);
      if (range === this.#healing && this.#owed.length > 0) return;
    }
    // Without this, a ledger that was cut off would be read again and again.
    if ((range.after?.position ?? 0) < last) throw new Error(`the ledger does not hold the events up to position ${last}`);
  }

  /** Notes that all files of the range up to `point` are in place. */
  #moveOn(range: Range, point: ChainPoint): void {
    this.#progress.done(range.after?.position ?? 0, point);
    range.after = point;
  }

  async #compareEvent(batch: StoredBatch, index: number, { last }: Range): Promise<void> {
    const position = batch.first + index;
    await this.#folders.put(position, this.#encode(batch, index), 'compare');
    if (position % eventsPerFolder === 0 || position === last) await this.#folders.removeLeftovers(position);
  }

  /** `last` is where this round ends. Returns false when the range must be begun again: a folder that was filled aside found its name taken. */
  async #writeEvent(batch: StoredBatch, index: number, range: Range, last: number): Promise<boolean> {
    const position = batch.first + index;
    if (position % eventsPerFolder === 1 && last - position >= eventsPerFolder - 1) await this.#beginAside(position);
    const aside = this.#aside;
    const bytes = this.#encode(batch, index);
    if (!aside) {
      await this.#folders.put(position, bytes, 'write');
      return true;
    }
    const putting = aside.folder.put(fileName(position, this.#options.codec.format), bytes);
    if (putting) await putting;
    if (position % eventsPerFolder !== 0) return true;
    if (!(await aside.folder.finish())) return false;
    this.#aside = undefined;
    for (const point of aside.batches) this.#moveOn(range, point);
    return true;
  }

  async #beginAside(position: number): Promise<void> {
    if (!this.#mayFillAside) return;
    const { disk, plainDisk, token } = this.#options;
    const folder = await FolderAside.open({ disk, plainDisk, token: token(), target: path.dirname(this.#folders.pathOf(position)) });
    this.#aside = folder && { folder, batches: [] };
  }

  #encode(batch: StoredBatch, index: number): Buffer {
    return this.#options.codec.encode(eventFileContent(batch, index));
  }

  async #pause(): Promise<void> {
    const { clock, isBusy } = this.#options;
    await (!this.#flushing && isBusy() ? this.#busyPause() : clock.turn());
    this.#sliceEnd = clock.monotonic() + sliceMs;
  }

  async #busyPause(): Promise<void> {
    const { clock, workedMs } = this.#options;
    const before = { atMs: clock.monotonic(), workedMs: workedMs() };
    await this.#wait(busyPauseMs);
    const isSaturated = (workedMs() - before.workedMs) * 2 > clock.monotonic() - before.atMs;
    if (isSaturated && !this.#flushing && !this.#stopped) await this.#wait(saturatedPauseMs - busyPauseMs);
  }

  /** Until `delayMs` are over, or `#endPause` is called. */
  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.timer(delayMs, resolve, true);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
