/** p99.9 only of a thousand values or more. @typedef {{ p50: number, p95: number, p99: number, p999?: number | undefined }} Percentiles */

/** @param {readonly number[]} values */
export const median = (values) => percentile([...values].sort((a, b) => a - b), 0.5);

/** @param {readonly number[]} values @returns {Percentiles} */
export function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const p999 = sorted.length < 1000 ? undefined : percentile(sorted, 0.999);
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99), p999 };
}

/** @param {readonly number[]} sorted @param {number} part */
function percentile(sorted, part) {
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? NaN;
  const above = sorted[Math.ceil(place)] ?? NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/**
 * Runs `operation(0)` to `operation(count - 1)` one after another and returns how long each took, in milliseconds.
 * Only promises are awaited, so that a synchronous rival does not pay for the event loop.
 * @param {number} count
 * @param {(i: number) => unknown} operation
 */
export async function timeEach(count, operation) {
  const times = new Array(count);
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const pending = operation(i);
    if (pending instanceof Promise) await pending;
    times[i] = performance.now() - start;
  }
  return /** @type {number[]} */ (times);
}

/** Seconds that `operation` took. @param {() => unknown} operation */
export async function secondsOf(operation) {
  const start = performance.now();
  const pending = operation();
  if (pending instanceof Promise) await pending;
  return (performance.now() - start) / 1000;
}

/** What is measured afterwards is a process that has been at it for a while; what the first calls take has rows of its own. */
export const warmUpMs = 250;

/** How long what can be repeated at will is measured: the same time whoever the rival is. */
const measuredMs = 100;

/**
 * As `timeEach`, but for a time instead of a number of times, and at least `count` times; a rehearsal has only these.
 * @param {{ count: number, smoke: boolean }} least
 * @param {(i: number) => unknown} operation
 */
export async function timeRepeated({ count, smoke }, operation) {
  const times = [];
  const end = performance.now() + (smoke ? 0 : measuredMs);
  while (times.length < count || performance.now() < end) {
    const start = performance.now();
    const pending = operation(times.length);
    if (pending instanceof Promise) await pending;
    times.push(performance.now() - start);
  }
  return times;
}

/**
 * Runs `operation(0)`, `operation(1)`, … as `timeEach` does, at least `count` times and, unless it is all a rehearsal, until code is
 * compiled and caches are filled: for the same time whoever the rival is. Returns how often it ran.
 * @param {{ count: number, smoke: boolean }} least
 * @param {(i: number) => unknown} operation
 */
export async function warmUp({ count, smoke }, operation) {
  const end = performance.now() + (smoke ? 0 : warmUpMs);
  let done = 0;
  for (; done < count || performance.now() < end; done++) {
    const pending = operation(done);
    if (pending instanceof Promise) await pending;
  }
  return done;
}
