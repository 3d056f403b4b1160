/*
 * Goal: whenever the power goes, a consumer's checkpoint in files lies behind no event that was neither handled nor is durably in
 * the dead letters, and the next one goes on right behind it.
 * Method: on the simulated disk two processes with a consumer of one name while events come in, some of which cannot be handled; the
 * power goes at each n-th change of the disk, leaving what a cut may leave; what is saved is compared with what was handled by then.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadCheckpoint } from '../../src/consuming/checkpoint.js';
import { intervalDefaults } from '../../src/core/defaults.js';
import { sleep } from '../../src/disk/clock.js';
import { consume, deadLetters, type Consumer, type EventStore, type SequencedEvent } from '../../src/index.js';
import type { PowerCut, SyncModel } from '../../src/testing/index.js';
import { Simulation, type SimulatedProcess } from '../../src/testing/simulation/simulation.js';
import { withCalls } from '../support/consuming.js';
import { explained } from '../support/crash-world.js';

// The only timer that is not virtual: it looks once a minute, and would keep what each power cut left behind.
beforeEach(() => void vi.spyOn(intervalDefaults, 'every').mockReturnValue(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const directory = '/data';
const name = 'mailer';
const query = { items: [{ types: ['Good', 'Bad'] }] };

/** The world outside of the machine: what was done for events stays done, whatever the disk forgets. */
class World {
  isOn = true;
  /** Of each event that was handled, by position: its id. */
  readonly handled = new Map<number, string>();
  /** Positions in the order of the calls since the power came back. */
  calls: number[] = [];
  /** The furthest checkpoint that somebody was told to be saved. */
  saved = 0;

  async handle({ position, type, id }: SequencedEvent, process: SimulatedProcess): Promise<void> {
    this.calls.push(position);
    // Long ones and short ones, so that of several at a time later ones are done first.
    await sleep(process.clock, (position * 5) % 11);
    // Nothing gets done without power.
    if (!this.isOn) return new Promise(() => undefined);
    if (type === 'Bad') throw new Error('no such address');
    this.handled.set(position, id);
  }
}

function startConsumer(store: EventStore, process: SimulatedProcess, world: World, concurrency: number): Consumer {
  const save: EventStore['state']['save'] = async (state, value, options) => {
    const version = await store.state.save(state, value, options);
    if (state.endsWith('/checkpoint')) world.saved = Math.max(world.saved, (value as { position: number }).position);
    return version;
  };
  return consume(withCalls(store, { state: { save } }), {
    name,
    query,
    concurrency,
    partitionBy: ({ position }) => String(position % 4),
    maxAttempts: 2,
    checkpointEvery: 2,
    handle: (event) => world.handle(event, process),
    sleep: (ms, signal) => sleep(process.clock, Math.min(ms, 3), signal),
    random: () => 0.5,
    now: () => process.clock.now(),
  });
}

async function work(process: SimulatedProcess, world: World, concurrency: number): Promise<void> {
  const store = await process.openStore({ directory, eventFiles: 'none' });
  const consumer = startConsumer(store, process, world, concurrency);
  for (let i = 0; i < 3; i++) {
    await store.append(['Good', 'Other', 'Bad', 'Good', 'Good'].map((type) => ({ type, data: i })));
    await sleep(process.clock, 30);
  }
  await consumer.stop();
  await store.close();
}

type Left = { changes: number; handled: number; parked: number; again: number };

async function runCutAt(seed: number, syncModel: SyncModel, cutAt: number, cut: PowerCut, concurrency: number): Promise<Left> {
  const simulation = new Simulation({ seed, syncModel });
  const world = new World();
  let changes = 0;
  simulation.disk.onOperation = ({ changes: isChange }) => {
    if (isChange && ++changes === cutAt) {
      world.isOn = false;
      simulation.cutPower(cut);
    }
    return undefined;
  };
  await Promise.all(['a', 'b'].map((one) => simulation.start(one)).map((process) => process.run(work(process, world, concurrency))));
  simulation.disk.onOperation = () => undefined;
  const left = { changes, handled: world.handled.size, parked: 0, again: 0 };

  await explained(simulation, `seed ${seed}, cut at ${cutAt}`, async () => {
    const process = simulation.start('after');
    const store = await process.openStore({ directory, eventFiles: 'none' });
    const { position } = (await loadCheckpoint(store, name))?.place ?? { position: 0 };
    expect(position).toBeGreaterThanOrEqual(world.saved);
    left.parked = (await expectSettled(store, position, world)).size;

    const before = new Set(world.handled.keys());
    Object.assign(world, { isOn: true, calls: [] });
    const consumer = startConsumer(store, process, world, concurrency);
    const { last } = await store.append([{ type: 'Good', data: 'after' }, { type: 'Bad', data: 'after' }]);
    await consumer.waitFor(last);
    await consumer.stop();
    expect(Math.min(...world.calls), 'what the checkpoint has passed is not handled again').toBeGreaterThan(position);
    left.again = world.calls.filter((one) => before.has(one)).length;
    await store.close();
    simulation.cutPower({ data: 'lost', entries: 'lost' });

    const again = await simulation.start('again').openStore({ directory, eventFiles: 'none' });
    expect((await loadCheckpoint(again, name))?.place.position).toBe(last);
    await expectSettled(again, last, world);
    await again.close();
  });
  return left;
}

/** Every event up to `position` was handled or has its dead letter, and what was handled is what is stored. Gives the positions of the letters. */
async function expectSettled(store: EventStore, position: number, world: World): Promise<Set<number>> {
  const events = await store.read(query).toArray();
  const letters = await deadLetters(store, name);
  for (const letter of letters) expect(await letter.readEvent()).toMatchObject({ type: 'Bad' });
  const parked = new Set(letters.map((letter) => letter.position));
  const unsettled = events.filter((event) => event.position <= position && !(event.type === 'Bad' ? parked : world.handled).has(event.position));
  expect(unsettled).toEqual([]);
  for (const [handled, id] of world.handled) expect(events.find((event) => event.position === handled)?.id).toBe(id);
  return parked;
}

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs', (syncModel) => {
  test.each<{ cut: PowerCut; concurrency: number }>([
    { cut: { data: 'lost', entries: 'lost' }, concurrency: 1 },
    { cut: { data: 'torn', entries: 'torn' }, concurrency: 1 },
    { cut: { data: 'torn', entries: 'torn' }, concurrency: 3 },
  ])('every event is handled or parked before the checkpoint passes it, over power cuts: $cut, $concurrency at a time', async ({ cut, concurrency }) => {
    const seed = 11;
    const { changes } = await runCutAt(seed, syncModel, Infinity, cut, concurrency);
    expect(changes).toBeGreaterThan(40);
    const step = Math.ceil(changes / 30);
    const sums = { runs: 0, handled: 0, parked: 0, again: 0 };
    for (let cutAt = 1; cutAt <= changes; cutAt += step) {
      const { handled, parked, again } = await runCutAt(seed + cutAt, syncModel, cutAt, cut, concurrency);
      sums.runs++;
      sums.handled += handled;
      sums.parked += parked;
      sums.again += again;
    }
    // Else the power never went at a moment of interest.
    expect(sums.handled).toBeGreaterThan(sums.runs);
    expect(sums.parked).toBeGreaterThan(sums.runs / 4);
    expect(sums.again).toBeGreaterThan(0);
  });
});
