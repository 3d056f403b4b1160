/* What npm would publish, used from outside: by import, by require, and by the type checker. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { freshFolder } from '../support/folder.js';

const root = path.resolve(import.meta.dirname, '../..');
let files: string[];
let tarball: string;

beforeAll(() => {
  const folder = fs.mkdtempSync(path.join(root, 'tests/.snippets-pack-'));
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' });
  const [packed] = JSON.parse(output) as [{ filename: string; files: { path: string }[] }];
  files = packed.files.map((file) => file.path);
  tarball = path.join(folder, packed.filename);
  return () => fs.rmSync(folder, { recursive: true, force: true });
});

/** A project with the package and its dependencies in node_modules, as an install would leave them. */
function project(): string {
  const folder = freshFolder();
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(path.join(modules, 'opossum-store'), { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', path.join(modules, 'opossum-store'), '--strip-components=1']);
  for (const name of fs.readdirSync(path.join(root, 'node_modules'))) {
    if (!name.startsWith('.')) fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  return folder;
}

function run(folder: string, name: string, text: string): string {
  fs.writeFileSync(path.join(folder, name), text);
  return execFileSync(process.execPath, [name], { cwd: folder, encoding: 'utf8' });
}

const use = `
  const store = await openStore({ directory: 'data' });
  await store.append({ type: 'Hello', data: { to: 'world' } });
  console.log((await store.read().first()).data.to);
  await store.close();`;

describe('the package', () => {
  test('holds what it needs and nothing else', () => {
    expect(files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/testing/index.js', 'dist/licences.txt', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs/format.md', 'package.json']));
    expect(files.filter((file) => !/^(dist|docs)\/|^(README|CHANGELOG)\.md$|^LICENSE$|^package\.json$/.test(file))).toEqual([]);
    expect(fs.readFileSync(path.join(root, 'dist/cli/main.js'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  test('is plain ASCII, which V8 loads faster', () => {
    const scripts = files.filter((file) => file.endsWith('.js'));
    expect(scripts.length).toBeGreaterThan(10);
    expect(scripts.filter((file) => /[^\0-\x7f]/.test(fs.readFileSync(path.join(root, file), 'utf8')))).toEqual([]);
  });

  test('is imported by ES modules', () => {
    expect(run(project(), 'app.mjs', `import { openStore } from 'opossum-store';${use}`)).toBe('world\n');
  });

  test('loads for a read nothing of Node that is slow to load', () => {
    const folder = project();
    run(folder, 'fill.mjs', `import { openStore } from 'opossum-store';${use}`);
    // Printing to a pipe would load node:net.
    const loaded = run(
      folder,
      'read.mjs',
      `import fs from 'node:fs';
      import { openStore } from 'opossum-store';
      const store = await openStore({ directory: 'data' });
      await store.read().toArray();
      await store.close();
      fs.writeSync(1, JSON.stringify(process.moduleLoadList));`,
    );
    const names = (JSON.parse(loaded) as string[]).filter((name) => /NativeModule (crypto|perf_hooks|child_process|worker_threads|readline|assert|http|net|os)$/.test(name));
    expect(names).toEqual([]);
  });

  test('is required by CommonJS modules', () => {
    const text = `const { openStore } = require('opossum-store');\nconst { eventStoreSuite } = require('opossum-store/testing');\n(async () => {${use}\n console.log(typeof eventStoreSuite) })();`;
    expect(run(project(), 'app.cjs', text)).toBe('world\nfunction\n');
  });

  test('names the packages that it contains, with their licences', () => {
    const licences = fs.readFileSync(path.join(root, 'dist/licences.txt'), 'utf8');
    const chunks = fs.readdirSync(path.join(root, 'dist/chunks')).map((file) => fs.readFileSync(path.join(root, 'dist/chunks', file), 'utf8'));
    const contained = chunks.flatMap((text) => Array.from(text.matchAll(/^\/\/ (?:#region )?node_modules\/([^/]+)\//gm), ([, name]) => name!));
    expect(new Set(contained)).toEqual(new Set(['async-mutex', 'proper-lockfile', 'retry', 'signal-exit']));
    for (const name of contained) expect(licences).toMatch(new RegExp(`^${name} [0-9.]+\\n\\n.*(License|Copyright)`, 'm'));
  });

  test.each(['cjs', 'esm'] as const)('is bundled into an application as %s, which appends without a node_modules', async (format) => {
    const folder = freshFolder();
    const { build } = await import('rolldown');
    fs.writeFileSync(path.join(folder, 'app.js'), `import { openStore } from 'opossum-store'; (async () => {${use} })();`);
    await build({
      cwd: folder,
      input: 'app.js',
      platform: 'node',
      external: ['fast-glob', 'msgpackr', 'zod'],
      resolve: { alias: { 'opossum-store': path.join(root, 'dist/index.js') } },
      logLevel: 'warn',
      output: { format, dir: 'out', entryFileNames: format === 'cjs' ? 'app.cjs' : 'app.mjs', codeSplitting: false },
    });
    expect(fs.readdirSync(path.join(folder, 'out'))).toHaveLength(1);
    expect(execFileSync(process.execPath, [`out/app.${format === 'cjs' ? 'cjs' : 'mjs'}`], { cwd: folder, encoding: 'utf8' })).toBe('world\n');
  });

  test('loads nothing that only some of its parts need', () => {
    const text = `import { openStore } from 'opossum-store';
      const { createRequire } = await import('node:module');
      const store = await openStore({ directory: 'data', readOnly: false });
      for await (const _ of store.read()) break;
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => /proper-lockfile|graceful-fs|fast-glob|zod|commander|cli-progress/.test(file));
      console.log(loaded.length);
      await store.close();`;
    expect(run(project(), 'lazy.mjs', text)).toBe('0\n');
  });

  test('leaves the calls of the file system as they are, when it takes a lock too', () => {
    const text = `import fs from 'node:fs';
      const before = { ...fs };
      ${use}
      console.log(Object.keys(before).filter((name) => fs[name] !== before[name]).join());`;
    expect(run(project(), 'unpatched.mjs', `import { openStore } from 'opossum-store';\n${text}`)).toBe('world\n\n');
  });

  test('has types that strict projects can use', () => {
    const folder = project();
    fs.writeFileSync(
      path.join(folder, 'app.ts'),
      `import { openStore, openMemoryStore, isOpossumError, type AppendCondition, type EventStore, type SequencedEvent } from 'opossum-store';
import { eventStoreSuite } from 'opossum-store/testing';
const store: EventStore = process.argv[2] ? await openStore({ directory: 'x', durability: 'commit' }) : openMemoryStore();
const condition: AppendCondition = { failIfEventsMatch: { items: [{ types: ['A'] }] }, after: 1 };
const { first }: { first: number } = await store.append([{ type: 'A', data: { n: 1 } }], condition);
for await (const event of store.read('all', { after: first })) { const one: SequencedEvent = event; void one; }
// @ts-expect-error a query is 'all' or has items
store.read('everything');
// @ts-expect-error an event needs data
await store.append({ type: 'A' });
// @ts-expect-error Date is no JSON value
await store.append({ type: 'A', data: new Date() });
void eventStoreSuite; void isOpossumError;`,
    );
    const config = { compilerOptions: { strict: true, exactOptionalPropertyTypes: true, target: 'ES2022', module: 'NodeNext', noEmit: true, types: ['node'], skipLibCheck: false, lib: ['ES2023', 'ESNext.Disposable'] }, files: ['app.ts'] };
    fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
    const result = execTsc(folder);
    expect(result).toBe('');
  });
});

function execTsc(folder: string): string {
  try {
    execFileSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: folder, encoding: 'utf8' });
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
