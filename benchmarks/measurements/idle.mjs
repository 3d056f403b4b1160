import { fork } from 'node:child_process';
import { taggedEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';

/**
 * Memory of a process that has opened the store, answered one query and then done nothing for a while, above a process that
 * does nothing from the start. Resident memory: of a rival that maps its file it counts the pages it touched.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ rival, prepared, smoke }) {
  // Both at once: nobody waits for the other's memory.
  const [opened, empty] = await Promise.all([rest(rival, prepared, smoke), rest('none', prepared, smoke)]);
  expectEqual(opened.found, taggedEvents, 'events found');
  const [openMB, emptyMB] = [opened.residentBytes / 2 ** 20, empty.residentBytes / 2 ** 20];
  return { values: { extraMB: openMB - emptyMB }, notes: { openMB, emptyMB } };
}

/** @param {string} rival @param {string} folder @param {boolean} smoke @returns {Promise<{ found: number, residentBytes: number }>} */
async function rest(rival, folder, smoke) {
  const child = fork(new URL('../lib/idler.mjs', import.meta.url), [rival, folder, String(smoke ? 50 : 200)]);
  /** @type {any} */
  let result;
  child.once('message', (message) => (result = message));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0 || !result) throw new Error(`the idle process ended with ${code}`);
  return result;
}
