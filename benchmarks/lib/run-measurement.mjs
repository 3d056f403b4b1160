import { fork, spawnSync } from 'node:child_process';
import path from 'node:path';

/** @typedef {import('./context.mjs').Spec} Spec */
/** @typedef {import('./context.mjs').Measured} Measured */

/** A measurement that takes longer hangs. @param {number} size */
const timeoutMs = (size) => 10 * 60 * 1000 * Math.max(1, size / 2_000_000);

/**
 * Runs one measurement in a process of its own, after the disk has written what earlier ones left behind.
 * @param {Spec} spec
 * @param {string | undefined} profileFolder
 * @returns {Promise<Measured>}
 */
export async function runMeasurement(spec, profileFolder) {
  if (process.platform !== 'win32' && !spec.smoke) spawnSync('sync');
  const child = fork(new URL('../measure.mjs', import.meta.url), [JSON.stringify(spec)], {
    execArgv: profileFolder === undefined ? [] : profileArguments(spec, profileFolder),
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  running.add(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs(spec.size));
  /** @type {Measured | undefined} */
  let measured;
  child.on('message', (message) => (measured = /** @type {Measured} */ (message)));
  const code = await new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)));
  clearTimeout(timer);
  running.delete(child);
  if (code !== 0 || !measured) throw new Error(`measurement ${spec.measurement} of ${spec.rival} (${spec.size} events) failed with ${code}`);
  return measured;
}

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

export function stopMeasurements() {
  for (const child of running) child.kill();
}

/** @param {Spec} spec @param {string} folder */
function profileArguments({ measurement, size, round }, folder) {
  const name = `${measurement}-${size}-${round}.cpuprofile`;
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${path.basename(name)}`];
}
