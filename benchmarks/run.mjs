/*
 * Compares opossum-store with better-sqlite3 on this machine: `node benchmarks/run.mjs --help`. Exit code 0 also when
 * targets are missed, since it reports; 1 when something does not work.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureInstalled } from './lib/install.mjs';
import { parseOptions, usage } from './lib/options.mjs';
import { machine, makeReport } from './lib/report.mjs';
import { compare, limitsOf } from './lib/results.mjs';
import { stopMeasurements } from './lib/run-measurement.mjs';
import { runAll } from './lib/session.mjs';

const options = parseOptions(process.argv.slice(2));
if (options.help) process.stdout.write(usage);
else process.exitCode = await main();

async function main() {
  if (options.rivals.some((rival) => rival.startsWith('sqlite'))) ensureInstalled();
  mkdirSync(options.work, { recursive: true });
  const folder = mkdtempSync(path.join(options.work, 'opossum-bench-'));
  const interrupt = () => {
    stopMeasurements();
    removeFolder(folder);
    process.exit(130);
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  // Its load average is only worth something before the run.
  const where = machine();
  const start = performance.now();
  const tell = (/** @type {string} */ line) => process.stderr.write(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
  try {
    const series = await runAll(options, folder, tell);
    tell('done');
    process.stdout.write(`${makeReport(series, options, where)}\n`);
    if (options.json) writeFileSync(options.json, JSON.stringify(describe(series, where), null, 2));
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    tell('removing what was made');
    removeFolder(folder);
  }
}

/** @param {import('./lib/session.mjs').Series[]} series @param {string} where */
function describe(series, where) {
  const results = compare(series, options.rows).map(({ row, ...result }) => ({ row: row.name, title: row.title, unit: row.unit, ...result }));
  return { machine: where, time: new Date().toISOString(), options, limits: limitsOf(series), results, series };
}

/** @param {string} folder */
function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
