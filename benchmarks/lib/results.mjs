import { median } from './statistics.mjs';

/**
 * Medians over the rounds, for each row, size and rival.
 * @typedef {{ row: import('./rows.mjs').Row, size: number | undefined, opossum: number | undefined, sqlite: number | undefined, group: number | undefined,
 *   ratio: number | undefined, leastReached: boolean | undefined, aimReached: boolean | undefined }} Result
 * @typedef {{ measurement: string, size: number | undefined, rival: string, p50: number, p95: number, p99: number }} Latency
 */

/** @param {readonly import('./session.mjs').Series[]} series @param {readonly import('./rows.mjs').Row[]} rows @returns {Result[]} */
export function compare(series, rows) {
  const limits = limitsOf(series);
  const limit = (/** @type {string} */ name) => limits[name]?.best;
  const sizes = [...new Set(series.map(({ size }) => size))];
  const results = [];
  for (const size of sizes) {
    for (const row of rows) {
      const of = (/** @type {string} */ rival) => find(series, row.measurement, size, rival, row.value);
      const [opossum, sqlite, group] = [of('opossum'), of('sqlite'), of('sqlite-group')];
      if (opossum === undefined && sqlite === undefined) continue;
      const ratio = ratioOf(row, opossum, sqlite);
      const figures = opossum === undefined ? undefined : { opossum, sqlite, ratio, limit };
      results.push({
        row,
        size,
        opossum,
        sqlite: row.name === 'import-in-place' ? undefined : sqlite,
        group,
        ratio,
        leastReached: figures && row.least?.reached(figures),
        aimReached: figures && row.aim?.reached(figures),
      });
    }
  }
  return results;
}

/** @param {readonly import('./session.mjs').Series[]} series @returns {Latency[]} */
export function latenciesOf(series) {
  return series.flatMap(({ measurement, size, rival, rounds }) => {
    const all = rounds.flatMap(({ latencies }) => (latencies ? [latencies] : []));
    if (all.length === 0) return [];
    return [{ measurement, size, rival, p50: median(all.map(({ p50 }) => p50)), p95: median(all.map(({ p95 }) => p95)), p99: median(all.map(({ p99 }) => p99)) }];
  });
}

/**
 * What the disk can do, by name: best and worst of all rounds. The best is the limit, since whatever else goes on can only
 * make it worse; the worst tells how much else went on.
 * @param {readonly import('./session.mjs').Series[]} series
 * @returns {Record<string, { best: number, worst: number }>}
 */
export function limitsOf(series) {
  const rounds = series.find(({ rival }) => rival === 'disk')?.rounds ?? [];
  return Object.fromEntries(
    Object.keys(rounds[0]?.values ?? {}).map((name) => {
      const values = rounds.map((round) => round.values[name] ?? NaN);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return [name, name.endsWith('PerSecond') ? { best: high, worst: low } : { best: low, worst: high }];
    }),
  );
}

/** @param {readonly import('./session.mjs').Series[]} series @param {string} measurement @param {number | undefined} size @param {string} rival @param {string} value */
function find(series, measurement, size, rival, value) {
  const rounds = series.find((one) => one.measurement === measurement && one.size === size && one.rival === rival)?.rounds;
  return rounds && median(rounds.map(({ values }) => values[value] ?? NaN));
}

/** @param {import('./rows.mjs').Row} row @param {number | undefined} opossum @param {number | undefined} sqlite */
function ratioOf({ ratio, unit }, opossum, sqlite) {
  if (opossum === undefined || sqlite === undefined || ratio === 'none') return undefined;
  const isRate = unit === 'per second';
  return ratio === 'speed' && !isRate ? sqlite / opossum : opossum / sqlite;
}
