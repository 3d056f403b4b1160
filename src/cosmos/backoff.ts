/* Trying again: with full jitter, so that writers who lost to each other at one moment do not meet again at the next. */
import { StorageFailedError } from '../core/errors.js';
import { isBehindSession } from './single-read.js';

export type BackoffPorts = {
  /** Waits; rejects when `signal` aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
};

export type Backoff = BackoffPorts & {
  /** How often a request that fails for a passing reason is made in all. */
  readonly maxAttempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
};

export const backoffDefaults = { maxAttempts: 20, baseDelayMs: 5, maxDelayMs: 1000 } as const;

/** Waits before attempt `attempt + 1`, from 1. */
export function wait({ sleep, random, baseDelayMs, maxDelayMs }: Backoff, attempt: number, signal?: AbortSignal): Promise<void> {
  return sleep(random() * Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(attempt, 30)), signal);
}

/** Makes a request that changes nothing until it is answered; what will not pass by itself comes out at once. */
export async function untilAnswered<T>(backoff: Backoff, what: string, request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      if (isLasting(error) || attempt >= backoff.maxAttempts) throw requestFailed(what, attempt, error);
      await wait(backoff, attempt, signal);
    }
  }
}

function requestFailed(what: string, attempts: number, error: unknown): StorageFailedError {
  const status = statusOf(error);
  return new StorageFailedError(
    `Cosmos DB: ${what} failed after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${error instanceof Error ? error.message : String(error)}. ` +
      'Nothing was appended by it. Check the account, the key and the container, then try again.',
    'not-committed',
    { attempts, ...(status === undefined ? {} : { status }) },
    error,
  );
}

/** Wrong key, no permission, no such container, not understood: the same again gives the same. */
function isLasting(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500 && !passing.has(status) && !isBehindSession(error);
}

/** Time-out, moved partition, too many requests, retry with. */
const passing = new Set([408, 410, 429, 449]);

function statusOf(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'number' ? code : undefined;
}
