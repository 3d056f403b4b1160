/** The port for time. */
export interface Clock {
  /** Wall clock, milliseconds since 1970; may jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; keeps the process alive only when `keepAlive` is true. Returns how to cancel. */
  timer(delayMs: number, callback: () => void, keepAlive: boolean): () => void;
  /** Resolves after the event loop took what waits for it. */
  turn(): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  // `performance` takes milliseconds to load, and a BigInt half as long again as two numbers.
  monotonic() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  timer(delayMs, callback, keepAlive) {
    const timer = setTimeout(callback, delayMs);
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Resolves after `delayMs`, on any clock; at once when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.timer(delayMs, end, true);
    signal?.addEventListener('abort', end, { once: true });
  });
}
