import { isQuadratic } from './measurements.mjs';
import { median } from './statistics.mjs';

/**
 * Medians over the rounds, for each row and size: the figure of each rival, opossum's ratio to each, and what it reached.
 * @typedef {{ row: import('./rows.mjs').Row, size: number | undefined, figures: Record<string, number>, versus: Record<string, number | undefined>,
 *   leastReached: boolean | undefined, aimReached: boolean | undefined }} Result
 * @typedef {{ measurement: string, size: number | undefined, rival: string, p50: number, p95: number, p99: number, p999: number | undefined }} Latency
 * @typedef {{ row: import('./rows.mjs').Row, from: number, to: number, growth: Record<string, number> }} Growth
 */

/** @typedef {import('./session.mjs').Series} Series */
/** @typedef {import('./rows.mjs').Row} Row */

/** @param {readonly Series[]} series @param {readonly Row[]} rows @returns {Result[]} */
export function compare(series, rows) {
  const limits = limitsOf(series);
  const limit = (/** @type {string} */ name) => limits[name]?.best;
  const results = [];
  for (const size of new Set(series.map(({ size }) => size))) {
    // Targets are not for the small stores where the quadratic rival is met.
    const hasTargets = !series.some((one) => one.size === size && isQuadratic(one.rival));
    for (const row of rows) {
      const figures = figuresOf(series, row, size);
      if (Object.keys(figures).length === 0) continue;
      const { opossum } = figures;
      const versus = Object.fromEntries(Object.keys(figures).map((rival) => [rival, ratioOf(row, opossum, figures[rival])]));
      const judged = opossum === undefined || !hasTargets ? undefined : { opossum, size, versus, limit };
      results.push({ row, size, figures, versus, leastReached: judged && row.least?.reached(judged), aimReached: judged && row.aim?.reached(judged) });
    }
  }
  return results;
}

/** How much longer an operation takes in the largest store than in the smallest, but for the one of the quadratic rival. @param {readonly Result[]} results @returns {Growth[]} */
export function growthOf(results) {
  const leftOut = new Set(results.flatMap(({ size, figures }) => (Object.keys(figures).some(isQuadratic) ? [size] : [])));
  const sized = results.filter(({ row, size }) => row.growth && size !== undefined && !leftOut.has(size));
  const sizes = sized.map(({ size = 0 }) => size);
  const [from, to] = [Math.min(...sizes), Math.max(...sizes)];
  if (sized.length === 0 || from === to) return [];
  return sized
    .filter(({ size }) => size === from)
    .flatMap(({ row, figures: small }) => {
      const large = sized.find((other) => other.row === row && other.size === to)?.figures;
      if (!large) return [];
      const growth = Object.entries(small).map(([rival, figure]) => [rival, timesAsLong(row, figure, large[rival] ?? NaN, to / from)]);
      return [{ row, from, to, growth: Object.fromEntries(growth) }];
    });
}

/** @param {readonly Series[]} series @returns {Latency[]} */
export function latenciesOf(series) {
  return series.flatMap(({ measurement, size, rival, rounds }) => {
    const all = rounds.flatMap(({ latencies }) => (latencies ? [latencies] : []));
    if (all.length === 0) return [];
    const of = (/** @type {'p50' | 'p95' | 'p99'} */ name) => median(all.map((one) => one[name]));
    const rarest = all.flatMap(({ p999 }) => (p999 === undefined ? [] : [p999]));
    return [{ measurement, size, rival, p50: of('p50'), p95: of('p95'), p99: of('p99'), p999: rarest.length > 0 ? median(rarest) : undefined }];
  });
}

/**
 * What the disk can do, by name: best and worst of all rounds. The best is the limit, since whatever else goes on can only
 * make it worse; the worst tells how much else went on.
 * @param {readonly Series[]} series
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

/** The median of what the rounds measured; undefined when none did. @param {Series | undefined} series @param {string} name */
export function medianOf(series, name) {
  const measured = series?.rounds.flatMap(({ values }) => values[name] ?? []) ?? [];
  return measured.length > 0 ? median(measured) : undefined;
}

/** @param {readonly Series[]} series @param {Row} row @param {number | undefined} size @returns {Record<string, number>} */
function figuresOf(series, { name, measurement, value }, size) {
  const found = series.filter((one) => one.measurement === measurement && one.size === size);
  // Only opossum writes files behind.
  const shown = name === 'import-in-place' ? found.filter(({ rival }) => rival === 'opossum') : found;
  return Object.fromEntries(shown.flatMap((one) => {
    const figure = medianOf(one, value);
    return figure === undefined ? [] : [[one.rival, figure]];
  }));
}

/** @param {Row} row @param {number | undefined} opossum @param {number | undefined} rival */
function ratioOf({ ratio, unit }, opossum, rival) {
  if (opossum === undefined || rival === undefined || ratio === 'none') return undefined;
  return ratio === 'speed' && unit !== 'per second' ? rival / opossum : opossum / rival;
}

/** @param {Row} row @param {number} small @param {number} large @param {number} times as many events */
function timesAsLong({ unit, growth }, small, large, times) {
  const ratio = unit === 'per second' ? small / large : large / small;
  return growth === 'tenth' ? ratio / times : ratio;
}
