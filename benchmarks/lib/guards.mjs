/** A benchmark that measures nothing must not look fast: every measurement checks what it found. */

/** @param {unknown} found @param {unknown} expected @param {string} what */
export function expectEqual(found, expected, what) {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`);
}

/** What a rival throws when an append condition fails; opossum's own error has the same code. */
export class ConditionFailed extends Error {
  code = 'APPEND_CONDITION_FAILED';
}

/** @param {unknown} error */
export const isConditionFailed = (error) => /** @type {{ code?: string }} */ (error).code === 'APPEND_CONDITION_FAILED';
