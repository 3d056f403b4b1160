/* Every TypeScript snippet of README, guide and the pages on testing and observability is type-checked and run, each as a program of its own in a fresh folder. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { freshFolder } from './support/folder.js';

const root = path.resolve(import.meta.dirname, '..');
// Inside the package, so that 'opossum-store' means the package itself; one for each run, as two may run at once.
const folder = fs.mkdtempSync(path.join(root, 'tests/.snippets-'));
const pages = ['README.md', 'docs/guide.md', 'docs/testing.md', 'docs/observability.md'];

const snippets = pages.flatMap((page) =>
  [...fs.readFileSync(path.join(root, page), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match, i) => ({
    name: `${page} snippet ${i + 1}`,
    file: `${page.replace(/\W/g, '-')}-${i + 1}`,
    text: match[1]!,
  })),
);

beforeAll(() => {
  for (const { file, text } of snippets) fs.writeFileSync(path.join(folder, `${file}.ts`), `${text}\nexport {};\n`);
  const options = { strict: true, noUncheckedIndexedAccess: true, target: 'ES2022', module: 'NodeNext', types: ['node'], skipLibCheck: true, lib: ['ES2023', 'ESNext.Disposable'], outDir: 'out', rootDir: '.' };
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
  try {
    execFileSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    throw new Error(`A snippet does not compile:\n${(error as { stdout: string }).stdout}`);
  }
  return () => fs.rmSync(folder, { recursive: true, force: true });
});

describe('snippets', () => {
  test('are there', () => {
    for (const page of pages) expect(snippets.filter(({ name }) => name.startsWith(page)).length).toBeGreaterThan(0);
  });

  test.each(snippets)('$name runs', ({ file, text }) => {
    const result = spawnSync(process.execPath, [path.join(folder, 'out', `${file}.js`)], { cwd: freshFolder(), encoding: 'utf8', timeout: 20_000 });
    expect(result.stderr).toBe('');
    expect(result.status).toBe(0);
    // A comment "// prints: …" in a snippet is a promise.
    for (const [, expected] of text.matchAll(/\/\/ prints: (.*)$/gm)) expect(result.stdout).toContain(expected);
  });
});

describe('links', () => {
  test.each(['README.md', ...(fs.readdirSync(path.join(root, 'docs'), { recursive: true }) as string[]).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)])('of %s lead to files that exist', (page) => {
    const text = fs.readFileSync(path.join(root, page), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      expect(fs.existsSync(path.resolve(root, path.dirname(page), target!)), `${target}`).toBe(true);
    }
  });
});

describe('guarantees', () => {
  const text = fs.readFileSync(path.join(root, 'docs/guarantees.md'), 'utf8');
  const tests = [...text.matchAll(/^\| (T\d+) \| `([^`]+)` › ([^:|]+)/gm)].map(([, key, file, title]) => ({ key: key!, file: file!, title: title!.trim() }));

  test('name only tests that are there', () => {
    expect(tests.length).toBeGreaterThan(10);
    for (const { key, file, title } of tests) {
      expect(fs.readFileSync(path.join(root, file), 'utf8').includes(title), `${key}: "${title}" in ${file}`).toBe(true);
    }
  });

  test('name each test by a key that the page explains, and explain none in vain', () => {
    const matrix = text.slice(0, text.indexOf('## The tests'));
    const used = new Set(matrix.match(/\bT\d+/g));
    expect([...used].sort()).toEqual(tests.map(({ key }) => key).sort());
  });
});

describe('the recovery table', () => {
  test('has the same rows in the design, the code and the tests', () => {
    const labelsIn = (text: string): string[] => [...new Set(text.match(/\bR\d+\b/g))].sort();
    const rows = [...fs.readFileSync(path.join(root, 'docs/design.md'), 'utf8').matchAll(/^\| (R\d+) \|/gm)].map((match) => match[1]!).sort();
    const sources = (fs.readdirSync(path.join(root, 'src'), { recursive: true }) as string[])
      .filter((name) => name.endsWith('.ts'))
      .map((name) => fs.readFileSync(path.join(root, 'src', name), 'utf8'));
    const titles = [...fs.readFileSync(path.join(root, 'tests/crash/recovery-table.test.ts'), 'utf8').matchAll(/'(R\d+) /g)].map((match) => match[1]!);
    expect(rows.length).toBeGreaterThan(15);
    expect([...new Set(titles)].sort()).toEqual(rows);
    expect(labelsIn(sources.join('\n'))).toEqual(rows);
  });
});
