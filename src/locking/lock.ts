/*
 * The port for the cross-process lock. It gives speed and fairness; safety comes from the chain rule: a lock that was
 * lost or stolen makes its holder's late frames void, never anybody's commit.
 */

/** Who holds or held a lock, as written into `ledger.lock.owner`. */
export type LockOwner = {
  readonly host: string;
  /** Changes with every boot of the host; empty where the system does not tell. */
  readonly bootId: string;
  readonly pid: number;
  /** When the process started, in the system's own words: tells a reused pid from the process itself. Empty where unknown. */
  readonly startedAt: string;
  /** The system's number for the thread within that process; `startedAt` is the thread's then. Absent where unknown. */
  readonly thread?: number;
  /** Random, one per hold. */
  readonly token: string;
};

export interface ContextLock {
  /**
   * Waits for the lock, fairly, for at most `timeoutMs` milliseconds, or until `signal` aborts; one call at a time.
   * @throws LockTimeoutError that names the owner; StorageFailedError when the folder cannot be written; `signal.reason`.
   */
  acquire(timeoutMs: number, signal?: AbortSignal): Promise<LockHold>;
  /** Resolves when nothing of a lock that was given back is left in the folder; absent where nothing ever is. */
  settle?(): Promise<void>;
}

export interface LockHold {
  /** True once the lock was noticed to be lost, on release at the latest: another process may hold it. */
  readonly lost: boolean;
  /** True when the lock was taken over from an owner that died holding it: its event files may be unfinished. */
  readonly takenOver: boolean;
  /** That owner, if it said who it is. */
  readonly takenFrom?: LockOwner | undefined;
  /** Whether another process waits for the lock. Costs about a microsecond. */
  othersWait(): boolean;
  /**
   * Gives the lock up, to one of those who wait if anybody does; with `cleanly` it resolves only when nothing of this
   * process's is left of it in the folder. Never throws.
   */
  release(options?: { readonly cleanly?: boolean }): Promise<void>;
}

/** `'ledger'`: held for moments, by whoever appends. `'lease'`: kept for days by one process, while others stand by. */
export type LockKind = 'ledger' | 'lease';

/** Opens the lock of that kind, `'ledger'` when absent, in `directory`. */
export type OpenLock = (directory: string, kind?: LockKind) => ContextLock;
