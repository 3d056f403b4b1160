/*
 * goal: of several processes with a consumer of one name only one is active at a time; when it is killed another takes over, no
 * event is left out, and events are repeated only around a takeover.
 * method: three real processes, SIGKILL for the active one at random moments, a new one in its place; each call of a handler is a
 * line in one file, whose order the kernel decides.
 */
import { fork, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openStore } from '../../dist/index.js';
import { Dice } from '../properties/chain-rule-medium.js';
import { freshFolder } from '../support/folder.js';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

type Line = { pid: number; what: 'begins' | 'ends'; position: number };

test(`the active consumer is killed three times (SEED=${seed})`, async () => {
  const dice = new Dice(seed);
  const directory = freshFolder();
  const log = path.join(directory, 'calls.log');
  fs.writeFileSync(log, '');
  const lines = (): Line[] =>
    fs
      .readFileSync(log, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' ') as [string, Line['what'], string])
      .map(([pid, what, position]) => ({ pid: Number(pid), what, position: Number(position) }));

  const store = await openStore({ directory });
  const append = (count: number) => store.append(Array.from({ length: count }, (_, i) => ({ type: i % 3 === 0 ? 'Other' : 'Ordered', data: i })));
  await append(60);
  await Promise.all([start(directory, log), start(directory, log), start(directory, log)]);

  const killed: number[] = [];
  for (let kill = 0; kill < 3; kill++) {
    await append(60);
    const seen = lines().length;
    // The active one is at work again, by whoever that is; then some calls more.
    await expect.poll(() => lines().length, { timeout: 15_000, interval: 5 }).toBeGreaterThan(seen + dice.roll(40));
    const { pid } = lines().at(-1)!;
    const active = [...running].find((child) => child.pid === pid)!;
    const ended = new Promise((resolve) => active.once('exit', resolve));
    active.kill('SIGKILL');
    await ended;
    killed.push(pid);
    void start(directory, log);
  }
  await append(30);
  const wanted = (await store.read({ items: [{ types: ['Ordered'] }] }).toArray()).map(({ position }) => position);
  await expect.poll(() => lines().at(-1), { timeout: 15_000 }).toMatchObject({ what: 'ends', position: wanted.at(-1) });
  await Promise.all([...running].map(stop));

  const calls = lines();
  const runs = runsOfOneProcess(calls);
  // Nobody comes back after another one began, and only who was killed is followed by another.
  expect(runs.map(([first]) => first!.pid).slice(0, -1)).toEqual(killed);
  let reached = 0;
  for (const run of runs) {
    const begun = run.filter(({ what }) => what === 'begins').map(({ position }) => position);
    // In order, from an event that the one before had begun, or from the next: repetitions only around a takeover.
    const from = wanted.indexOf(begun[0]!);
    expect(from).toBeLessThanOrEqual(reached);
    expect(begun).toEqual(wanted.slice(from, from + begun.length));
    // One call at a time; only the last one of a process that was killed may have no end.
    const expected = run.map((line, i): Line => ({ pid: line.pid, what: i % 2 === 0 ? 'begins' : 'ends', position: begun[i >> 1]! }));
    expect(run).toEqual(expected);
    reached = from + begun.length - (run.length % 2);
  }
  expect(reached).toBe(wanted.length);
  expect(calls.filter(({ what }) => what === 'ends').length).toBeLessThan(wanted.length + 3 * 20);
  expect((await store.state.load('consumers/c/checkpoint'))?.value).toMatchObject({ position: await store.head() });
  await store.close();
}, 60_000);

function start(directory: string, log: string): Promise<void> {
  const child = fork(path.join(import.meta.dirname, 'fixtures/consume-process.mjs'), [JSON.stringify({ directory, name: 'c', log })]);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return new Promise((resolve) => child.once('message', () => resolve()));
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  // One that is still starting listens before long, and messages wait for it.
  child.send('stop');
  expect(await ended).toBe(0);
}

/** The lines of one process after another. */
function runsOfOneProcess(lines: readonly Line[]): Line[][] {
  const runs: Line[][] = [];
  for (const line of lines) {
    if (runs.at(-1)?.[0]!.pid === line.pid) runs.at(-1)!.push(line);
    else runs.push([line]);
  }
  return runs;
}
