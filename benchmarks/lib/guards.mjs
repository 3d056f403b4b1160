/** A benchmark that measures nothing must not look fast: every measurement checks what it found. */

/** @param {unknown} found @param {unknown} expected @param {string} what */
export function expectEqual(found, expected, what) {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`);
}
