import { describe, test } from 'vitest';
import type { OpenStoreOptions } from '../../src/engine/open-store.js';
import { eventStoreSuite } from '../../src/testing/index.js';
import { fileStoresIn } from '../support/file-stores.js';
import { fastRoot } from '../support/folder.js';

const make = fileStoresIn(fastRoot);

const variants: Record<string, Partial<OpenStoreOptions>> = {
  'event files in JSON': {},
  'event files in msgpack, durability os': { eventFiles: 'msgpack', durability: 'os' },
  'no event files': { eventFiles: 'none' },
};

describe.each(Object.entries(variants))('file store, %s', (_, options) => {
  const supports = { reopen: true, another: true, largeBatches: options.eventFiles === 'none', largeStates: options.eventFiles === 'none' };
  for (const { name, run } of eventStoreSuite({ make: () => make(options), supports })) test(name, run);
});
