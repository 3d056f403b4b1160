/*
 * One open ledger of this process: puts ledger, lock, index and event files together, and looks after them while nothing
 * else is to be done. All stores that this process opens on the same folder share one engine.
 */
import path from 'node:path';
import { isOpossumError, StorageFailedError } from '../core/errors.js';
import type { ChainPoint } from '../core/stored.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import { codeOf, messageOf } from '../disk/error-code.js';
import { openEventFileCodec, type EventFileCodec } from '../eventfiles/event-file.js';
import { EventFileWriter } from '../eventfiles/event-file-writer.js';
import type { EventIndex } from '../indexing/event-index.js';
import {
  holdsHeader,
  openLedgerFile,
  openLedgerFileReadOnly,
  type EventFileFormat,
  type LedgerHeader,
  type LedgerPorts,
} from '../ledger/header.js';
import { holdsFrame } from '../ledger/holds-frame.js';
import { Ledger } from '../ledger/ledger.js';
import { isUnsynced, markUnsynced, rewriteUnsynced } from '../ledger/unsynced.js';
import type { LockHold, OpenLock } from '../locking/lock.js';
import { Breather } from './breather.js';
import { findCheckpoint, ownCheckpoint, type Checkpoint } from './checkpoint.js';
import { CommitPath } from './commit-path.js';
import { refuseForeignLedger } from './foreign-ledger.js';
import { Gate } from './gate.js';
import { GuardedLock } from './guarded-lock.js';
import { Housekeeping } from './housekeeping.js';
import { LedgerPlace } from './ledger-place.js';
import { LedgerView } from './ledger-view.js';
import { LockKeeper } from './lock-keeper.js';
import { openIndex } from './open-index.js';
import { readBatches } from './read-batches.js';
import type { EngineRegistry } from './registry.js';
import { Sealing } from './sealing.js';
import { TailWatch } from './tail-watch.js';

export type { ContextLock, LockHold } from '../locking/lock.js';

export type EnginePorts = LedgerPorts & {
  readonly openLock: OpenLock;
  /** What the stores of one process share. */
  readonly engines: EngineRegistry;
  /** Tells the user of something that needs attention and fails no call. */
  readonly warn: (message: string) => void;
};

export type EngineOptions = {
  /** The context's folder, which exists. */
  readonly directory: string;
  readonly eventFiles: EventFileFormat | undefined;
  readonly readOnly: boolean;
};

/** What opening found, before anything is done with it. */
type Opened = {
  readonly file: DiskFile;
  readonly header: LedgerHeader;
  readonly place: LedgerPlace;
  readonly index: EventIndex;
  /** Undefined when this engine writes no event files. */
  readonly codec: EventFileCodec | undefined;
  readonly checkpoint: Checkpoint | undefined;
  /** Up to where event files are complete and durable. */
  readonly complete: ChainPoint | undefined;
};

/** How long a reader waits for the lock in order to mend what a failed sync left. */
const mendMs = 1000;

