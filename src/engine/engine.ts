/*
 * One open ledger of this process: puts ledger, lock, index and event files together, and looks after them while nothing
 * else is to be done. All stores that this process opens on the same folder share one engine.
 */
import path from 'node:path';
import { StorageFailedError } from '../core/errors.js';
import type { ChainPoint } from '../core/stored.js';
import type { DiskFile, FileStat } from '../disk/disk.js';
import { messageOf } from '../disk/error-code.js';
import { openEventFileCodec, type EventFileCodec } from '../eventfiles/event-file.js';
import { EventFileWriter } from '../eventfiles/event-file-writer.js';
import type { EventIndex } from '../indexing/event-index.js';
import {
  openLedgerFile,
  openLedgerFileReadOnly,
  type EventFileFormat,
  type LedgerHeader,
  type LedgerPorts,
} from '../ledger/header.js';
import { Ledger } from '../ledger/ledger.js';
import { isUnsynced, markUnsynced, rewriteUnsynced } from '../ledger/unsynced.js';
import type { LockHold, OpenLock } from '../locking/lock.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { CommitPath } from './commit-path.js';
import { Gate } from './gate.js';
import { LedgerView, maxUnsealedBlocks } from './ledger-view.js';
import { LockKeeper } from './lock-keeper.js';
import { openIndex } from './open-index.js';
import { readBatches } from './read-batches.js';
import type { EngineRegistry } from './registry.js';
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

/** Housekeeping begins when no append came for so long. */
const idleMs = 1000;
/** How long `close` makes event files durable; the rest is compared by the next writer. */
const closeSyncMs = 200;

export class Engine {
  readonly directory: string;
  readonly header: LedgerHeader;
  readonly view: LedgerView;
  readonly commits: CommitPath;
  readonly tail: TailWatch;
  /** Reads in progress. */
  readonly reads = new Gate();
  readonly #ports: EnginePorts;
  readonly #file: DiskFile;
  readonly #opened: FileStat;
  readonly #eventFiles: EventFileWriter | undefined;
  readonly #token: string;
  readonly #readOnly: boolean;
  #sealing: Promise<void> | undefined;
  #savedCheckpoint = '';
  #cancelIdle: (() => void) | undefined;
  #tidying: Promise<void> | undefined;
  #healed = false;
  #poisoned = false;
  #closed = false;

  static async open(options: EngineOptions, ports: EnginePorts): Promise<Engine> {
    const { directory, readOnly } = options;
    const { file, header } = await (readOnly
      ? openLedgerFileReadOnly(directory, ports.disk)
      : openLedgerFile(directory, options.eventFiles, ports));
    let index: EventIndex | undefined;
    try {
      // Before the ledger is read: what a checkpoint says is durable, a later look at the ledger must find.
      const checkpoint = await readCheckpoint(directory, header.ledgerId, ports.disk);
      index = await openIndex(options, file, header, ports);
      const ledger = new Ledger(path.join(directory, 'ledger'), file, header, index.scanFrom, ports.clock);
      const view = new LedgerView(ledger, index, ports.clock, readOnly);
      await view.catchUp();
      if (checkpoint?.durable) ledger.assumeDurable(checkpoint.durable);
      const codec = header.eventFiles === 'none' || readOnly ? undefined : await openEventFileCodec(header.eventFiles);
      const engine = new Engine(options, ports, view, file, await file.stat(), codec, checkpoint?.eventFiles);
      // Blocks that are missing would be made anew, in memory, by everybody who opens the folder.
      engine.#seal();
      return engine;
    } catch (error) {
      index?.close();
      await file.close();
      throw error;
    }
  }

  private constructor(
    options: EngineOptions,
    ports: EnginePorts,
    view: LedgerView,
    file: DiskFile,
    opened: FileStat,
    codec: EventFileCodec | undefined,
    complete: ChainPoint | undefined,
  ) {
    this.directory = options.directory;
    this.header = view.ledger.header;
    this.view = view;
    this.#ports = ports;
    this.#file = file;
    this.#opened = opened;
    this.#readOnly = options.readOnly;
    this.#token = ports.random.uuid().slice(0, 8);
    this.tail = new TailWatch(view.ledger.path, ports.disk, ports.clock);
    this.#eventFiles = codec && this.#createEventFileWriter(codec, complete);
    const lock = new LockKeeper({
      lock: ports.openLock(options.directory),
      clock: ports.clock,
      onTaken: (hold) => this.#onLockTaken(hold),
      onIdle: () => void this.commits.releaseIdleLock(),
    });
    this.commits = new CommitPath({
      view,
      lock,
      clock: ports.clock,
      beforeGroup: () => this.#keepIndexUp(),
      checkLedgerInPlace: () => this.#checkLedgerInPlace(),
      onCommitted: (after, last) => this.#onCommitted(after, last),
      onPoisoned: (error) => this.#onPoisoned(error),
    });
    view.isSuspect = () => isUnsynced(options.directory, ports.disk);
    view.onSyncFailed = (error) => this.#onPoisoned(error);
  }

  get isReadOnly(): boolean {
    return this.#readOnly;
  }

  /** True when appends failed with unknown outcome: this engine only reads from then on. */
  get isPoisoned(): boolean {
    return this.#poisoned;
  }

  /** Event files of commits that are still to be written, or that are not known to be in place. */
  get eventFilesPending(): boolean {
    return this.#eventFiles !== undefined && !this.#eventFiles.idle;
  }

