/*
 * A copy of a context that opens as it is, taken while writers go on. Guarantees: the source is only read and its lock not
 * taken; the copy's head is durable, in the source and in the copy; an earlier backup is touched only after the source was
 * read through and found sound; one that is cut off is completed by running it again; a first one appears whole.
 */
import path from 'node:path';
import { InvalidInputError, isOpossumError } from '../../core/errors.js';
import { codeOf } from '../../disk/error-code.js';
import { sleep } from '../../disk/clock.js';
import { openLedgerFileReadOnly } from '../../ledger/header.js';
import { rewriteUnsynced } from '../../ledger/unsynced.js';
import type { LockHold } from '../../locking/lock.js';
import { Breather } from '../breather.js';
import { writeCheckpoint } from '../checkpoint.js';
import { checkDirectory, checkLocation } from '../context-location.js';
import type { EnginePorts } from '../engine.js';
import { copyLedger } from './backup-copy.js';
import { backupFailed, copyLocked, copyUnsound } from './backup-errors.js';
import { backupToken, writeEventFiles } from './backup-files.js';
import { openBackupSource, type BackupSource } from './backup-source.js';
import { adoptState, stageState } from './backup-state.js';
import { findTarget, makeFolders, planCopy, type CopyPlan, type TargetPlace } from './backup-target.js';
import { verifyOn } from './verify.js';

export type BackupOptions = {
  /** Folder that holds the contexts. */
  directory: string;
  /** Name of the store within it; `default` when absent. */
  context?: string;
  /** Folder for copies of contexts, made when absent: the copy is `<destination>/<context>`. */
  destination: string;
  /** Aborting rejects with `signal.reason`; running the backup again completes it. */
  signal?: AbortSignal;
  /** Told now and then how far the backup is. */
  onProgress?: (progress: BackupProgress) => void;
};

export type BackupProgress = {
  readonly step: 'reading' | 'copying' | 'event files' | 'verifying';
  /** Bytes of ledger, or number of event files, of `total`. */
  readonly done: number;
  readonly total: number;
};

export type BackupReport = {
  /** The copy's folder. */
  readonly folder: string;
  /** Position of the copy's last event; 0 when it is empty. */
  readonly head: number;
  /** Events that the copy did not have before. */
  readonly copiedEvents: number;
  /** Bytes of ledger that were written. */
  readonly copiedBytes: number;
  /** Whether an earlier backup was continued. */
  readonly incremental: boolean;
};

/** `backupContext` on other ports. */
export async function backupOn(options: BackupOptions, ports: EnginePorts): Promise<BackupReport> {
  const { context } = checkLocation(options, ['destination', 'signal', 'onProgress'], 'the options of backupContext');
  checkDirectory(options.destination, 'options.destination');
  try {
    return await new Backup(options, context, ports).run();
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isOpossumError(error)) throw error;
    throw backupFailed(options.destination, context, error);
  }
}

/** How long to wait for somebody who writes to the copy: long enough for the lock of one that died on another host to go stale. */
const lockTimeoutMs = 6000;

class Backup {
  readonly #options: BackupOptions;
  readonly #context: string;
  readonly #ports: EnginePorts;
  readonly #breather: Breather;

  constructor(options: BackupOptions, context: string, ports: EnginePorts) {
    this.#options = options;
    this.#context = context;
    this.#ports = ports;
    this.#breather = new Breather(ports.clock);
  }

