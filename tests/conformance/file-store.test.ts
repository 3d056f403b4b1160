import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, test } from 'vitest';
import type { EventStore } from '../../src/core/event-store.js';
import { openStore, type OpenStoreOptions } from '../../src/engine/open-store.js';
import { fastRoot } from '../support/folder.js';
import { eventStoreSuite, type StoreUnderTest } from '../../src/testing/index.js';

// One folder for all, removed at the end: deleting thousands of files slows down the creation of others for a while.
const directory = fs.mkdtempSync(path.join(fastRoot, 'opossum-conformance-'));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

let contexts = 0;

async function make(options: Partial<OpenStoreOptions>): Promise<StoreUnderTest> {
  const context = `c${++contexts}`;
  const opened: EventStore[] = [];
  const another = async (): Promise<EventStore> => {
    const store = await openStore({ directory, context, ...options });
    opened.push(store);
    return store;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  };
  return {
    store: await another(),
    another,
    reopen: async () => {
      await closeAll();
      return another();
    },
    dispose: closeAll,
  };
}

const variants: Record<string, Partial<OpenStoreOptions>> = {
  'event files in JSON': {},
  'event files in msgpack, durability os': { eventFiles: 'msgpack', durability: 'os' },
  'no event files': { eventFiles: 'none' },
};

describe.each(Object.entries(variants))('file store, %s', (_, options) => {
  const supports = { reopen: true, another: true, largeBatches: options.eventFiles === 'none' };
  for (const { name, run } of eventStoreSuite({ make: () => make(options), supports })) test(name, run);
});
