/*
 * Checks everything that a context stores: every checksum and chain link of the ledger, every event file, every index block
 * and the checkpoint. Reads only, takes no lock, and looks at what was written when it began, so writers may go on: what
 * seems wrong is looked at a second time before it is told.
 */
import { isOpossumError, StorageFailedError } from '../../core/errors.js';
import { sleep, type Clock } from '../../disk/clock.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { messageOf } from '../../disk/error-code.js';
import { openLedgerFileReadOnly, type LedgerHeader } from '../../ledger/header.js';
import { checkLocation } from '../context-location.js';
import { lookAgainMs } from '../look-again.js';
import { patchyDisk, type UnreadableStretch } from './patchy-file.js';
import type { VerifyNote, VerifyProblem } from './problems.js';
import { Verification } from './verification.js';

export type VerifyOptions = {
  directory: string;
  context?: string;
  /** Told now and then how many bytes of the ledger were checked. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Aborting rejects with `signal.reason`. */
  signal?: AbortSignal;
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
  /** What a person may want to know although nothing is wrong: leftover files, event files of no event, a checkpoint that is ignored. The first thousand. */
  readonly notes: readonly VerifyNote[];
  /** All of them, listed or not. */
  readonly noteCount: number;
};

export type UpkeepPorts = { readonly disk: Disk; readonly clock: Clock };

/** `verifyContext` on other ports: what a simulation uses. */
export async function verifyOn(options: VerifyOptions, { disk, clock }: UpkeepPorts): Promise<VerifyReport> {
  const { folder: directory } = checkLocation(options, ['onProgress', 'signal'], 'the options of verifyContext');
  const look = async (): Promise<Verification> => {
    const unreadable: UnreadableStretch[] = [];
    const verification = new Verification({ directory, disk, clock, unreadable, signal: options.signal, onProgress: options.onProgress });
    const opened = await openLedger(directory, patchyDisk(disk, unreadable, clock));
    if ('problem' in opened) verification.addProblem(asUnreadable(opened.problem, unreadable));
    else await verification.run(opened.file, opened.header).finally(() => opened.file.close());
    return verification;
  };
  try {
    let verification = await look();
    if (verification.ledgerIsDamaged) {
      await sleep(clock, lookAgainMs);
      verification = await look();
    }
    return verification.report();
  } catch (error) {
    // An abort has a reason of the caller's own, which is no failure to read.
    options.signal?.throwIfAborted();
    throw error === options.signal?.reason ? error : asReadError(directory, error);
  }
}

/** The ledger, or what keeps it from being one. @throws what `openLedgerFileReadOnly` throws of folders that are no damaged store. */
export async function openLedger(directory: string, disk: Disk): Promise<{ file: DiskFile; header: LedgerHeader } | { problem: VerifyProblem }> {
  try {
    return await openLedgerFileReadOnly(directory, disk);
  } catch (error) {
    if (!isOpossumError(error, 'LEDGER_CORRUPT')) throw error;
    return { problem: { what: 'ledger', where: 'ledger', offset: 0, message: error.message } };
  }
}

/** A ledger without a valid header, because its beginning cannot be read. */
function asUnreadable(problem: VerifyProblem, [stretch]: readonly UnreadableStretch[]): VerifyProblem {
  return stretch ? { ...problem, message: `${problem.message} The bytes from ${stretch.from} to ${stretch.to - 1} cannot be read (${stretch.reason}).` } : problem;
}

function asReadError(directory: string, error: unknown): unknown {
  if (isOpossumError(error)) return error;
  return new StorageFailedError(`${directory} cannot be read: ${messageOf(error)}.`, 'not-committed', {}, error);
}
