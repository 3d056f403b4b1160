/* The conformance suite under a runner that is not vitest: the one that Node brings along. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freshFolder } from '../support/folder.js';

const built = (entry: string): string => JSON.stringify(new URL(`../../dist/${entry}`, import.meta.url).href);

test('node:test runs its cases, and reports the one that fails', () => {
  const file = path.join(freshFolder(), 'suite.test.mjs');
  fs.writeFileSync(
    file,
    `import { test } from 'node:test';
import { openMemoryStore } from ${built('index.js')};
import { eventStoreSuite } from ${built('testing/index.js')};

function make() {
  const store = openMemoryStore();
  const { append, read, subscribe, head } = store;
  const calls = Object.fromEntries(Object.entries({ append, read, subscribe, head }).map(([name, call]) => [name, call.bind(store)]));
  // A closed store that goes on is what one case looks for.
  return { store: { ...calls, state: store.state, close: async () => {} }, dispose: () => store.close() };
}
for (const { name, run } of eventStoreSuite({ make })) {
  if (/^closing|^conditions: after/.test(name)) test(name, () => run());
}
`,
  );
  const { stdout, status } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], { encoding: 'utf8' });
  expect(stdout).toMatch(/^ *ok \d+ - conditions: after is exclusive$/m);
  expect(stdout).toMatch(/^ *not ok \d+ - closing and aborting: a closed store refuses everything$/m);
  expect(status).toBe(1);
});
