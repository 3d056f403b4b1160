import { readFileSync } from 'node:fs';
import os from 'node:os';
import { compare, latenciesOf, limitsOf } from './results.mjs';

/** @typedef {import('./results.mjs').Result} Result */

/** The run in a form that can be read and, as Markdown, kept. @param {readonly import('./session.mjs').Series[]} series @param {import('./options.mjs').Options} options @param {string} where */
export function makeReport(series, options, where) {
  const results = compare(series, options.rows);
  const parts = [where, durability, limitsTable(limitsOf(series))];
  for (const size of [...new Set(results.map((result) => result.size))]) {
    parts.push(`${headline(size)}\n\n${resultTable(results.filter((result) => result.size === size))}`);
  }
  parts.push(`Latencies in ms\n\n${latencyTable(latenciesOf(series))}`, summary(results));
  if (options.smoke) parts.push('A smoke run: these figures say only that everything works.');
  return parts.join('\n\n');
}

const durability =
  "Durability: opossum `durability: 'commit'` (an append resolves after fdatasync of the ledger), event files as JSON; better-sqlite3 WAL with " +
  'synchronous=FULL (an append returns after the sync of the WAL); the disk rows fdatasync each record, its files are not synced.';

export function machine() {
  const [cpu] = os.cpus();
  const { version } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')).packages['node_modules/better-sqlite3'];
  return [
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, better-sqlite3 ${version}`,
    `${os.type()} ${os.release()} ${os.arch()}, ${os.cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    `load average before the run ${os.loadavg().map((load) => load.toFixed(1)).join(' ')}`,
  ].join('; ');
}

/** @param {number | undefined} size */
const headline = (size) => (size === undefined ? 'Fresh stores' : `Stores of ${size.toLocaleString('en')} events`);

/** @param {readonly Result[]} results */
function resultTable(results) {
  const table = [['row', 'opossum', 'sqlite', 'ratio', 'at least', '', 'aim', '']];
  for (const { row, opossum, sqlite, group, ratio, leastReached, aimReached } of results) {
    table.push([
      row.title,
      format(opossum, row.unit),
      format(sqlite, row.unit) + (group === undefined ? '' : ` (group ${format(group, row.unit)})`),
      ratio === undefined ? '–' : `${digits(ratio)} × ${row.ratio}`,
      row.least?.text ?? '–',
      verdict(leastReached),
      row.aim?.text ?? '–',
      verdict(aimReached),
    ]);
  }
  return markdown(table);
}

/** @param {ReturnType<typeof limitsOf>} limits */
function limitsTable(limits) {
  const range = (/** @type {string} */ name, /** @type {string} */ unit) => [format(limits[name]?.best, unit), format(limits[name]?.worst, unit)];
  return `The disk itself, over the whole run\n\n${markdown([
    ['what', 'best', 'worst'],
    ['append 500 bytes + fdatasync, p50', ...range('appendAndSyncMs', 'ms')],
    ['the same by promises, p50', ...range('appendAndSyncAsyncMs', 'ms')],
    ['create a file of 500 bytes', ...range('createPerSecond', 'per second')],
    ['create and rename it', ...range('createAndRenamePerSecond', 'per second')],
  ])}`;
}

/** @param {readonly import('./results.mjs').Latency[]} latencies */
function latencyTable(latencies) {
  const table = [['measurement', 'events', 'rival', 'p50', 'p95', 'p99']];
  for (const { measurement, size, rival, p50, p95, p99 } of latencies) {
    table.push([measurement, size?.toLocaleString('en') ?? 'fresh', rival, digits(p50), digits(p95), digits(p99)]);
  }
  return markdown(table);
}

/** @param {readonly Result[]} results */
function summary(results) {
  const least = results.filter(({ leastReached }) => leastReached !== undefined);
  const aims = results.filter(({ aimReached }) => aimReached !== undefined);
  return `Reached: ${least.filter(({ leastReached }) => leastReached).length} of ${least.length} "at least", ${aims.filter(({ aimReached }) => aimReached).length} of ${aims.length} "aim".`;
}

/** @param {boolean | undefined} reached */
const verdict = (reached) => (reached === undefined ? '' : reached ? 'reached' : 'missed');

/** @param {number | undefined} value @param {string} unit */
function format(value, unit) {
  if (value === undefined) return '–';
  if (unit === 'per second') return `${Math.round(value).toLocaleString('en')}/s`;
  if (unit === 'µs') return `${digits(value * 1000)} µs`;
  return unit === 'ms' ? `${digits(value)} ms` : digits(value);
}

/** Three digits that count. @param {number} value */
const digits = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3))));

/** A Markdown table whose columns line up in a terminal too. @param {string[][]} table */
function markdown(table) {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((cells) => (cells[column] ?? '').length)));
  const line = (/** @type {string[]} */ cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = table;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}
