import { fork } from 'node:child_process';
import { taggedEvents } from '../lib/dataset.mjs';
import { expectEqual } from '../lib/guards.mjs';

/**
 * A fresh process opens the store and reads the 100 events of a tag. Three figures, all in ms: from before the call that
 * opens to the answer; the same with loading the library; the whole process, from its start to its end.
 * @param {import('../lib/context.mjs').Context} context
 */
export async function measure({ rival, prepared }) {
  const start = performance.now();
  const child = fork(new URL('../lib/opener.mjs', import.meta.url), [rival, prepared]);
  /** @type {{ loadMs: number, openMs: number, found: number } | undefined} */
  let result;
  child.once('message', (message) => (result = /** @type {typeof result} */ (message)));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  const wholeMs = performance.now() - start;
  if (code !== 0 || !result) throw new Error(`opening in a fresh process ended with ${code}`);
  const { loadMs, openMs, found } = result;
  expectEqual(found, taggedEvents, 'events found by the fresh process');
  return { values: { openMs, loadAndOpenMs: loadMs + openMs, wholeMs } };
}
