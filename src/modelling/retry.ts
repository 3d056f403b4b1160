/* Repeats what lost a race. The delays have full jitter: racers that lost to each other at one moment must not meet again at the next. */
import { retryDefaults } from '../core/defaults.js';
import { InvalidInputError, isOpossumError } from '../core/errors.js';
import { describe } from '../core/json.js';

export type RetryOptions = {
  /** How often to try in all, at least 1; 10 when absent. */
  maxAttempts?: number;
  /** Milliseconds: the first delay is random from 0 (inclusive) to this (exclusive), and the bound doubles with each attempt; 5 when absent. */
  baseDelayMs?: number;
  /** Milliseconds that the doubling bound never exceeds; 1,000 when absent. */
  maxDelayMs?: number;
  /** Aborting ends the waiting, and rejects with `signal.reason`. An attempt under way is not cut off by it. */
  signal?: AbortSignal;
  /** Waits between attempts; rejects when `signal` aborts. A timer when absent. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** From 0 (inclusive) to 1 (exclusive); `Math.random` when absent. */
  random?: () => number;
  /** Called before each delay, for metrics. `attempt` is the one that lost, from 1. What it throws ends the retrying. */
  onRetry?: (info: { attempt: number; delayMs: number; error: unknown }) => void;
  /** Which errors mean that a race was lost; a failed append condition when absent. */
  isConflict?: (error: unknown) => boolean;
};

/**
 * Calls `attempt` (with 1, 2, 3, …) until it succeeds, or fails with something else than a conflict, or `maxAttempts` are used up.
 * Then its last error comes out as it is.
 */
export async function retryOnConflict<T>(attempt: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { maxAttempts = 10, baseDelayMs = 5, maxDelayMs = 1000, signal, sleep = retryDefaults.sleep, random = retryDefaults.random } = options;
  const { onRetry, isConflict = (error) => isOpossumError(error, 'APPEND_CONDITION_FAILED') } = options;
  checkNumber(maxAttempts, 'options.maxAttempts', 1, Number.isSafeInteger(maxAttempts));
  checkNumber(baseDelayMs, 'options.baseDelayMs', 0, baseDelayMs <= longestDelayMs);
  checkNumber(maxDelayMs, 'options.maxDelayMs', 0, maxDelayMs <= longestDelayMs);
  for (let number = 1; ; number++) {
    signal?.throwIfAborted();
    try {
      return await attempt(number);
    } catch (error) {
      if (number >= maxAttempts || !isConflict(error)) throw error;
      // The exponent is bounded, so that a base of 0 is not multiplied by infinity.
      const boundMs = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(number - 1, 31));
      const delayMs = random() * boundMs;
      onRetry?.({ attempt: number, delayMs, error });
      await sleep(delayMs, signal);
    }
  }
}

/** A timer set for longer fires at once. */
const longestDelayMs = 2 ** 31 - 1;

function checkNumber(value: number, path: string, least: number, fits: boolean): void {
  if (typeof value === 'number' && value >= least && fits) return;
  const what = path.endsWith('Ms') ? `a number of milliseconds from 0 to ${longestDelayMs}` : 'a whole number of at least 1';
  throw new InvalidInputError(path, `is ${describe(value)}; it must be ${what}.`);
}
