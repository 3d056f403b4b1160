import { defineConfig } from 'vitest/config';

/** Tests that go on for MINUTES (5 when not given) from SEED (random when not given): `MINUTES=60 npm run test:soak`. */
export default defineConfig({
  test: {
    include: ['tests/soak/**/*.soak.ts'],
    testTimeout: 24 * 3_600_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
