/** `from`: the smallest store for which it says anything. @typedef {{ rivals: readonly string[], sized: boolean, rounds?: 'once' | 'once when large', from?: number }} Measurement */

const stores = ['opossum', 'opossum-bare', 'sqlite', 'lmdb', 'original'];

/** Every rival; `opossum-bare` has no event files. */
export const allRivals = [...stores, 'sqlite-group', 'lmdb-group'];
/** Without the one that only `--rivals` asks for. */
export const usualRivals = allRivals.filter((rival) => rival !== 'opossum-bare');
/** It grows with the square of its events, so it has a size of its own, where only opossum meets it. */
export const isQuadratic = (/** @type {string} */ rival) => rival === 'original';
export const mostQuadraticEvents = 5000;

const inOneProcess = stores.filter((rival) => !isQuadratic(rival));

/**
 * In this order, since decisions append to the prepared stores. Sized ones run once for each size of store; the others
 * fill a store of their own. Those that take long run once, or once in the largest store.
 * @type {Record<string, Measurement>}
 */
export const measurements = {
  append: { rivals: inOneProcess, sized: false },
  'in-flight': { rivals: [...inOneProcess, 'sqlite-group', 'lmdb-group'], sized: false },
  processes: { rivals: inOneProcess, sized: false },
  tail: { rivals: inOneProcess, sized: false, rounds: 'once' },
  'race-10': { rivals: inOneProcess, sized: false, rounds: 'once' },
  'race-20': { rivals: inOneProcess, sized: false, rounds: 'once' },
  'race-100': { rivals: inOneProcess, sized: false, rounds: 'once' },
  'race-processes': { rivals: inOneProcess, sized: false, rounds: 'once' },
  decide: { rivals: ['opossum'], sized: false, rounds: 'once' },
  import: { rivals: stores, sized: true, rounds: 'once when large' },
  last: { rivals: stores, sized: true },
  'two-tags': { rivals: stores, sized: true },
  tag: { rivals: stores, sized: true },
  scan: { rivals: stores, sized: true },
  type: { rivals: stores, sized: true },
  'cold-open': { rivals: inOneProcess, sized: true },
  idle: { rivals: inOneProcess, sized: true, rounds: 'once' },
  // A thousand appends at least, or there is no p99.9.
  stalls: { rivals: inOneProcess, sized: true, rounds: 'once', from: 20_000 },
  // Before decisions, which append.
  projection: { rivals: ['opossum'], sized: true, rounds: 'once' },
  decision: { rivals: stores, sized: true },
};

/** They stand beside the rival that they are made of, and are steady. @param {string} rival */
const isBeside = (rival) => rival.endsWith('-group');

/** @param {string} name @param {string} rival @param {number} rounds what was asked for @param {boolean} isLargest whether no store of the run has more events */
export function roundsOf(name, rival, rounds, isLargest) {
  const limit = isBeside(rival) ? 'once' : measurements[name]?.rounds;
  return limit === 'once' || (limit === 'once when large' && isLargest) ? 1 : rounds;
}
