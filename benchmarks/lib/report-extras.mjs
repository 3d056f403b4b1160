import { latenciesOf, medianOf } from './results.mjs';
import { median } from './statistics.mjs';
import { digits, format, markdown } from './tables.mjs';

/** @typedef {import('./session.mjs').Series} Series */

/** @param {readonly Series[]} series */
export function raceTable(series) {
  const races = series.filter(({ measurement }) => measurement.startsWith('race-'));
  const table = [['racers', 'rival', 'seats taken', 'p50', 'p95', 'p99', 'appends refused', 'retries a seat', 'most retries']];
  for (const one of races) {
    const [latency] = latenciesOf([one]);
    const of = (/** @type {string} */ name) => medianOf(one, name) ?? NaN;
    const percentiles = latency ? [latency.p50, latency.p95, latency.p99].map((ms) => format(ms, 'ms')) : ['', '', ''];
    const racers = one.measurement === 'race-processes' ? '4 processes × 5' : one.measurement.replace('race-', '');
    table.push([racers, one.rival, format(of('perSecond'), 'per second'), ...percentiles, `${digits(of('conflictRate') * 100)} %`, digits(of('retriesEach')), digits(of('retriesMost'))]);
  }
  return races.length > 0 ? markdown(table) : '';
}

/** @param {readonly Series[]} series */
export function diskTable(series) {
  const imports = series.filter((one) => medianOf(one, 'apparentPerEvent') !== undefined);
  const table = [['events', 'rival', 'JSON text', 'apparent', 'allocated', 'apparent, opossum without event files', '÷ JSON text']];
  for (const one of imports) {
    const of = (/** @type {string} */ name) => digits(medianOf(one, name) ?? NaN);
    const columns = ['jsonPerEvent', 'apparentPerEvent', 'allocatedPerEvent', 'bareApparentPerEvent', 'bareTimesJson'].map(of);
    table.push([one.size?.toLocaleString('en') ?? '', one.rival, ...columns]);
  }
  return imports.length > 0 ? markdown(table) : '';
}

/** @param {readonly Series[]} series */
export function memoryTable(series) {
  const measured = series.filter(({ rival, rounds }) => rival !== 'disk' && rounds.some(({ peakBytes }) => peakBytes));
  const rivals = [...new Set(measured.map(({ rival }) => rival))];
  const table = [['measurement', 'events', ...rivals]];
  const key = (/** @type {Series} */ { measurement, size }) => `${measurement} ${size}`;
  for (const first of new Map(measured.map((one) => [key(one), one])).values()) {
    const cells = rivals.map((rival) => {
      const one = measured.find((other) => other.rival === rival && key(other) === key(first));
      return one ? digits(median(one.rounds.map(({ peakBytes = NaN }) => peakBytes / 2 ** 20))) : '–';
    });
    table.push([first.measurement, first.size?.toLocaleString('en') ?? 'fresh', ...cells]);
  }
  return measured.length > 0 ? markdown(table) : '';
}
