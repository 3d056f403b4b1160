import { StorageFailedError } from '../../core/errors.js';

/**
 * Too many requests: nothing was done; the same call can succeed after `retryAfterMs`. Like every failure of storage it has the
 * code `STORAGE_FAILED`.
 */
export class ThrottledError extends StorageFailedError {
  override readonly retryable = true;
  /** Milliseconds to wait before the next call. */
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super(`Too many requests (429). Nothing was done: try again after ${retryAfterMs} ms.`, 'not-committed', { status: 429, retryAfterMs });
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The process "died": this call and every later one on the same wrapped store ends with this error, as nothing runs any more in a
 * dead process. It is no error of the library, so no handler takes it for something to repeat. Start again with a new wrapper
 * around the same store, as a new process would.
 */
export class SimulatedCrashError extends Error {
  override readonly name = 'SimulatedCrashError';

  constructor() {
    super('The process of this store crashed (withFaults). Catch this in the test, and go on with a new withFaults() around the same store.');
  }
}
