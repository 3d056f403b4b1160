import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { compare } from './results.mjs';

/** @typedef {{ title: string, rival: string, speed: number }} Bar */

const rivals = new Map([
  ['sqlite', 'SQLite'],
  ['lmdb', 'lmdb'],
]);

/**
 * How many times as fast as each rival opossum is: a bar for each row that has a ratio, of fresh stores and of the largest.
 * @param {readonly import('./session.mjs').Series[]} series @param {readonly import('./rows.mjs').Row[]} rows @param {string} where @returns {string} SVG
 */
export function drawChart(series, rows, where) {
  const results = compare(series, rows).filter(({ figures }) => figures.sqlite !== undefined || figures.lmdb !== undefined);
  const largest = Math.max(...results.map(({ size = 0 }) => size));
  /** @type {Bar[]} */
  const bars = [];
  for (const { row, size, versus } of results) {
    if (size !== undefined && size !== largest) continue;
    for (const [rival, name] of rivals) {
      const ratio = versus[rival];
      // Some rivals append nothing at all in a race of processes.
      if (ratio === undefined || !Number.isFinite(ratio) || ratio <= 0) continue;
      bars.push({ title: row.title, rival: name, speed: row.ratio === 'time' ? 1 / ratio : ratio });
    }
  }
  if (bars.length === 0) throw new Error('a chart needs opossum and at least one of sqlite and lmdb');
  return draw(bars, `Stores of ${largest.toLocaleString('en')} events. ${where}`);
}

/** @param {readonly Bar[]} bars @param {string} caption */
function draw(bars, caption) {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const titles = [...new Set(bars.map(({ title }) => title))];
  const speeds = bars.map(({ speed }) => speed);
  // Room for the figures beside the bars.
  const [low, high] = [Math.min(0.8, ...speeds) / 1.5, Math.max(1.25, ...speeds) * 1.5];
  const ticks = [0.01, 0.1, 1, 10, 100].flatMap((decade) => [decade, 2 * decade, 5 * decade]).filter((tick) => tick > low && tick < high);
  const label = (/** @type {Bar} */ { speed }) => `${Number(speed.toPrecision(2))} ×`;
  const plot = Plot.plot({
    document,
    width: 900,
    height: 85 + titles.length * 36,
    marginLeft: 20,
    marginBottom: 45,
    marginRight: 330,
    style: { background: 'white', color: 'black', fontFamily: 'sans-serif', fontSize: '11px' },
    x: {
      type: 'log',
      domain: [low, high],
      axis: null,
    },
    y: { domain: [...rivals.values()], axis: null, padding: 0 },
    fy: { domain: titles, label: null, axis: 'right', padding: 0.2 },
    color: { domain: [...rivals.values()], range: ['#4269d0', '#efb118'] },
    marks: [
      Plot.gridX(ticks),
      Plot.axisX(ticks, { text: ticks.map(String), label: 'opossum: times as fast as the rival; right of 1 it is faster', labelAnchor: 'center', labelOffset: 40 }),
      Plot.barX(bars, { x1: 1, x2: 'speed', y: 'rival', fy: 'title', fill: 'rival' }),
      Plot.text(bars, { filter: ({ speed }) => speed >= 1, x: 'speed', y: 'rival', fy: 'title', text: label, textAnchor: 'start', dx: 3 }),
      Plot.text(bars, { filter: ({ speed }) => speed < 1, x: 'speed', y: 'rival', fy: 'title', text: label, textAnchor: 'end', dx: -3 }),
      Plot.ruleX([1]),
      // The legend that the library draws is HTML, which an SVG file cannot hold.
      ...[...rivals.values()].map((name, i) =>
        Plot.text([name], { frameAnchor: 'top-right', facet: 'super', text: [`■ against ${name}`], fill: [name], dx: 120 + i * 110, dy: -22, textAnchor: 'start' }),
      ),
    ],
  });
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const title = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  title.textContent = caption;
  plot.prepend(title);
  return `${plot.outerHTML}\n`;
}
