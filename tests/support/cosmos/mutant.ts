/*
 * The store with one thing wrong: a copy of its source with a changed line, compiled and loaded beside the real one. So the
 * product needs no switches for tests, and a mutant whose line is gone from the source is noticed.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import type { openCosmosStore } from '../../../src/cosmos/index.js';

export type Change = { readonly file: string; readonly from: string; readonly to: string };

const source = path.resolve(import.meta.dirname, '../../../src');

export async function openMutant(changes: readonly Change[]): Promise<typeof openCosmosStore> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'opossum-mutant-'));
  try {
    fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
    for (const room of ['core', 'cosmos']) {
      fs.mkdirSync(path.join(folder, room));
      for (const name of fs.readdirSync(path.join(source, room))) compile(folder, `${room}/${name}`, changes);
    }
    const { openCosmosStore: open } = (await import(/* @vite-ignore */ pathToFileURL(path.join(folder, 'cosmos/open-cosmos-store.js')).href)) as { openCosmosStore: typeof openCosmosStore };
    return open;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function compile(folder: string, name: string, changes: readonly Change[]): void {
  let text = fs.readFileSync(path.join(source, name), 'utf8');
  for (const { from, to } of changes.filter(({ file }) => `cosmos/${file}` === name)) {
    if (text.split(from).length !== 2) throw new Error(`${name} does not hold exactly once what a mutant changes: ${from}`);
    text = text.replace(from, () => to);
  }
  const { outputText } = ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true } });
  fs.writeFileSync(path.join(folder, name.replace(/\.ts$/, '.js')), outputText);
}
