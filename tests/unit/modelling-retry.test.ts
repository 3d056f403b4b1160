import { describe, expect, test } from 'vitest';
import { AppendConditionFailedError } from '../../src/index.js';
import { retryOnConflict } from '../../src/modelling/retry.js';

const conflict = new AppendConditionFailedError({ position: 1, type: 'A', tags: [] }, { failIfEventsMatch: 'all' });

/** Fails so often with a conflict, then gives the number of the attempt. */
function losing(times: number): (attempt: number) => Promise<number> {
  return async (attempt) => {
    if (attempt <= times) throw conflict;
    return attempt;
  };
}

describe('retrying', () => {
  test('waits for a random time below a bound that doubles up to its maximum', async () => {
    const delays: number[] = [];
    const seen: object[] = [];
    const options = { baseDelayMs: 10, maxDelayMs: 50, random: () => 0.5, sleep: async (ms: number) => void delays.push(ms) };
    expect(await retryOnConflict(losing(5), { ...options, onRetry: (info) => void seen.push(info) })).toBe(6);
    expect(delays).toEqual([5, 10, 20, 25, 25]);
    expect(seen).toEqual(delays.map((delayMs, i) => ({ attempt: i + 1, delayMs, error: conflict })));
  });

  test('ends with the last error when the attempts are used up', async () => {
    let slept = 0;
    const sleep = async () => void slept++;
    await expect(retryOnConflict(losing(3), { maxAttempts: 3, sleep })).rejects.toBe(conflict);
    expect(slept).toBe(2);
    expect(await retryOnConflict(losing(9), { sleep })).toBe(10);
    await expect(retryOnConflict(losing(10), { sleep })).rejects.toBe(conflict);
  });

  test('passes on at once what is no conflict', async () => {
    const failure = new Error('disk on fire');
    let attempts = 0;
    await expect(retryOnConflict(async () => (attempts++, Promise.reject(failure)), {})).rejects.toBe(failure);
    expect(attempts).toBe(1);
    expect(await retryOnConflict(async (attempt) => (attempt < 3 ? Promise.reject(failure) : attempt), { isConflict: (error) => error === failure, baseDelayMs: 0 })).toBe(3);
  });

  test('stops at an abort: before an attempt, and in the midst of a wait', async () => {
    const reason = new Error('enough');
    let attempts = 0;
    await expect(retryOnConflict(async () => void attempts++, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(attempts).toBe(0);
    const stop = new AbortController();
    const waiting = retryOnConflict(losing(1), { signal: stop.signal, baseDelayMs: 2 ** 31 - 1, maxDelayMs: 2 ** 31 - 1, random: () => 0.9, onRetry: () => setImmediate(() => stop.abort(reason)) });
    await expect(waiting).rejects.toBe(reason);
  });

  test.each([
    [{ maxAttempts: 0 }, 'options.maxAttempts'],
    [{ maxAttempts: 1.5 }, 'options.maxAttempts'],
    [{ maxAttempts: Infinity }, 'options.maxAttempts'],
    [{ baseDelayMs: -1 }, 'options.baseDelayMs'],
    [{ baseDelayMs: NaN }, 'options.baseDelayMs'],
    [{ maxDelayMs: 2 ** 31 }, 'options.maxDelayMs'],
  ])('refuses %j', async (options, path) => {
    await expect(retryOnConflict(losing(0), options)).rejects.toMatchObject({ code: 'INVALID_INPUT', path });
  });
});
