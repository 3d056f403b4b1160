import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { allRivals, isQuadratic } from './measurements.mjs';
import { diskTable, memoryTable, raceTable } from './report-extras.mjs';
import { compare, growthOf, latenciesOf, limitsOf } from './results.mjs';
import { digits, format, markdown } from './tables.mjs';

/** @typedef {import('./results.mjs').Result} Result */
/** @typedef {import('./session.mjs').Series} Series */

/** The run in a form that can be read and, as Markdown, kept. @param {readonly Series[]} series @param {readonly import('./rows.mjs').Row[]} rows @param {{ where: string, smoke: boolean }} run */
export function makeReport(series, rows, { where, smoke }) {
  const results = compare(series, rows);
  const sections = [
    [where, durability],
    ['## The disk itself, over the whole run', limitsTable(limitsOf(series))],
    ...[...new Set(results.map(({ size }) => size))].map((size) => sizeSection(results.filter((result) => result.size === size), size)),
    ['## Races for one course', raceText, raceTable(series)],
    ['## From small to large', ...growthSection(growthOf(results))],
    ['## On disk, bytes an event', diskText, diskTable(series)],
    ['## Memory', memoryText, memoryTable(series)],
    ['## Latencies in ms', latencyTable(latenciesOf(series))],
    [summary(results)],
  ];
  if (smoke) sections.push(['A smoke run: these figures say only that everything works.']);
  return sections
    .filter((section) => section.every((part) => part !== ''))
    .map((section) => section.join('\n\n'))
    .join('\n\n');
}

/** The few rows that a reader of the README wants, of the largest store that all met. @param {readonly Series[]} series @param {readonly import('./rows.mjs').Row[]} rows */
export function makeShortTable(series, rows) {
  const results = compare(series, rows);
  const sizes = results.filter(({ row, figures }) => row.name === 'scan' && figures.sqlite).map(({ size = 0 }) => size);
  const size = Math.max(...sizes);
  const small = results.find(({ figures }) => figures.original)?.size;
  const names = ['append', 'in-flight', 'processes-total', 'tail', 'import', 'scan', 'tag', 'type', 'last', 'decision', 'cold-open'];
  const table = [['', 'opossum', 'SQLite', 'lmdb', `the original approach, ${small?.toLocaleString('en')} events`]];
  for (const name of names) {
    const result = results.find(({ row, ...one }) => row.name === name && (one.size === undefined || one.size === size));
    const original = results.find(({ row, ...one }) => row.name === name && one.size === small)?.figures.original;
    if (result) table.push([result.row.title, ...['opossum', 'sqlite', 'lmdb'].map((rival) => format(result.figures[rival], result.row.unit)), format(original, result.row.unit)]);
  }
  return [`Stores of ${size.toLocaleString('en')} events, every append synced to disk:`, markdown(table)].join('\n\n');
}

const durability =
  "Durability: opossum `durability: 'commit'` (an append resolves after fdatasync of the ledger), event files as JSON; better-sqlite3 WAL with " +
  'synchronous=FULL (an append returns after the sync of the WAL); lmdb without overlappingSync, noSync or noMetaSync (a commit returns after fdatasync ' +
  'and a synchronous write of the meta page); the original approach syncs every file before it gets its name; the disk rows fdatasync each record, its files are not synced.';

const raceText =
  'Everybody wants a seat in the same course at once: read who is in it, decide, append on condition that nobody came since; who lost tries again at once. ' +
  'So at most one of all that decide at the same time can win, whatever the store.';
const diskText = 'After an import and a clean end. "Apparent" is what the files say, "allocated" what the disk gave them (4 kB a file at least).';
const memoryText =
  'Most resident memory of the process of each measurement, MB, with what the measurement itself keeps (an import: 20,000 events and the plan of all) and, where a rival maps its file, the pages that it touched.';

