/*
 * goal: a package that loads fast: a few files instead of two hundred modules, which took 0.1 s to load.
 * method: rolldown bundles our own modules, shared ones in chunks; what is imported only when needed stays apart, and so do most dependencies. The types come from tsc.
 */
import fs from 'node:fs';
import { build } from 'rolldown';

/** What everybody needs who opens a store or appends to it: finding and judging the files of these packages takes as long as all the rest. */
const bundled = ['async-mutex', 'proper-lockfile', 'retry', 'signal-exit'];
/** proper-lockfile is always given the calls that it makes: what it would take them from patches Node's own and takes longer to load than all the rest of it. */
const alias = { 'graceful-fs': 'node:fs' };
const shared = { platform: 'node', external: (id) => /^[^./]/.test(id) && !bundled.includes(id) && !(id in alias), resolve: { alias }, logLevel: 'warn' };
/** Modules that are always needed together: each file costs as much as parsing twenty thousand characters. */
const codeSplitting = {
  groups: [
    { name: 'core', test: /src[\\/]core[\\/](?!msgpack)/ },
    { name: 'store', test: /src[\\/](disk|engine|eventfiles|indexing|ledger|locking|state)[\\/][^\\/]+$|async-mutex/ },
  ],
};
/** What these packages require is Node's own: they get it in a way that bundlers of applications leave alone. */
const banner = ({ moduleIds }) => (moduleIds.some((id) => /node_modules[\\/]proper-lockfile/.test(id)) ? 'const require = process.getBuiltinModule;' : '');
const output = { format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' };

// Chunks are named by what they hold: those of the last build would be packed along.
for (const folder of ['dist/chunks', 'tests/.built']) fs.rmSync(folder, { recursive: true, force: true });

await build([
  {
    ...shared,
    input: {
      index: 'src/index.ts',
      'testing/index': 'src/testing/index.ts',
      // Programs that the module beside them starts as processes: they must lie in its folder.
      'testing/worker-entry': 'src/testing/races/worker-entry.ts',
      'cosmos/index': 'src/cosmos/index.ts',
      'cli/main': 'src/cli/main.ts',
      // Beside it, as it starts a program that lies there.
      'cli/commands': 'src/cli/commands.ts',
      'cli/worker': 'src/cli/demo/worker.ts',
    },
    output: { ...output, codeSplitting, banner, polyfillRequire: false, dir: 'dist' },
  },
  // What processes started by tests need of the inside, and the local Cosmos DB; not part of the package.
  { ...shared, input: { internals: 'tests/support/internals.ts', 'cosmos-server': 'tests/support/cosmos/serve.ts' }, output: { ...output, dir: 'tests/.built' } },
]);

// A file with one character beyond Latin 1 takes two bytes for every character in V8, and a tenth longer to load.
const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
for (const entry of fs.readdirSync('dist', { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
  const file = `${entry.parentPath}/${entry.name}`;
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/[^\0-\x7f]/g, escape));
}

/** Their licences ask to go along with every copy. */
const licences = bundled.map((name) => {
  const folder = `node_modules/${name}`;
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name} ${JSON.parse(fs.readFileSync(`${folder}/package.json`, 'utf8')).version}\n\n${fs.readFileSync(`${folder}/${file}`, 'utf8').trim()}\n`;
});
fs.writeFileSync('dist/licences.txt', `Some of the files in this folder contain these packages.\n\n${licences.join(`\n${'-'.repeat(72)}\n\n`)}`);
