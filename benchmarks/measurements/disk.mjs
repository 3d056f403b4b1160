import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { open as openAsync } from 'node:fs/promises';
import path from 'node:path';
import { percentiles, secondsOf, timeEach } from '../lib/statistics.mjs';

/** What the disk itself can do, with the fewest calls that do it. @param {import('../lib/context.mjs').Context} context */
export async function measure({ fresh, smoke }) {
  const appends = smoke ? 50 : 300;
  const files = smoke ? 200 : 1000;
  mkdirSync(fresh, { recursive: true });
  const { appended, overwritten } = appendAndOverwrite(fresh, appends);
  const latencies = percentiles(appended);
  const asynchronous = percentiles(await appendAndSyncAsynchronously(path.join(fresh, 'log-async'), appends));
  const create = await secondsOf(() => createFiles(path.join(fresh, 'created'), files, false));
  const rename = await secondsOf(() => createFiles(path.join(fresh, 'renamed'), files, true));
  return {
    values: {
      appendAndSyncMs: latencies.p50,
      overwriteAndSyncMs: percentiles(overwritten).p50,
      appendAndSyncAsyncMs: asynchronous.p50,
      createPerSecond: files / create,
      createAndRenamePerSecond: files / rename,
    },
    latencies,
  };
}

const record = Buffer.alloc(500, 'x');

/**
 * In turn, as it depends on what else the disk does: a record at the end of a file that grows, and one over bytes of a file that are
 * on the disk already, as a log that goes round and round writes them.
 * @param {string} folder
 * @param {number} count
 */
function appendAndOverwrite(folder, count) {
  const growing = openSync(path.join(folder, 'log'), 'a');
  const filled = openSync(path.join(folder, 'log-filled'), 'w');
  writeSync(filled, Buffer.alloc(count * record.length));
  fsyncSync(filled);
  const timeOne = (/** @type {number} */ descriptor, /** @type {number | null} */ offset) => {
    const start = performance.now();
    writeSync(descriptor, record, 0, record.length, offset);
    fdatasyncSync(descriptor);
    return performance.now() - start;
  };
  const appended = [];
  const overwritten = [];
  for (let i = 0; i < count; i++) {
    appended.push(timeOne(growing, null));
    overwritten.push(timeOne(filled, i * record.length));
  }
  closeSync(growing);
  closeSync(filled);
  return { appended, overwritten };
}

/** @param {string} file @param {number} count */
async function appendAndSyncAsynchronously(file, count) {
  const handle = await openAsync(file, 'a');
  const times = await timeEach(count, async () => {
    await handle.write(record);
    await handle.datasync();
  });
  await handle.close();
  return times;
}

/** As event files lie: 1,000 to a folder. @param {string} folder @param {number} count @param {boolean} withRename */
function createFiles(folder, count, withRename) {
  for (let i = 0; i < count; i++) {
    const parent = path.join(folder, String(Math.floor(i / 1000)));
    if (i % 1000 === 0) mkdirSync(parent, { recursive: true });
    const file = path.join(parent, `${i}.json`);
    writeFileSync(withRename ? `${file}.tmp` : file, record);
    if (withRename) renameSync(`${file}.tmp`, file);
  }
}
