/*
 * Goal: a projection in files is the fold of the events up to its position after any power cut, and goes on from there.
 * Method: on the simulated disk two processes with one projection while events come in; the power goes at each n-th change of the
 * disk, leaving what a cut may leave; then it is read, continued, and compared with the events.
 */
import { describe, expect, test, vi } from 'vitest';
import { sleep } from '../../src/disk/clock.js';
import type { EventStore } from '../../src/index.js';
import { openProjection, projection } from '../../src/index.js';
import type { PowerCut, SyncModel } from '../../src/testing/index.js';
import { Simulation, type SimulatedProcess } from '../../src/testing/simulation/simulation.js';

vi.mock('../../src/projecting/bounds.js', () => import('../support/small-bounds.js'));

const directory = '/data';
type State = { count: number; sum: number };
const counter = projection({
  name: 'counter',
  query: 'all',
  key: (event) => event.data as string,
  initial: { count: 0, sum: 0 },
  evolve: (state, event) => ({ count: state.count + 1, sum: state.sum + event.position }),
});

async function folded(store: EventStore, position: number): Promise<Map<string, State>> {
  const states = new Map<string, State>();
  for await (const event of store.read('all', { before: position + 1 })) {
    const { count, sum } = states.get(event.data as string) ?? { count: 0, sum: 0 };
    states.set(event.data as string, { count: count + 1, sum: sum + event.position });
  }
  return states;
}

const timesOf = (process: SimulatedProcess) => ({
  sleep: (ms: number, signal?: AbortSignal) => sleep(process.clock, ms, signal),
  now: () => process.clock.now(),
});

async function work(process: SimulatedProcess, name: string): Promise<void> {
  const store = await process.openStore({ directory, eventFiles: 'none' });
  const view = await openProjection(store, counter, timesOf(process));
  for (let i = 0; i < 6; i++) {
    const { last } = await store.append([{ type: 'A', data: `${name}${i % 3}` }, { type: 'A', data: 'both' }]);
    await view.waitFor(last);
  }
  await view.close();
  await store.close();
}

async function runCutAt(seed: number, syncModel: SyncModel, cutAt: number, cut: PowerCut): Promise<number> {
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
  const told: string[] = [];
  const view = await openProjection(store, counter, { ...timesOf(process), onRebuild: ({ reason }) => told.push(reason) });
  const { position } = view.status();
  const states = new Map<string, State>();
  const early = [...(await folded(store, position))];
  for (const [key] of early) states.set(key, (await view.get(key))!);
  // By now it may have gone on: what it shows is never less than what was saved.
  for (const [key, { count }] of early) expect(states.get(key)?.count).toBeGreaterThanOrEqual(count);
  const { last } = await store.append({ type: 'A', data: 'after' });
  await view.waitFor(last);
  const now = new Map<string, State>();
  for await (const [key, state] of view.entries()) now.set(key, state);
  expect(now, `seed ${seed}, cut at ${cutAt}`).toEqual(await folded(store, last));
  // What a power cut leaves is whole: nothing had to be built anew.
  expect(told).toEqual([]);
  await view.close();
  await store.close();
  return changes;
}

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs', (syncModel) => {
  test.each<PowerCut>([{ data: 'lost', entries: 'lost' }, { data: 'torn', entries: 'torn' }])('applies each event exactly once over power cuts: $data, $entries', async (cut) => {
    const seed = 7;
    const total = await runCutAt(seed, syncModel, Infinity, cut);
    expect(total).toBeGreaterThan(40);
    const step = Math.ceil(total / 40);
    for (let cutAt = 1; cutAt <= total; cutAt += step) await runCutAt(seed + cutAt, syncModel, cutAt, cut);
  });
});
