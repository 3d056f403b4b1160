import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores is what the slowest supported machine has; process tests start their own processes on top.
    maxWorkers: 2,
    // Test files of one worker share the modules that they import: loading them anew for each took a minute of all.
    isolate: false,
  },
});
