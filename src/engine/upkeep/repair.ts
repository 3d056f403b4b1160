/*
 * Makes a damaged context whole again. Guarantees: without `apply` nothing is changed; nothing is ever deleted, only moved
 * to `quarantine/`; a repair that was interrupted, by a power cut even, is completed by repairing again; and nothing is
 * guessed: what cannot be restored is listed by position.
 */
import { InvalidInputError, isOpossumError, StorageFailedError } from '../../core/errors.js';
import { describe } from '../../core/json.js';
import { codeOf, messageOf } from '../../disk/error-code.js';
import { checkLocation } from '../context-location.js';
import type { EnginePorts } from '../engine.js';
import { isShared } from '../registry.js';
import { lockForRepair, lockLost } from './repair-lock.js';
import type { RepairAction } from './repair-log.js';
import { RepairRun } from './repair-run.js';

export type RepairOptions = {
  directory: string;
  context?: string;
  /** False (default): a dry run, which changes nothing and takes no lock. True: does what a dry run lists. */
  apply?: boolean;
  /** True: where events cannot be restored from anything, events of type `opossum.lost` take their positions. False (default): then nothing is changed. */
  acceptLoss?: boolean;
  /**
   * What to believe when the ledger is not the one that the checkpoint belongs to and event files are of other events than it
   * has: without it, repair refuses such a folder. `'ledger'`: it is the right one; the event files are moved to
   * `events/void/` and made anew. `'event-files'`: a ledger is made of them, and the present one moved to the quarantine.
   */
  trust?: 'ledger' | 'event-files';
  /** Aborting rejects with `signal.reason`; repairing again completes what was begun. */
  signal?: AbortSignal;
  /** Told now and then how much of the work is done, in any unit. */
  onProgress?: (progress: { done: number; total: number }) => void;
};

export type RepairReport = {
  /** Whether anything was changed; false in a dry run. */
  readonly applied: boolean;
  /** True when the context is sound: it was already, or, after applying, `verify` found it so. */
  readonly ok: boolean;
  /** Position of the last event after the repair; in a dry run, as it would be. */
  readonly head: number;
  /** What was done, or is to be done, in order. The first thousand. */
  readonly actions: readonly RepairAction[];
  /** All of them, listed or not. */
  readonly actionCount: number;
  /** Positions, inclusive, whose events cannot be restored from anything. */
  readonly lost: readonly { readonly first: number; readonly last: number; readonly message: string }[];
  /** Folder within the context that holds what was moved aside; absent when nothing was. */
  readonly quarantine?: string;
};

/** `repairContext` on other ports: what a simulation uses. */
export async function repairOn(options: RepairOptions, ports: EnginePorts): Promise<RepairReport> {
  const { context, folder } = checkLocation(options, ['apply', 'acceptLoss', 'trust', 'signal', 'onProgress'], 'the options of repairContext');
  const { apply = false, acceptLoss = false, trust, signal, onProgress } = options;
  if (trust !== undefined && trust !== 'ledger' && trust !== 'event-files') throw new InvalidInputError('options.trust', `is ${describe(trust)}; it must be 'ledger' or 'event-files'.`);
  try {
    const found = await ports.disk.stat(folder);
    if (found?.kind !== 'directory') throw new InvalidInputError('options.directory', `leads to no store: there is no folder ${folder}.`);
    const directory = await ports.disk.realPath(folder);
    const run = (mayGoOn: (() => void) | undefined): Promise<RepairReport> =>
      new RepairRun({ directory, acceptLoss, trust, signal, onProgress, mayGoOn, root: options.directory, context }, ports).run();
    if (!apply) return await run(undefined);
    if (isShared(ports.engines, `write:${directory}`) || isShared(ports.engines, `read:${directory}`)) {
      throw new InvalidInputError('options.directory', `leads to ${directory}, which this process has open. Close its stores first.`);
    }
    const hold = await lockForRepair(directory, ports);
    try {
      return await run(() => {
        signal?.throwIfAborted();
        if (hold.lost) throw lockLost(directory);
      });
    } finally {
      await hold.release({ cleanly: true });
    }
  } catch (error) {
    if (isOpossumError(error) || error === signal?.reason) throw error;
    throw new StorageFailedError(`${folder} cannot be repaired: ${messageOf(error)}. Mend the cause and repair again: it goes on where it stopped.`, 'unknown', { code: codeOf(error) }, error);
  }
}
