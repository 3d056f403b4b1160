import { fork } from 'node:child_process';
import { taggedEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';
import { median } from '../lib/statistics.mjs';

/**
 * Memory of a process that has opened the store, answered one query and then done nothing for a while, above a process that
 * does nothing from the start. Resident memory: of a rival that maps its file it counts the pages it touched.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ rival, prepared, smoke }) {
  const runs = [];
  const empty = [];
  for (let i = 0; i < 1; i++) {
    runs.push(await rest(rival, prepared, smoke));
    empty.push(await rest('none', prepared, smoke));
  }
  for (const { found } of runs) expectEqual(found, taggedEvents, 'events found');
  const [open, nothing] = [runs, empty].map((all) => median(all.map(({ residentBytes }) => residentBytes)) / 2 ** 20);
  return { values: { extraMB: (open ?? NaN) - (nothing ?? NaN) }, notes: { openMB: open, emptyMB: nothing } };
}

/** @param {string} rival @param {string} folder @param {boolean} smoke @returns {Promise<{ found: number, residentBytes: number }>} */
async function rest(rival, folder, smoke) {
  const child = fork(new URL('../lib/idler.mjs', import.meta.url), [rival, folder, String(smoke ? 50 : 300)]);
  /** @type {any} */
  let result;
  child.once('message', (message) => (result = message));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0 || !result) throw new Error(`the idle process ended with ${code}`);
  return result;
}