  /** Answers what is queued, writes what is owed, and lets everything go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelIdle?.();
    this.tail.close();
    await this.commits.close();
    await this.#tidying;
    await this.#sealing;
    await this.#sealAll();
    await this.#writeEventFiles();
    await this.reads.empty();
    this.view.index.close();
    await this.#file.close();
  }

  async #writeEventFiles(): Promise<void> {
    const writer = this.#eventFiles;
    if (this.#readOnly || this.#poisoned) return;
    try {
      await writer?.flush();
      const end = this.#ports.clock.monotonic() + closeSyncMs;
      await writer?.syncFiles(() => this.#ports.clock.monotonic() < end);
    } catch (error) {
      this.#ports.warn(
        `Some event files in ${this.directory} could not be written (${messageOf(error)}). The events are safe in the ledger; ` +
          'the next process that appends writes the files.',
      );
    }
    writer?.stop();
    await this.#saveCheckpoint();
  }

  async #onLockTaken(hold: LockHold): Promise<void> {
    await rewriteUnsynced(this.directory, this.#ports.disk);
    if (hold.takenOver) this.#healed = false;
  }

  #onCommitted(after: ChainPoint, last: number): void {
    this.#eventFiles?.add(after, last);
    // Only now is everything durable that an earlier owner of the lock may have left without files.
    if (!this.#healed) this.#eventFiles?.heal(this.view.ledger.durable);
    this.#healed = true;
    this.#seal();
    this.tail.wake();
    this.#watchIdle();
  }

  async #checkLedgerInPlace(): Promise<void> {
    const found = await this.#ports.disk.stat(this.view.ledger.path);
    if (found?.ino === this.#opened.ino && found.dev === this.#opened.dev) return;
    throw new StorageFailedError(
      `The file ${this.view.ledger.path} was ${found ? 'replaced' : 'removed'} while the store was open. What was appended last is not in ` +
        'its place. Close the store, find out what moved the folder, and open it again.',
      'unknown',
      { file: this.view.ledger.path },
    );
  }

  async #onPoisoned(error: unknown): Promise<void> {
    if (this.#poisoned) return;
    this.#poisoned = true;
    this.commits.poison(error);
    // The folder may lead to another store by now: its files are not ours to write.
    this.#eventFiles?.stop();
    if (!this.view.ledger.failure) return;
    try {
      await markUnsynced(this.directory, this.view.ledger.durablePoint?.offset ?? this.header.offset, this.#ports.disk);
    } catch (second) {
      this.#ports.warn(`Syncing ${this.view.ledger.path} failed (${messageOf(error)}), and so did leaving a mark for the next process (${messageOf(second)}).`);
    }
  }

  #seal(): void {
    if (this.view.index.unsealed === 0 || this.#sealing) return;
    this.#sealing = this.#sealAll().finally(() => {
      this.#sealing = undefined;
    });
  }

  /** Seals for as long as it gets on: appends may fill further blocks meanwhile. */
  async #sealAll(): Promise<void> {
    const { index } = this.view;
    for (let left = index.unsealed, before = Infinity; left > 0 && left < before; [before, left] = [left, index.unsealed]) await this.view.seal();
  }

  /** Makes a flood of appends wait for the index, so that memory stays bounded. */
  async #keepIndexUp(): Promise<void> {
    if (this.view.index.unsealed > maxUnsealedBlocks) await this.#sealing;
  }

  #watchIdle(): void {
    if (this.#cancelIdle || this.#closed) return;
    const { clock } = this.#ports;
    this.#cancelIdle = clock.timer(
      idleMs,
      () => {
        this.#cancelIdle = undefined;
        if (this.#closed) return;
        if (this.#poisoned) return;
        if (this.commits.isBusy || this.eventFilesPending) return this.#watchIdle();
        this.#tidying ??= this.#tidyUp().finally(() => (this.#tidying = undefined));
      },
      false,
    );
  }

  async #tidyUp(): Promise<void> {
    try {
      await this.#eventFiles?.syncFiles(() => !this.#closed && !this.commits.isBusy);
      await this.#saveCheckpoint();
    } catch {
      // Nothing depends on it, and the next idle moment tries again.
    }
    if (this.commits.isBusy && !this.#closed) this.#watchIdle();
  }

  async #saveCheckpoint(): Promise<void> {
    const { disk } = this.#ports;
    // Another process may have got further; marks never go back.
    const before = await readCheckpoint(this.directory, this.header.ledgerId, disk).catch(() => undefined);
    const durable = further(before?.durable, this.view.ledger.durablePoint);
    const eventFiles = further(before?.eventFiles, this.#eventFiles?.complete);
    const isTrue = eventFiles !== undefined && eventFiles.position <= (durable?.position ?? 0);
    const checkpoint = { ledgerId: this.header.ledgerId.toString('hex'), durable, eventFiles: isTrue ? eventFiles : undefined };
    const text = JSON.stringify(checkpoint);
    if (text === this.#savedCheckpoint || checkpoint.durable?.position === 0) return;
    try {
      await writeCheckpoint(this.directory, checkpoint, this.#token, disk);
      this.#savedCheckpoint = text;
    } catch {
      // A checkpoint that lags behind costs only time.
    }
  }

  #createEventFileWriter(codec: EventFileCodec, complete: ChainPoint | undefined): EventFileWriter {
    const { disk, clock, warn } = this.#ports;
    return new EventFileWriter({
      disk,
      clock,
      codec,
      complete,
      directory: path.join(this.directory, 'events'),
      token: this.#token,
      readBatches: (after, last) => readBatches(this.#file, this.view, after, last),
      isBusy: () => this.commits.isBusy,
      onProblem: (error) =>
        warn(`Event files in ${this.directory} cannot be written (${messageOf(error)}); the events are safe in the ledger, and the store goes on trying.`),
    });
  }
}

function further(a: ChainPoint | undefined, b: ChainPoint | undefined): ChainPoint | undefined {
  return (a?.position ?? -1) > (b?.position ?? -1) ? a : b;
}
