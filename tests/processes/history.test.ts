/*
 * goal: what several real processes did on one folder is explained by one order of commits, also when one of them was killed.
 * method: four processes read, decide and append, and write down each call before they make it and each answer when it comes; one
 * is killed in between. The merged histories are checked against what is stored in the end.
 */
import { fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { checkHistory, mergeHistories } from '../../src/testing/index.js';
import { freshFolder } from '../support/folder.js';

const program = path.join(import.meta.dirname, 'fixtures/history-process.mjs');

test('histories of four processes, one of them killed, merge into one that holds', async () => {
  const directory = freshFolder();
  const names = ['a', 'b', 'c', 'killed'];
  const files = names.map((name) => path.join(directory, `${name}.ndjson`));
  const children = names.map((name, i) => fork(program, [JSON.stringify({ directory, name, file: files[i], calls: name === 'killed' ? 1_000_000 : 60 })]));
  const codes = children.map((child) => new Promise<number | null>((resolve) => child.on('exit', resolve)));
  try {
    expect(await Promise.all(codes.slice(0, 3))).toEqual([0, 0, 0]);
  } finally {
    children[3]!.kill('SIGKILL');
    await Promise.all(codes);
  }

  const store = await openStore({ directory });
  const finalEvents = await store.read().toArray();
  const history = mergeHistories(...files.map((file) => fs.readFileSync(file, 'utf8')));
  const summary = checkHistory(history, finalEvents);
  expect(summary.events).toBe(finalEvents.length);
  for (const name of names) expect(history.operations.filter(({ process }) => process === name).length).toBeGreaterThan(20);

  // The same, ending before an event that was acknowledged: the very last one may be of the call that was killed.
  const acknowledged = Math.max(...history.operations.map((one) => (one.call === 'append' && one.answer ? one.answer.last : 0)));
  expect(acknowledged).toBeGreaterThan(20);
  expect(() => checkHistory(history, finalEvents.slice(0, acknowledged - 1))).toThrow('in the end');
  await store.close();
});
