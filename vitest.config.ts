import { defineConfig } from 'vitest/config';

/** Explorations follow each handler by an AsyncLocalStorage, which slows down every promise of its process from then on. */
const explorations = 'tests/testing/**/*.test.ts';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores is what the slowest supported machine has; process tests start their own processes on top.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'explorations', include: [explorations] } },
      // Files of one worker share the modules that they import: loading them anew for each took a minute of all.
      { extends: true, test: { name: 'all others', include: ['tests/**/*.test.ts'], exclude: [explorations], isolate: false } },
    ],
  },
});
