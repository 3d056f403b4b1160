/*
 * Goal: writers that all believe to have kept the lock, and so do not ask what others appended, give answers that one order explains.
 * Method: three engines as of three processes, whose locks keep nobody away and are never let go; each call of a random load goes to
 *   any of them, so that they repeat one another's appends and build on one another's events. `checkHistory` judges. With durability
 *   'os', as reads of a process do not wait for its own syncs, though others may know what is being synced.
 */
import { expect, test } from 'vitest';
import { systemClock } from '../../src/disk/clock.js';
import { openEngine } from '../../src/engine/open-store.js';
import type { LockHold } from '../../src/engine/engine.js';
import type { EventStore } from '../../src/index.js';
import { checkHistory, mergeHistories, recordHistory } from '../../src/testing/index.js';
import { SeededRandom } from '../../src/testing/simulation/seeded-random.js';
import { faultyPorts } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';
import { runLoad, turns } from '../support/history-load.js';

const openHold: LockHold = { lost: false, takenOver: false, othersWait: () => false, release: () => Promise.resolve() };

/**
 * Its lock is never let go, as timers never end; what it appends may be late. By clocks of their own no two processes make
 * the very same frame: each would take it for its own, and neither call it a repetition.
 */
function open(directory: string, random: SeededRandom): Promise<EventStore> {
  const ports = faultyPorts({
    append: async (file, bytes) => {
      await turns(random);
      return file.append(bytes);
    },
  });
  const aheadMs = random.below(1_000_000);
  const clock = { ...systemClock, now: () => Date.now() + aheadMs, timer: () => () => undefined };
  return openEngine({ directory, eventFiles: 'none', durability: 'os' }, { ...ports, clock, engines: new Map(), openLock: () => ({ acquire: () => Promise.resolve(openHold) }) });
}

/** Hands each call to one of the stores. */
function anyOf(stores: readonly EventStore[], random: SeededRandom): EventStore {
  const any = (): EventStore => stores[random.below(stores.length)]!;
  return {
    ...stores[0]!,
    append: (...args) => any().append(...args),
    read: (...args) => any().read(...args),
    subscribe: (...args) => any().subscribe(...args),
    head: () => any().head(),
  };
}

const seeds = process.env['SEEDS'] ? Array.from({ length: Number(process.env['SEEDS']) }, (_, i) => 1000 + i) : [1, 2, 3, 4, 5, 6];

test.each(seeds)('one order explains what writers without a working lock answer, seed %i', async (seed) => {
  const directory = freshFolder();
  const random = new SeededRandom(seed);
  const stores = [await open(directory, random.fork()), await open(directory, random.fork()), await open(directory, random.fork())];
  const recorded = stores.map((store, i) => recordHistory(store, { process: `p${i}` }));
  await runLoad(anyOf(recorded.map(({ store }) => store), random.fork()), { seed, callers: 6, calls: 30 });
  const reader = await open(directory, random.fork());
  const events = await reader.read().toArray();
  const summary = checkHistory(mergeHistories(...recorded.map(({ history }) => history)), events, { slackMs: 0 });
  expect(summary.events).toBeGreaterThan(50);
  await Promise.all([...stores, reader].map((store) => store.close()));
});
