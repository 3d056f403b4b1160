import { isOpossumError } from '../core/errors.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import { isOutOfDescriptors } from '../disk/error-code.js';
import type { ContextLock, LockHold } from '../locking/lock.js';
import type { LedgerPlace } from './ledger-place.js';

export type GuardedLockOptions = {
  readonly lock: ContextLock;
  readonly place: LedgerPlace;
  readonly disk: Disk;
  readonly ledgerPath: string;
};

/**
 * The lock of a folder as an engine takes it: not once the folder is another's; and also when the process has no file
 * descriptor left, since one is kept in reserve for saying who holds the lock. All else of an append uses files that are
 * open already.
 */
export class GuardedLock implements ContextLock {
  readonly #options: GuardedLockOptions;
  #reserve: DiskFile | undefined;

  constructor(options: GuardedLockOptions) {
    this.#options = options;
  }

  async acquire(timeoutMs: number, signal?: AbortSignal): Promise<LockHold> {
    const { lock, place } = this.#options;
    await place.checkBefore();
    await this.#fillReserve();
    try {
      return await lock.acquire(timeoutMs, signal);
    } catch (error) {
      if (!this.#reserve || !isOpossumError(error) || !isOutOfDescriptors(error.details)) throw error;
      // It stays free until the next time, for reading and removing the same file on release.
      await this.#giveReserve();
      return lock.acquire(timeoutMs, signal);
    }
  }

  /** Whoever removes the folder as soon as the store is closed must find nothing new in it. */
  async close(): Promise<void> {
    await this.#giveReserve();
    await this.#options.lock.settle?.();
  }

  async #giveReserve(): Promise<void> {
    const reserve = this.#reserve;
    this.#reserve = undefined;
    await reserve?.close();
  }

  async #fillReserve(): Promise<void> {
    const { disk, ledgerPath } = this.#options;
    try {
      this.#reserve ??= await disk.open(ledgerPath, 'read');
    } catch {
      // Then there is none: an append fails only if the lock cannot be had without.
    }
  }
}
