import { defineConfig } from 'vitest/config';

/** Files that share the modules they import: loading them anew for each would take as long as many a test. */
const sharing = ['unit', 'crash', 'properties', 'conformance', 'compat', 'cosmos'].map((folder) => `tests/${folder}/**/*.test.ts`);

/** They put other bounds in the place of modules, which must not reach those that share them. */
const mocking = ['tests/crash/projection.test.ts', 'tests/crash/sealed-blocks.test.ts', 'tests/properties/projection.test.ts'];
const others = ['tests/*.test.ts', ...['cli', 'package', 'processes', 'testing'].map((folder) => `tests/${folder}/**/*.test.ts`)];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores is what the slowest supported machine has; process tests start their own processes on top.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'sharing', include: sharing, exclude: mocking, isolate: false } },
      // Each in a process of its own: what one leaves behind (async hooks, servers) must not slow down the next.
      { extends: true, test: { name: 'alone', include: [...mocking, ...others] } },
    ],
  },
});
