/*
 * Goal: the benchmarks work. Their times are not looked at, since a test that asserts a time fails by chance.
 * Method: a smoke run of opossum alone, which needs none of the rivals; each measurement checks what it found and fails the run.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { fastFolder } from '../support/folder.js';

const root = path.resolve(import.meta.dirname, '../..');

test('the smoke run measures every row of opossum, and writes its report where it is asked to', { timeout: 120_000 }, async () => {
  const folder = fastFolder();
  const [json, markdown] = [path.join(folder, 'run.json'), path.join(folder, 'run.md')];
  fs.writeFileSync(markdown, 'before\n<!-- figures -->\nold\n<!-- /figures -->\nbehind\n');
  const options = ['--smoke', '--rivals', 'opossum', '--work', path.join(folder, 'work'), '--json', json, '--markdown', markdown];
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(root, 'benchmarks/run.mjs'), ...options], { cwd: root });

  const { results, series } = JSON.parse(fs.readFileSync(json, 'utf8')) as { results: { row: string; figures: { opossum: number } }[]; series: { measurement: string }[] };
  const { rows } = (await import(path.join(root, 'benchmarks/lib/rows.mjs'))) as { rows: { name: string }[] };
  expect(results.map(({ row }) => row).sort()).toEqual(rows.map(({ name }) => name).sort());
  expect(results.every(({ figures }) => Number.isFinite(figures.opossum))).toBe(true);
  expect(series.some(({ measurement }) => measurement === 'disk')).toBe(true);

  const written = fs.readFileSync(markdown, 'utf8');
  expect(written).toBe(`before\n<!-- figures -->\n\n${stdout.trimEnd()}\n\n<!-- /figures -->\nbehind\n`);
  expect(fs.readdirSync(path.join(folder, 'work'))).toEqual([]);
});
