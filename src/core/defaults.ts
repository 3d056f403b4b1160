import type { EventDefaults } from './check-input.js';

/** What stores without ports of their own use: the only clock and randomness outside `src/disk`. */
export const systemDefaults: EventDefaults = {
  newId: () => globalThis.crypto.randomUUID(),
  now: () => Date.now(),
};
