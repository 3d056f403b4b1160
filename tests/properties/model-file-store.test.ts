/*
 * Goal: a store on files behaves exactly as the memory store does.
 * Method: the random histories of model.ts, on fresh contexts of one folder.
 */
import { test } from 'vitest';
import { fileStoresIn } from '../support/file-stores.js';
import { fastRoot } from '../support/folder.js';
import { runModel } from './model.js';

const makeFileStore = fileStoresIn(fastRoot);

test('file store without fsync and event files agrees with the memory store', { timeout: 120_000 }, async () => {
  await runModel(() => makeFileStore({ durability: 'os', eventFiles: 'none' }), { runs: 1000, commandsMax: 15 });
});

test('file store with all that belongs to it agrees with the memory store', { timeout: 120_000 }, async () => {
  await runModel(() => makeFileStore({}), { runs: 100, commandsMax: 15 });
});