  async run(): Promise<BackupReport> {
    const { disk } = this.#ports;
    const given = path.join(path.resolve(this.#options.directory), this.#context);
    await (await openLedgerFileReadOnly(given, disk)).file.close();
    const source = await disk.realPath(given);
    const target = await this.#findTarget(source);
    return target.exists ? this.#continue(source, target) : this.#begin(source, target);
  }

  async #findTarget(source: string): Promise<TargetPlace> {
    const { destination } = this.#options;
    try {
      return await findTarget(destination, this.#context, source, this.#ports.disk);
    } catch (error) {
      if (codeOf(error) === 'ENOTDIR') throw new InvalidInputError('options.destination', `is ${destination}, but a part of that path is a file, not a folder.`);
      throw error;
    }
  }

  /** Builds the copy in a folder beside, and gives it its name when all is done. */
  async #begin(source: string, { folder }: TargetPlace): Promise<BackupReport> {
    const { disk } = this.#ports;
    const workshop = path.join(path.dirname(folder), `.backup-${this.#context}`);
    await makeFolders(workshop, disk);
    const hold = await this.#lock(workshop);
    const copy = path.join(workshop, this.#context);
    try {
      const found = await disk.list(folder);
      if (found !== undefined && found.length > 0) throw new InvalidInputError('options.destination', `got a backup in ${folder} meanwhile. Run the backup again.`);
      await disk.removeTree(copy);
      await disk.makeDirectory(copy);
      const report = await this.#fill(source, copy, hold, false);
      await this.#verify(workshop);
      this.#check(hold);
      if (found) await disk.removeDirectory(folder);
      await disk.rename(copy, folder);
      await disk.syncDirectory(path.dirname(folder));
      return { ...report, folder };
    } finally {
      await this.#close(workshop, hold);
    }
  }

  async #continue(source: string, { folder }: TargetPlace): Promise<BackupReport> {
    const hold = await this.#lock(folder);
    try {
      await rewriteUnsynced(folder, 0, this.#ports.disk);
      const report = await this.#fill(source, folder, hold, true);
      await this.#verify(path.resolve(this.#options.destination));
      return report;
    } finally {
      await hold.release({ cleanly: true });
    }
  }

  async #fill(from: string, folder: string, hold: LockHold, incremental: boolean): Promise<BackupReport> {
    const { disk } = this.#ports;
    const staged = path.join(folder, 'state.backup');
    await disk.removeTree(staged);
    // Before the head is taken: a consumer's checkpoint in the copy must not be ahead of the copy's events.
    const hasState = (await disk.stat(path.join(from, 'state')))?.kind === 'directory';
    if (hasState) await stageState(path.join(from, 'state'), staged, disk);
    const source = await openBackupSource(from, this.#ports, { signal: this.#options.signal, onProgress: (done, total) => this.#tell('reading', done, total) });
    try {
      const plan = incremental ? await planCopy(folder, source, disk) : wholeCopy(source);
      const copiedBytes = await this.#copy(source, folder, plan, hold);
      await this.#writeEventFiles(source, folder, plan, hold);
      if (hasState) await adoptState(staged, path.join(folder, 'state'), disk);
      await disk.removeTree(staged);
      await this.#writeCheckpoint(source, folder, plan, hold);
      return { folder, head: plan.head.position, copiedEvents: plan.head.position - plan.from.position, copiedBytes, incremental };
    } finally {
      await source.file.close();
    }
  }

  #copy(source: BackupSource, folder: string, plan: CopyPlan, hold: LockHold): Promise<number> {
    const beforePiece = (offset: number): void => {
      this.#check(hold);
      this.#tell('copying', offset, plan.end);
    };
    return copyLedger({ disk: this.#ports.disk, source: source.file, folder, plan, beforePiece });
  }

  async #writeEventFiles({ header }: BackupSource, folder: string, { head, end, eventFiles: complete }: CopyPlan, hold: LockHold): Promise<void> {
    const { disk } = this.#ports;
    const file = await disk.open(path.join(folder, 'ledger'), 'read');
    const first = complete?.position ?? 0;
    const pause = async (position: number): Promise<void> => {
      this.#check(hold);
      this.#tell('event files', position - first, head.position - first);
      await this.#breather.breathe();
    };
    try {
      await writeEventFiles({ disk, folder, file, header, end, complete, pause });
    } finally {
      await file.close();
    }
  }

  /** Last of all: what it says is true by now, and durable. */
  async #writeCheckpoint({ header }: BackupSource, folder: string, { head }: CopyPlan, hold: LockHold): Promise<void> {
    const { disk } = this.#ports;
    this.#check(hold);
    if (head.position === 0) return;
    const eventFiles = header.eventFiles === 'none' ? undefined : head;
    await writeCheckpoint(folder, { ledgerId: header.ledgerId.toString('hex'), durable: head, eventFiles }, backupToken, disk);
    await disk.syncFile(path.join(folder, 'checkpoint'));
    await disk.syncDirectory(folder);
  }

  /** @throws LedgerCorruptError when the copy is not what it should be. */
  async #verify(directory: string): Promise<void> {
    const { signal } = this.#options;
    const onProgress = ({ done, total }: { done: number; total: number }): void => this.#tell('verifying', done, total);
    const report = await verifyOn({ directory, context: this.#context, onProgress, ...(signal ? { signal } : {}) }, this.#ports);
    if (report.ok) return;
    throw copyUnsound(path.join(directory, this.#context), report);
  }

  async #lock(folder: string): Promise<LockHold> {
    try {
      return await this.#ports.openLock(folder).acquire(lockTimeoutMs);
    } catch (error) {
      throw isOpossumError(error, 'LOCK_TIMEOUT') ? copyLocked(folder, error) : error;
    }
  }

  #check(hold: LockHold): void {
    this.#options.signal?.throwIfAborted();
    if (hold.lost) throw new Error('the lock of the copy was lost: this process stood still for too long, or another one writes there');
  }

  #tell(step: BackupProgress['step'], done: number, total: number): void {
    this.#options.onProgress?.({ step, done, total });
  }

  /** Removes what a first backup was built in; what cannot be removed is cleared away by the next one. */
  async #close(workshop: string, hold: LockHold): Promise<void> {
    const { disk, clock } = this.#ports;
    try {
      // With the lock lost, another backup may be at work there.
      if (!hold.lost) await disk.removeTree(path.join(workshop, this.#context));
    } catch {
      // Why the backup failed tells more.
    }
    await hold.release({ cleanly: true });
    for (let attempt = 1; ; attempt++) {
      try {
        return await disk.removeDirectory(workshop);
      } catch (error) {
        // The lock's directory goes away in the background.
        if (attempt === 20 || !['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) return;
        await sleep(clock, 5);
      }
    }
  }
}

function wholeCopy({ header, head, end }: BackupSource): CopyPlan {
  return { from: { position: 0, checksum: header.checksum, offset: header.offset }, head, end, appendAt: 0, durableTo: 0, eventFiles: undefined };
}
