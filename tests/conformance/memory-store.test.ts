import { describe, test } from 'vitest';
import { openMemoryStore } from '../../src/memory/memory-event-store.js';
import { eventStoreSuite } from '../../src/testing/index.js';

describe('memory store', () => {
  const make = () => {
    const store = openMemoryStore();
    return { store, dispose: () => store.close() };
  };
  for (const { name, run } of eventStoreSuite({ make, supports: { largeBatches: true, largeStates: true } })) test(name, run);
});
