/*
 * Compares opossum-store with its rivals on this machine: `node benchmarks/run.mjs --help`. Exit code 0 also when targets are
 * missed, since it reports; 1 when something does not work.
 */
import { fork, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeGrowthTable } from './lib/growth-table.mjs';
import { ensureInstalled } from './lib/install.mjs';
import { parseOptions, usage } from './lib/options.mjs';
import { writeFigures } from './lib/output.mjs';
import { machine, makeReport, makeShortTable } from './lib/report.mjs';
import { compare, limitsOf } from './lib/results.mjs';
import { stopMeasurements } from './lib/run-measurement.mjs';
import { runAll } from './lib/session.mjs';

/** @typedef {{ series: import('./lib/session.mjs').Series[], where: string, smoke: boolean }} Run */

const options = parseOptions(process.argv.slice(2));
const { files, rows } = options;
if (options.help) process.stdout.write(usage);
else process.exitCode = await main();

async function main() {
  try {
    if (files.chart || options.rivals.some((rival) => !['opossum', 'opossum-bare', 'original'].includes(rival))) ensureInstalled();
    if (files.from === undefined) await measureAndReport();
    else await report(readRun(files.from));
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function measureAndReport() {
  mkdirSync(options.work, { recursive: true });
  const folder = mkdtempSync(path.join(options.work, 'opossum-bench-'));
  const place = makePlace(folder);
  const interrupt = async () => {
    stopMeasurements();
    await removeFolder(folder);
    process.exit(130);
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  // Its load average is only worth something before the run.
  const where = machine();
  const start = performance.now();
  const tell = (/** @type {string} */ line) => process.stderr.write(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
  try {
    const series = await runAll(options, place, tell);
    // Before removing, which may take minutes: what was measured is not lost when that is cut short.
    await report({ series, where, smoke: options.smoke });
  } finally {
    tell('removing what was made');
    await removeFolder(folder);
    tell('done');
  }
}

/** @param {Run} run */
async function report(run) {
  const { series, where } = run;
  const text = makeReport(series, rows, run);
  process.stdout.write(`${text}\n`);
  if (files.json) writeFileSync(files.json, JSON.stringify(describe(run), null, 2));
  if (files.markdown) writeFigures(files.markdown, withChart(text));
  if (files.short) writeFigures(files.short, makeShortTable(series, rows));
  if (files.growth) writeFigures(files.growth, makeGrowthTable(series, rows, where));
  if (!files.chart) return;
  const { drawChart } = await import('./lib/chart.mjs');
  writeFileSync(files.chart, drawChart(series, rows, where));
}

/** The report with its chart, if one is drawn in the same run. @param {string} text */
function withChart(text) {
  if (!files.chart || !files.markdown) return text;
  const target = path.relative(path.dirname(files.markdown), files.chart).split(path.sep).join('/');
  return `![How many times as fast as its rivals opossum is](${target})\n\n${text}`;
}

/** @param {Run} run */
function describe({ series, where, smoke }) {
  const results = compare(series, rows).map(({ row, ...result }) => ({ row: row.name, title: row.title, unit: row.unit, ...result }));
  return { machine: where, smoke, time: new Date().toISOString(), options, limits: limitsOf(series), results, series };
}

/** @param {string} file @returns {Run} */
function readRun(file) {
  const { machine: where, smoke, series } = JSON.parse(readFileSync(file, 'utf8'));
  return { series, where, smoke };
}

/**
 * Ext4 makes files slowly, for minutes, where many were deleted, as the last run did nearby. A folder in one that has this flag
 * gets a place anywhere on the disk; other file systems refuse, and need none.
 * @param {string} folder
 */
function makePlace(folder) {
  if (process.platform === 'linux') spawnSync('chattr', ['+T', folder], { stdio: 'ignore' });
  return mkdtempSync(path.join(folder, 'run-'));
}

/**
 * A file takes longest where the disk is told that it went (ext4 with `discard`), and most of that is waiting: sixteen files at a
 * time take half as long as Node's four.
 * @param {string} folder
 */
async function removeFolder(folder) {
  const child = fork(new URL('lib/remover.mjs', import.meta.url), [folder], { env: { ...process.env, UV_THREADPOOL_SIZE: '16' }, stdio: ['ignore', 2, 2, 'ipc'] });
  const code = await new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)));
  if (code !== 0) throw new Error(`${folder} could not be removed`);
}