export class Engine {
  readonly directory: string;
  readonly header: LedgerHeader;
  readonly view: LedgerView;
  readonly commits: CommitPath;
  readonly tail: TailWatch;
  /** Reads in progress. */
  readonly reads = new Gate((error) => this.#explainRead(error));
  readonly #ports: EnginePorts;
  readonly #file: DiskFile;
  readonly #place: LedgerPlace;
  readonly #lock: GuardedLock;
  readonly #eventFiles: EventFileWriter | undefined;
  readonly #housekeeping: Housekeeping;
  readonly #sealing: Sealing;
  readonly #readOnly: boolean;
  #healed = false;
  #poisoned = false;
  /** Whether the mark of a failed sync was left. */
  #marked: Promise<boolean> | undefined;
  #closed = false;
  #drawnToken: string | undefined;

  static async open(options: EngineOptions, ports: EnginePorts): Promise<Engine> {
    const { directory, readOnly } = options;
    const { file, header } = await (readOnly
      ? openLedgerFileReadOnly(directory, ports.disk)
      : openLedgerFile(directory, options.eventFiles, ports));
    let index: EventIndex | undefined;
    try {
      // Before the ledger is read: what a checkpoint says is durable, a later look at the ledger must find.
      const found = await findCheckpoint(directory, ports.disk);
      await refuseForeignLedger({ file, header, checkpoint: found }, { directory, disk: ports.disk, breather: new Breather(ports.clock) });
      const checkpoint = ownCheckpoint(found, header.ledgerId);
      const place = new LedgerPlace(path.join(directory, 'ledger'), await file.stat(), ports.disk);
      index = await openIndex(options, file, header, { ...ports, disk: place.disk });
      const codec = header.eventFiles === 'none' || readOnly ? undefined : await openEventFileCodec(header.eventFiles);
      const mark = checkpoint?.eventFiles;
      const complete = mark && (await holdsFrame(file, header, mark)) ? mark : undefined;
      const engine = new Engine(options, ports, { file, header, place, index, codec, checkpoint, complete });
      if (await isUnsynced(directory, ports.disk)) engine.view.doubt();
      await engine.view.catchUp();
      // It may have been left, or mended, during the scan.
      if (await isUnsynced(directory, ports.disk)) engine.view.doubt();
      if (checkpoint?.durable) engine.view.ledger.assumeDurable(checkpoint.durable);
      // Blocks that are missing would be made anew, in memory, by everybody who opens the folder.
      engine.#sealing.start();
      return engine;
    } catch (error) {
      index?.close();
      await file.close();
      throw error;
    }
  }

  private constructor(options: EngineOptions, ports: EnginePorts, opened: Opened) {
    const { directory, readOnly } = options;
    const { file, header, place, index } = opened;
    const { clock, warn } = ports;
    this.directory = directory;
    this.header = header;
    this.#ports = ports;
    this.#file = file;
    this.#place = place;
    this.#readOnly = readOnly;
    const ledger = new Ledger(path.join(directory, 'ledger'), file, header, index.scanFrom, clock);
    this.view = new LedgerView({
      ledger,
      index,
      clock,
      readOnly,
      isSuspect: () => isUnsynced(directory, ports.disk),
      mend: () => this.commits.mend(mendMs),
      onSyncFailed: (error) => this.#onPoisoned(error),
    });
    this.tail = new TailWatch(ledger.path, ports.disk, clock);
    this.#eventFiles = opened.codec && this.#createEventFileWriter(opened.codec, opened.complete);
    this.#lock = new GuardedLock({ lock: ports.openLock(directory), place, disk: ports.disk, ledgerPath: ledger.path });
    const lock = new LockKeeper({
      directory,
      lock: this.#lock,
      clock,
      onTaken: (hold) => this.#onLockTaken(hold),
      onIdle: () => void this.commits.releaseIdleLock(),
    });
    this.commits = new CommitPath({
      view: this.view,
      lock,
      clock,
      beforeGroup: () => this.#sealing.keepUp(),
      checkLedgerInPlace: () => place.checkAfter(),
      onCommitted: (after, last) => this.#onCommitted(after, last),
      onPoisoned: (error) => this.#onPoisoned(error),
    });
    this.#sealing = new Sealing({ view: this.view, clock, isBusy: () => this.commits.isBusy });
    this.#housekeeping = new Housekeeping({
      directory,
      ledger,
      file,
      place,
      clock,
      checkpoint: opened.checkpoint,
      token: () => this.#token(),
      eventFiles: this.#eventFiles,
      isBusy: () => this.commits.isBusy,
      mayWrite: () => !this.#readOnly && !this.#poisoned,
      warn,
    });
  }

  /** Refuses to write into the folder once it is another's. */
  get disk(): Disk {
    return this.#place.disk;
  }

  get isReadOnly(): boolean {
    return this.#readOnly;
  }

  /**
   * Whether whoever opens the folder now may share this engine: not when it takes no more appends, when it found the ledger
   * damaged, or when the ledger is no longer in its place. All that may have been mended since.
   */
  async isSound(): Promise<boolean> {
    if (this.#poisoned || this.view.ledger.damage) return false;
    try {
      return await this.#place.isOurs();
    } catch {
      return false;
    }
  }

  /** Event files of commits that are still to be written, or that are not known to be in place. */
  get eventFilesPending(): boolean {
    return this.#eventFiles !== undefined && !this.#eventFiles.idle;
  }

  /** Answers what is queued, writes what is owed, and lets everything go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.tail.close();
    const tidying = this.#housekeeping.stop();
    await this.commits.close();
    await this.#lock.close();
    await tidying;
    await this.#sealing.finish();
    await this.#housekeeping.finish();
    await this.reads.empty();
    // The disk may have room for it by now.
    if (this.view.ledger.failure && !(await this.#marked)) await this.#leaveMark(this.view.ledger.failure);
    this.view.index.close();
    await this.#file.close();
  }

  async #onLockTaken(hold: LockHold): Promise<void> {
    // R18.
    if (hold.takenOver) {
      this.#healed = false;
      this.#housekeeping.onProcessDied();
    }
    if (!(await rewriteUnsynced(this.directory, this.view.index.scanFrom?.offset ?? 0, this.#ports.disk))) return;
    this.view.doubt();
    if (await holdsHeader(this.#file, this.header)) return;
    throw new StorageFailedError(
      `${this.view.ledger.path} lost its header when a sync failed. Nothing of this append is stored. Close the store, look after the disk, and open it again.`,
      'not-committed',
      { file: this.view.ledger.path },
    );
  }

  #onCommitted(after: ChainPoint, last: number): void {
    this.#eventFiles?.add(after, last);
    // Only now is everything durable that an earlier owner of the lock may have left without files.
    if (!this.#healed) this.#eventFiles?.heal(this.view.ledger.durable);
    this.#healed = true;
    this.#sealing.onFilled();
    this.tail.wake();
    this.#housekeeping.onCommitted();
  }

  async #onPoisoned(error: unknown): Promise<void> {
    // Before anybody hears of it: whoever opens the folder next must find the mark.
    if (this.view.ledger.failure) await (this.#marked ??= this.#leaveMark(this.view.ledger.failure));
    if (this.#poisoned) return;
    this.#poisoned = true;
    this.commits.poison(error);
    // The folder may lead to another store by now: its files are not ours to write.
    void this.#eventFiles?.stop();
  }

  async #leaveMark(failure: StorageFailedError): Promise<boolean> {
    // What was read may be lost from the page cache like anybody else's.
    this.view.doubt();
    try {
      await markUnsynced(this.directory, this.view.ledger.durablePoint?.offset ?? this.header.offset, this.#place.disk);
      return true;
    } catch (error) {
      this.#ports.warn(`${failure.message} Even leaving a mark for the next process failed (${messageOf(error)}).`);
      return false;
    }
  }

  /** A read that the disk failed tells so like every other call. */
  #explainRead(error: unknown): unknown {
    // Node gives its own complaints, which are mistakes of ours, codes that begin with ERR_.
    if (isOpossumError(error) || !/^E(?!RR_)/.test(codeOf(error) ?? '')) return error;
    return new StorageFailedError(
      `Reading the store in ${this.directory} failed: ${messageOf(error)}. Nothing is lost by that: mend the cause and read again.`,
      'not-committed',
      { directory: this.directory, code: codeOf(error) },
      error,
    );
  }

  /** Part of temporary names, unique to this engine: drawn when something is written. */
  #token(): string {
    return (this.#drawnToken ??= this.#ports.random.uuid().slice(0, 8));
  }

  #createEventFileWriter(codec: EventFileCodec, complete: ChainPoint | undefined): EventFileWriter {
    const { clock, disk, warn } = this.#ports;
    return new EventFileWriter({
      disk: this.#place.disk,
      plainDisk: disk,
      clock,
      codec,
      complete,
      directory: path.join(this.directory, 'events'),
      token: () => this.#token(),
      readBatches: (after, last) => readBatches(this.#file, this.view, after, last),
      isBusy: () => this.commits.isBusy,
      workedMs: () => this.commits.workedMs,
      onProblem: (error) =>
        warn(
          isOpossumError(error)
            ? error.message
            : `Event files in ${this.directory} cannot be written (${messageOf(error)}); the events are safe in the ledger, and the store goes on trying.`,
        ),
    });
  }
}
