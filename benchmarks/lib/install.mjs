import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Installs the rivals from the lockfile when they are absent. It may compile, so it can take a minute. */
export function ensureInstalled() {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  if (existsSync(new URL('../node_modules/better-sqlite3/package.json', import.meta.url))) return;
  process.stderr.write('installing better-sqlite3 (once; it may be compiled)\n');
  const { status, error } = spawnSync('npm', ['ci'], { cwd: folder, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(`npm ci in ${folder} failed${error ? `: ${error.message}` : ''}`);
}
