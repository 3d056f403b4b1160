import { isQuadratic } from './measurements.mjs';
import { compare } from './results.mjs';
import { format, markdown } from './tables.mjs';

/** Far beyond what is measured. */
const farSize = 100_000_000;

/**
 * What each row measured in stores of each size, and what comes out at a hundred million events if it goes on as between
 * the two largest: times and memory by the same amount for each event more, the others by the same factor each time that
 * the store grows by the same factor. What got better with size counts as
 * staying as it is, since that is chance, or a start that costs less per event.
 * @param {readonly import('./session.mjs').Series[]} series @param {readonly import('./rows.mjs').Row[]} rows @param {string} where
 */
export function makeGrowthTable(series, rows, where) {
  const leftOut = new Set(series.flatMap(({ rival, size }) => (isQuadratic(rival) ? [size] : [undefined])));
  const results = compare(series, rows).filter(({ size }) => !leftOut.has(size));
  const sizes = [...new Set(results.map(({ size = 0 }) => size))].sort((a, b) => a - b);
  const rival = series.some((one) => one.rival === 'opossum-bare') ? 'opossum-bare' : 'opossum';
  const table = [['', ...sizes.map((size) => size.toLocaleString('en')), '100,000,000, extrapolated']];
  for (const row of rows) {
    const points = sizes.map((size) => ({ size, figure: results.find((result) => result.row === row && result.size === size)?.figures[rival] }));
    const known = points.flatMap(({ size, figure }) => (figure === undefined ? [] : [{ size, figure }]));
    const [before, last] = known.slice(-2);
    if (known.length === 0) continue;
    const isTold = before && last && before.figure > 0 && last.figure > 0 && last.size >= 10 * before.size;
    const far = isTold ? continued(row, before, last) : undefined;
    table.push([row.title, ...points.map(({ figure }) => format(figure, row.unit)), far === undefined ? '–' : format(far, row.unit)]);
  }
  const files = rival === 'opossum' ? 'event files as JSON' : 'event files off';
  return [`${where}; ${files}.`, markdown(table)].join('\n\n');
}

/** @param {import('./rows.mjs').Row} row @param {{ size: number, figure: number }} before @param {{ size: number, figure: number }} last */
function continued({ unit }, before, last) {
  const factor = last.figure / before.figure;
  const perEvent = (last.figure - before.figure) / (last.size - before.size);
  const isBetter = unit === 'per second' ? factor > 1 : factor < 1;
  if (isBetter) return last.figure;
  if (unit === 'ms' || unit === 'µs' || unit === 'MB') return last.figure + perEvent * (farSize - last.size);
  return last.figure * factor ** (Math.log(farSize / last.size) / Math.log(last.size / before.size));
}
