import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What a run may need that the project itself does not have; one that is absent makes all be installed. */
const needed = ['better-sqlite3', 'lmdb', '@observablehq/plot', 'linkedom'];

/** Installs the rivals and the library for the chart from the lockfile when they are absent. It may compile, so it can take a minute. */
export function ensureInstalled() {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  if (needed.every((name) => existsSync(new URL(`../node_modules/${name}/package.json`, import.meta.url)))) return;
  process.stderr.write('installing better-sqlite3 and lmdb (once; it may be compiled)\n');
  const { status, error } = spawnSync('npm', ['ci'], { cwd: folder, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(`npm ci in ${folder} failed${error ? `: ${error.message}` : ''}`);
}
