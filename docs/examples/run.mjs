/* Compiles the examples and runs one of them on files: `npm run example -- <name> [folder]`. Without a folder it makes a temporary one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openStore } from 'opossum-store';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const names = readdirSync(here)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => path.basename(file, '.ts'));

const [name, folder] = process.argv.slice(2);
if (name !== undefined && names.includes(name)) process.exitCode = compile() ?? (await run(name, folder ?? mkdtempSync(path.join(tmpdir(), 'opossum-example-'))));
else {
  process.stderr.write(`${name === undefined ? 'Which example?' : `There is no example "${name}".`} npm run example -- <name>, with one of:\n${names.map((one) => `  ${one}\n`).join('')}`);
  process.exitCode = 2;
}

/** The compiler's exit code when it found something wrong; undefined when all is well. */
function compile() {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', here], { stdio: ['ignore', 'inherit', 'inherit'] });
  return status === 0 ? undefined : (status ?? 1);
}

async function run(example, directory) {
  const { main } = await import(pathToFileURL(path.join(root, '.examples', `${example}.js`)).href);
  const store = await openStore({ directory });
  try {
    await main(store, (line) => process.stdout.write(`${line}\n`));
  } finally {
    await store.close();
  }
  process.stdout.write(`\nIts events are in ${directory}\n`);
  return 0;
}