export function machine() {
  const [cpu] = os.cpus();
  const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
  const versions = ['better-sqlite3', 'lmdb'].map((name) => `${name} ${packages[`node_modules/${name}`].version}`);
  return [
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${versions.join(', ')}`,
    `${os.type()} ${os.release()} ${os.arch()}, ${os.cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    ...commit(),
    `load average before the run ${os.loadavg().map((load) => load.toFixed(1)).join(' ')}`,
  ].join('; ');
}

/** Which sources were measured; none outside a repository. */
function commit() {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' });
  return status === 0 ? [`commit ${stdout.trim()}`] : [];
}

/** @param {readonly Result[]} results @param {number | undefined} size */
function sizeSection(results, size) {
  const rivals = allRivals.filter((rival) => !rival.endsWith('-group') && results.some(({ figures }) => figures[rival] !== undefined));
  const others = rivals.filter((rival) => rival !== 'opossum' && rivals.includes('opossum'));
  const hasTargets = !rivals.some(isQuadratic);
  const table = [['row', ...rivals, ...others.map((rival) => `to ${rival}`), ...(hasTargets ? ['at least', '', 'aim', ''] : [])]];
  for (const { row, figures, versus, leastReached, aimReached } of results) {
    const shown = rivals.map((rival) => {
      const group = figures[`${rival}-group`];
      return format(figures[rival], row.unit) + (group === undefined ? '' : ` (group ${format(group, row.unit)})`);
    });
    const ratios = others.map((rival) => (versus[rival] === undefined ? '–' : `${digits(versus[rival])} × ${row.ratio}`));
    const targets = [row.least?.text ?? '–', verdict(leastReached), row.aim?.text ?? '–', verdict(aimReached)];
    table.push([row.title, ...shown, ...ratios, ...(hasTargets ? targets : [])]);
  }
  return [headline(size, hasTargets), markdown(table)];
}

/** @param {number | undefined} size @param {boolean} hasTargets */
function headline(size, hasTargets) {
  if (size === undefined) return '## Fresh stores';
  return `## Stores of ${size.toLocaleString('en')} events${hasTargets ? '' : ', against the original approach'}`;
}

/** @param {readonly import('./results.mjs').Growth[]} growths */
function growthSection(growths) {
  const [first] = growths;
  if (!first) return [''];
  const rivals = Object.keys(first.growth);
  const table = [['row', ...rivals, 'at most', '']];
  for (const { row, growth } of growths) {
    const reached = growth.opossum === undefined ? undefined : growth.opossum <= 1.5;
    table.push([row.title, ...rivals.map((rival) => (growth[rival] === undefined ? '–' : `${digits(growth[rival])} ×`)), '1.5 ×', verdict(reached)]);
  }
  const text = `How many times as long an operation takes in a store of ${first.to.toLocaleString('en')} events as in one of ${first.from.toLocaleString('en')}; of "one type", for each event found.`;
  return [text, markdown(table)];
}

/** @param {ReturnType<typeof limitsOf>} limits */
function limitsTable(limits) {
  const range = (/** @type {string} */ name, /** @type {string} */ unit) => [format(limits[name]?.best, unit), format(limits[name]?.worst, unit)];
  return markdown([
    ['what', 'best', 'worst'],
    ['append 500 bytes + fdatasync, p50', ...range('appendAndSyncMs', 'ms')],
    ['500 bytes over old ones + fdatasync, p50', ...range('overwriteAndSyncMs', 'ms')],
    ['append by promises, p50', ...range('appendAndSyncAsyncMs', 'ms')],
    ['create a file of 500 bytes', ...range('createPerSecond', 'per second')],
    ['create and rename it', ...range('createAndRenamePerSecond', 'per second')],
  ]);
}

/** @param {readonly import('./results.mjs').Latency[]} latencies */
function latencyTable(latencies) {
  const table = [['measurement', 'events', 'rival', 'p50', 'p95', 'p99', 'p99.9']];
  for (const { measurement, size, rival, p50, p95, p99, p999 } of latencies) {
    table.push([measurement, size?.toLocaleString('en') ?? 'fresh', rival, digits(p50), digits(p95), digits(p99), p999 === undefined ? '' : digits(p999)]);
  }
  return markdown(table);
}

/** @param {readonly Result[]} results */
function summary(results) {
  const least = results.filter(({ leastReached }) => leastReached !== undefined);
  const aims = results.filter(({ aimReached }) => aimReached !== undefined);
  return `**Reached: ${least.filter(({ leastReached }) => leastReached).length} of ${least.length} "at least", ${aims.filter(({ aimReached }) => aimReached).length} of ${aims.length} "aim".**`;
}

/** @param {boolean | undefined} reached */
const verdict = (reached) => (reached === undefined ? '' : reached ? 'reached' : 'missed');
