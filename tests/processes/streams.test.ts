/*
 * Goal: versions are right and expected versions hold when several processes append to the same streams.
 * Method: four real processes race for a few streams; what each was told is compared with what is stored in the end.
 */
import { describe, expect, test } from 'vitest';
import { openStore, stream } from '../../dist/index.js';
import { eventsIn } from '../support/read-events.js';
import { freshFolder } from '../support/folder.js';
import { runWorkers } from '../support/workers.js';

type Answer = { version: number; first: number; last: number };
type Outcomes = { acknowledged: (Answer & { stream: string; expectedVersion: number | string; ids: string[]; again: Answer & { duplicate: boolean } })[]; refused: number };

const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

describe('with several processes', () => {
  test('every acknowledged append has its version, and no version is given twice', async () => {
    const directory = freshFolder();
    const count = 60;
    const streams = ['a', 'b', 'c'];
    const outcomes = await runWorkers<Outcomes>(['p', 'q', 'r', 's'].map((name) => ({ job: 'appendToStreams', directory, name, count, streams })));
    const acknowledged = outcomes.flatMap((outcome) => outcome.acknowledged);
    expect(acknowledged.length + outcomes.reduce((sum, { refused }) => sum + refused, 0)).toBe(4 * count);

    const store = await openStore({ directory });
    const stored = new Map<string, { id: string; version: number; position: number }[]>();
    for (const id of streams) stored.set(id, await stream(store, id).read().toArray());
    await store.close();
    for (const events of stored.values()) expect(events.map(({ version }) => version)).toEqual(range(1, events.length));
    for (const { stream: id, version, first, last, expectedVersion, ids, again } of acknowledged) {
      const before = version - ids.length;
      const found = stored.get(id)!.slice(before, version);
      expect(found.map((event) => [event.id, event.position])).toEqual(ids.map((one, i) => [one, first + i]));
      expect(again).toEqual({ version, first, last, duplicate: true });
      if (typeof expectedVersion === 'number') expect(before).toBe(expectedVersion);
      if (expectedVersion === 'none') expect(before).toBe(0);
      if (expectedVersion === 'exists') expect(before).toBeGreaterThan(0);
    }
    // Nothing is there that nobody was told of.
    expect((await eventsIn(directory)).map(({ id }) => id).sort()).toEqual(acknowledged.flatMap(({ ids }) => ids).sort());
  });

  test('updates of one aggregate all count, and none goes beyond its limit', async () => {
    const directory = freshFolder();
    const versions = await runWorkers<number[]>(range(1, 4).map(() => ({ job: 'countUp', directory, count: 20, most: 50 })));
    expect(versions.flat().sort((a, b) => a - b)).toEqual(range(1, 50));
    expect(await eventsIn(directory)).toHaveLength(50);
  });
});
