/*
 * goal: under constant load the checkpoint follows too, every few seconds: it is what tells of a ledger that lost its end.
 * method: on the simulated machine a store appends, and is kept from ever being idle by an append that waits for the lock.
 */
import { expect, test } from 'vitest';
import { decodeCheckpoint } from '../../src/engine/checkpoint.js';
import { Simulation } from '../../src/testing/index.js';

const directory = '/data';
const checkpointPath = '/data/default/checkpoint';

test('the durable mark moves while a store is never idle, and no more often than every few seconds', async () => {
  const simulation = new Simulation({ seed: 3 });
  const [writer, holder] = [simulation.start('W'), simulation.start('H')];
  const store = await writer.openStore({ directory, lockTimeout: 1_000_000 });
  let written = 0;
  simulation.disk.onOperation = ({ kind, path }) => {
    if (kind === 'rename' && path.endsWith(`-> ${checkpointPath}`)) written++;
    return undefined;
  };
  const marks: (number | undefined)[] = [];
  for (let second = 1; second <= 24; second++) {
    await store.append({ type: 'T', data: second });
    // From here on the writer waits, so it is busy, until it may commit again.
    const hold = await holder.ports.openLock('/data/default').acquire(1000);
    const waiting = store.append({ type: 'T', data: -second });
    await simulation.advance(1000);
    marks.push(decodeCheckpoint(simulation.disk.files().get(checkpointPath))?.durable?.position);
    await hold.release();
    await waiting;
  }
  expect(marks.at(-1)).toBeGreaterThan(2 * 24 - 2 * 6);
  // Every second there was something new to save.
  expect(written).toBeGreaterThanOrEqual(4);
  expect(written).toBeLessThanOrEqual(6);
  await store.close();
});
