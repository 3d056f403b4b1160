import { defineConfig } from 'vitest/config';

const unit = 'tests/unit/**/*.test.ts';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores is what the slowest supported machine has; process tests start their own processes on top.
    maxWorkers: 2,
    projects: [
      // Small files that share the modules they import: loading them anew for each would take longer than the tests.
      { extends: true, test: { name: 'unit', include: [unit], isolate: false } },
      // Each in a process of its own: what one leaves behind (simulations, servers) must not slow down the next.
      { extends: true, test: { name: 'others', include: ['tests/**/*.test.ts'], exclude: [unit] } },
    ],
  },
});
