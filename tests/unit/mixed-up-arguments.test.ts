/* What a person without a type checker, or in a hurry, hands to the library by mistake: each is told by its name, before anything is done. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  backupContext, causedBy, command, commands, consume, decide, decisionModel, defineEvent, doctorContext, listContexts, openMemoryStore, openProjection, openStore, parseEvents, projection,
  repairContext, storeStats, stream, upcast, verifyContext, withContext,
} from '../../src/index.js';
import { freshFolder } from '../support/folder.js';

type Call = (...args: unknown[]) => unknown;
const store = openMemoryStore();
const model = decisionModel({ events: [defineEvent('A', z.object({}))], initial: 0, handlers: { A: (count) => count + 1 } });
const count = projection({ name: 'count', query: 'all', key: () => 'k', initial: 0, evolve: (state) => state + 1 });

const mistakes: [where: string, call: () => unknown][] = [
  ...[verifyContext, repairContext, backupContext, doctorContext, storeStats].flatMap((call): [string, () => unknown][] => [
    ['options', () => (call as Call)()],
    ['options', () => (call as Call)('./data')],
    ['options.directory', () => (call as Call)({})],
    ['options.dir', () => (call as Call)({ dir: './data' })],
  ]),
  ['directory', () => (listContexts as Call)()],
  ['directory', () => (listContexts as Call)({ directory: './data' })],
  ['options.destination', () => (backupContext as Call)({ directory: './data' })],
  ['store', () => (decide as Call)()],
  ['models', () => (decide as Call)(store)],
  ['models.a', () => (decide as Call)(store, { a: 5 })],
  ['decision', () => (decide as Call)(store, { a: model })],
  ['context', () => (withContext as Call)()],
  ['store', () => (withContext as Call)({})],
  ['event', () => (causedBy as Call)()],
  ['definitions', () => (parseEvents as Call)(store.read())],
  ['store', () => (openProjection as Call)()],
  ['store', () => (stream as Call)('course-1', store)],
  ['store', () => (consume as Call)({ name: 'a' })],
  ['store', () => (commands as Call)({})],
  ['schema of A', () => (defineEvent as Call)('A')],
  ['schema of A', () => (defineEvent as Call)('A', { n: 'number' })],
  ['schema', () => (command as Call)()],
  ['handle', () => (command as Call)(z.object({}))],
  ['schema', () => (upcast as Call)()],
  ['change', () => (upcast as Call)(z.object({}))],
];

test.each(mistakes)('%s is named: %s', async (where, call) => {
  await expect((async () => call())()).rejects.toMatchObject({ code: 'INVALID_INPUT', path: where });
});

test('waiting for no position is refused, and does not wait for ever', async () => {
  const view = await openProjection(store, count);
  await expect((view.waitFor as Call)()).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'position', message: expect.stringContaining('is missing') as string });
  await view.close();
  const consumer = consume(store, { name: 'c', query: 'all', handle: () => undefined });
  await expect((consumer.waitFor as Call)()).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'position', message: expect.stringContaining('is missing') as string });
  await consumer.stop();
});

test('a context is not made within a context', async () => {
  const directory = freshFolder();
  const outer = await openStore({ directory });
  await outer.append({ type: 'A', data: null });
  await outer.close();
  const within = path.join(directory, 'default');
  const before = fs.readdirSync(within);
  await expect(openStore({ directory: within })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.directory', message: expect.stringContaining(`Give the folder that holds it, ${directory}`) as string });
  await expect(openStore({ directory: path.join(within, 'deeper', 'still') })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  expect(fs.readdirSync(within)).toEqual(before);
});
