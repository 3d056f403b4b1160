import type { EventDefaults } from './check-input.js';

/** What stores without ports of their own use: the only clock and randomness outside `src/disk`. */
export const systemDefaults: EventDefaults = {
  newId: () => globalThis.crypto.randomUUID(),
  now: () => Date.now(),
};

/** Waiting and jitter of retries, for callers who bring none of their own. */
export const retryDefaults = { sleep: sleepUnlessAborted, random: () => Math.random() };

/** Calls `call` every `ms`, which alone does not keep the process alive, until what is returned is called. */
export const intervalDefaults = {
  every(ms: number, call: () => void): () => void {
    const timer = setInterval(call, ms).unref();
    return () => clearInterval(timer);
  },
};

/** Resolves when everything that is ready to run has run, and other work of the process had its turn. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock that never goes back and that all processes of this machine share since it was started; milliseconds. */
export const machineDefaults = { monotonic: () => Number(process.hrtime.bigint()) / 1e6 };

/** Resolves after `ms`; rejects with `signal.reason` as soon as that aborts. */
function sleepUnlessAborted(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      // A signal may outlive a million waits: each takes its listener along.
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
