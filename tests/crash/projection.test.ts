/*
 * Goal: a projection in files is the fold of the events up to its position after any power cut, and goes on from there, also in
 * the middle of building it anew.
 * Method: on the simulated disk two processes with one projection while events come in, of which one raises its version; the power
 * goes at each n-th change of the disk, leaving what a cut may leave; then it is read, continued, and compared with the events.
 */
import { afterAll, describe, expect, test, vi } from 'vitest';
import { sleep } from '../../src/disk/clock.js';
import type { EventStore } from '../../src/index.js';
import { isOpossumError, openProjection, projection } from '../../src/index.js';
import { loadManifest } from '../../src/projecting/manifest.js';
import type { PowerCut, SyncModel } from '../../src/testing/index.js';
import { Simulation, type SimulatedProcess } from '../../src/testing/simulation/simulation.js';

// Test files share modules: neither may those be used here that others loaded, nor these by others.
const bounds = vi.hoisted(() => {
  vi.resetModules();
  return '../../src/projecting/bounds.js';
});
vi.mock('../../src/projecting/bounds.js', () => import('../support/small-bounds.js'));
afterAll(() => {
  vi.doUnmock(bounds);
  vi.resetModules();
});

const directory = '/data';
type State = { count: number; sum: number };
const counterOf = (version: number, applied: number[] = []) =>
  projection({
    name: 'counter',
    version,
    query: 'all',
    key: (event) => event.data as string,
    initial: { count: 0, sum: 0 },
    evolve(state, event) {
      applied.push(event.position);
      return { count: state.count + 1, sum: state.sum + event.position * version };
    },
  });

async function folded(store: EventStore, position: number, version: number): Promise<Map<string, State>> {
  const states = new Map<string, State>();
  for await (const event of store.read('all', { before: position + 1 })) {
    const { count, sum } = states.get(event.data as string) ?? { count: 0, sum: 0 };
    states.set(event.data as string, { count: count + 1, sum: sum + event.position * version });
  }
  return states;
}

const timesOf = (process: SimulatedProcess) => ({
  sleep: (ms: number, signal?: AbortSignal) => sleep(process.clock, ms, signal),
  now: () => process.clock.now(),
});

/** Appends and waits for what it appended. `b` raises the version half-way; `a` follows when it is refused. */
async function work(process: SimulatedProcess, name: string): Promise<void> {
  const store = await process.openStore({ directory, eventFiles: 'none' });
  const open = (version: number) => openProjection(store, counterOf(version), { ...timesOf(process), onRebuild: () => undefined });
  let view = await open(1).catch(() => open(2));
  const raise = async (): Promise<void> => {
    await view.close();
    view = await open(2);
  };
  for (let i = 0; i < 6; i++) {
    if (name === 'b' && i === 3) await raise();
    const { last } = await store.append([{ type: 'A', data: `${name}${i % 3}` }, { type: 'A', data: 'both' }]);
    await view.waitFor(last).catch(async (error: unknown) => {
      if (name === 'b' || !isOpossumError(error, 'INVALID_INPUT')) throw error;
      await raise();
      await view.waitFor(last);
    });
  }
  await view.close();
  await store.close();
}

async function runCutAt(seed: number, syncModel: SyncModel, cutAt: number, cut: PowerCut): Promise<{ changes: number; isHalfBuilt: boolean }> {
  const simulation = new Simulation({ seed, syncModel });
  let changes = 0;
  simulation.disk.onOperation = ({ changes: isChange }) => {
    if (isChange && ++changes === cutAt) simulation.cutPower(cut);
    return undefined;
  };
  await Promise.all(['a', 'b'].map((name) => simulation.start(name)).map((process) => process.run(work(process, process.name))));
  simulation.disk.onOperation = () => undefined;

  const process = simulation.start('after');
  const store = await process.openStore({ directory, eventFiles: 'none' });
  const { manifest } = await loadManifest(store.state, 'counter');
  const isBegun = manifest === undefined || (manifest.next ?? manifest.live).version === 2;
  const told: string[] = [];
  const applied: number[] = [];
  const view = await openProjection(store, counterOf(2, applied), { ...timesOf(process), onRebuild: ({ reason }) => told.push(reason) });
  const { position, servedVersion } = view.status();
  const states = new Map<string, State>();
  const early = [...(await folded(store, position, servedVersion))];
  for (const [key] of early) states.set(key, (await view.get(key))!);
  // By now it may have gone on: what it shows is never less than what was saved.
  for (const [key, { count }] of early) expect(states.get(key)?.count).toBeGreaterThanOrEqual(count);
  const { last } = await store.append({ type: 'A', data: 'after' });
  await view.waitFor(last);
  const now = new Map<string, State>();
  for await (const [key, state] of view.entries()) now.set(key, state);
  expect(now, `seed ${seed}, cut at ${cutAt}`).toEqual(await folded(store, last, 2));
  // What a power cut leaves is whole: nothing had to be built anew, unless nobody had begun with the raised version.
  expect(told).toEqual(isBegun ? [] : ['version']);
  const saved = isBegun ? (manifest?.next ?? manifest?.live)?.checkpoint.position ?? 0 : 0;
  expect(applied).toEqual(Array.from({ length: last - saved }, (_, i) => saved + 1 + i));
  await view.close();
  await store.close();
  return { changes, isHalfBuilt: manifest?.next != null && saved > 0 };
}

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs', (syncModel) => {
  test.each<PowerCut>([{ data: 'lost', entries: 'lost' }, { data: 'torn', entries: 'torn' }])('applies each event exactly once over power cuts: $data, $entries', async (cut) => {
    const seed = 7;
    const { changes: total } = await runCutAt(seed, syncModel, Infinity, cut);
    expect(total).toBeGreaterThan(40);
    const step = Math.ceil(total / 40);
    let halfBuilt = 0;
    for (let cutAt = 1; cutAt <= total; cutAt += step) if ((await runCutAt(seed + cutAt, syncModel, cutAt, cut)).isHalfBuilt) halfBuilt++;
    // Else no cut came in the middle of building it anew.
    expect(halfBuilt).toBeGreaterThan(0);
  });
});
