/*
 * Goal: a store on files behaves exactly as the memory store does.
 * Method: the random histories of model.ts, on fresh contexts of one folder.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, test } from 'vitest';
import type { EventStore } from '../../src/core/event-store.js';
import { openStore, type OpenStoreOptions } from '../../src/engine/open-store.js';
import { runModel, type ModelStore } from './model.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'opossum-model-'));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

let contexts = 0;

async function makeFileStore(options: Partial<OpenStoreOptions>): Promise<ModelStore> {
  const context = `c${++contexts}`;
  const opened: EventStore[] = [];
  const another = async (): Promise<EventStore> => {
    const store = await openStore({ directory, context, ...options });
    opened.push(store);
    return store;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  };
  const reopen = async (): Promise<EventStore> => {
    await dispose();
    return another();
  };
  return { store: await another(), another, reopen, dispose };
}

test('file store without fsync and event files agrees with the memory store', { timeout: 120_000 }, async () => {
  await runModel(() => makeFileStore({ durability: 'os', eventFiles: 'none' }), { runs: 1000, commandsMax: 15 });
});

test('file store with all that belongs to it agrees with the memory store', { timeout: 120_000 }, async () => {
  await runModel(() => makeFileStore({}), { runs: 100, commandsMax: 15 });
});
