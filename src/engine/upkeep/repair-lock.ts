import { isOpossumError, LockTimeoutError } from '../../core/errors.js';
import { sleep } from '../../disk/clock.js';
import type { LockHold } from '../../locking/lock.js';
import type { EnginePorts } from '../engine.js';

/** A writer that is at work lets go of the lock for a moment only. */
const acquireMs = 1000;
/** A writer that wants the lock says so within its polling interval. */
const watchMs = 100;
const lookMs = 10;

/** Takes the context's lock for a repair. @throws LockTimeoutError when another process appends, or wants to. */
export async function lockForRepair(directory: string, { openLock, clock }: EnginePorts): Promise<LockHold> {
  const hold = await openLock(directory)
    .acquire(acquireMs)
    .catch((error: unknown) => {
      throw isOpossumError(error, 'LOCK_TIMEOUT') ? busy(directory, error.details, error) : error;
    });
  for (const endMs = clock.monotonic() + watchMs; clock.monotonic() < endMs; await sleep(clock, lookMs)) {
    if (!hold.othersWait()) continue;
    await hold.release({ cleanly: true });
    throw busy(directory, { directory }, undefined);
  }
  return hold;
}

/** A lock that was taken over may belong to a writer by now. */
export function lockLost(directory: string): LockTimeoutError {
  return new LockTimeoutError(`The lock of ${directory} was lost while it was being repaired, so repair stopped. End the processes that write there, and repair again: it goes on where it stopped.`, {
    directory,
  });
}

function busy(directory: string, details: Readonly<Record<string, unknown>>, cause: unknown): LockTimeoutError {
  return new LockTimeoutError(`${directory} cannot be repaired while another process appends to it. Nothing was changed. Close all stores on this folder, and repair again.`, details, cause);
}
