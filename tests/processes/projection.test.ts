/*
 * goal: whoever is killed when, each event is applied exactly once.
 * method: three real processes with one projection, SIGKILL for the one that applies while events come in, a new one in its place;
 * in the end the counters are compared with the events.
 */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openProjection, openStore, projection } from '../../dist/index.js';
import { freshFolder } from '../support/folder.js';

type Running = { child: ChildProcess; phase: string; errors: string[] };
const running: Running[] = [];
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
});

function start(directory: string): void {
  const child = fork(path.join(import.meta.dirname, 'fixtures/projecting-process.mjs'), [directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const one: Running = { child, phase: '', errors: [] };
  running.push(one);
  child.on('message', ({ phase, error }: { phase?: string; error?: string }) => {
    if (phase) one.phase = phase;
    if (error) one.errors.push(error);
  });
}

test('the process that applies is killed again and again, and no event is lost or applied twice', async () => {
  const directory = freshFolder();
  const store = await openStore({ directory });
  const append = (count: number) => store.append(Array.from({ length: count }, (_, i) => ({ type: i % 5 === 0 ? 'Other' : 'Counted', data: `k${i % 7}` })));
  await append(100);
  for (let i = 0; i < 3; i++) start(directory);
  for (let kill = 0; kill < 4; kill++) {
    await expect.poll(() => running.some(({ phase }) => phase === 'live' || phase === 'catching-up'), { timeout: 15_000, interval: 2 }).toBe(true);
    await append(200);
    await append(1);
    const at = running.findIndex(({ phase }) => phase === 'live' || phase === 'catching-up');
    running.splice(at, 1)[0]!.child.kill('SIGKILL');
    start(directory);
  }
  const { last } = await append(50);
  const counter = projection({ name: 'counter', query: { items: [{ types: ['Counted'] }] }, key: (event) => event.data as string, initial: { count: 0, sum: 0 }, evolve: (state) => state });
  const view = await openProjection(store, counter, { readOnly: true });
  await view.waitFor(last);
  const expected = new Map<string, { count: number; sum: number }>();
  for await (const { data, position } of store.read({ items: [{ types: ['Counted'] }] })) {
    const { count, sum } = expected.get(data as string) ?? { count: 0, sum: 0 };
    expected.set(data as string, { count: count + 1, sum: sum + position });
  }
  expect(await view.getMany([...expected.keys()])).toEqual(expected);
  expect(running.flatMap(({ errors }) => errors)).toEqual([]);
  await view.close();
  await store.close();
});
