/* Several real processes on one folder: positions without gap, each acknowledged event there once, batches whole. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStore, verifyContext } from '../../dist/index.js';
import type { EventStore, SequencedEvent } from '../../dist/index.js';
import { openEngine } from '../../src/engine/open-store.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import { freshFolder } from '../support/folder.js';
import { runWorkers, startWorkers } from '../support/workers.js';

type Acknowledged = { i: number; first: number; last: number };

async function readAll(directory: string): Promise<SequencedEvent[]> {
  const store = await openStore({ directory });
  try {
    return await store.read().toArray();
  } finally {
    await store.close();
  }
}

async function withStore<T>(directory: string, use: (store: EventStore) => Promise<T>): Promise<T> {
  const store = await openStore({ directory });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

describe('processes that append to one folder', () => {
  test.each([
    { processes: 4, count: 100, batch: 1 },
    { processes: 3, count: 20, batch: 50 },
  ])('$processes with $count batches of $batch keep every acknowledged event in its place', async ({ processes, count, batch }) => {
    const directory = freshFolder();
    const names = Array.from({ length: processes }, (_, i) => `p${i}`);
    const answers = await runWorkers<Acknowledged[]>(names.map((name) => ({ job: 'append', directory, name, count, batch })));
    const events = await readAll(directory);
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: processes * count * batch }, (_, i) => i + 1));
    answers.forEach((acknowledged, p) => {
      expect(acknowledged).toHaveLength(count);
      for (const { i, first, last } of acknowledged) {
        expect(last - first + 1).toBe(batch);
        expect(events.slice(first - 1, last).map(({ id }) => id)).toEqual(Array.from({ length: batch }, (_, j) => `${names[p]}-${i}-${j}`));
      }
    });
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, pendingEventFiles: 0, problems: [] });
  });

  test('may repeat the same batch at the same time: it is stored once', async () => {
    const directory = freshFolder();
    const events = ['a', 'b', 'c'].map((id) => ({ type: 'T', id, tags: ['x:1'], data: { id } }));
    const answers = await runWorkers<{ first: number; last: number; duplicate: boolean }>(
      Array.from({ length: 4 }, () => ({ job: 'appendSame', directory, events })),
    );
    expect(answers.map(({ first, last }) => [first, last])).toEqual(Array(4).fill([1, 3]));
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect((await readAll(directory)).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  test('are followed live by a subscriber: each event once, in order', async () => {
    const directory = freshFolder();
    await withStore(directory, async (store) => {
      const workers = await startWorkers(['p', 'q'].map((name) => ({ job: 'append', directory, name, count: 100 })));
      const seen: SequencedEvent[] = [];
      for (const worker of workers) worker.go();
      for await (const event of store.subscribe({ items: [{ types: ['Appended'] }] })) {
        seen.push(event);
        if (seen.length === 200) break;
      }
      expect(seen.map(({ position }) => position)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
      expect(new Set(seen.map(({ id }) => id)).size).toBe(200);
      await Promise.all(workers.map(({ result }) => result));
    });
  });

  test('may append and close at any moment of another one opening', async () => {
    const directory = freshFolder();
    await withStore(directory, (store) => store.append({ type: 'T', data: 1 }));
    for (const moment of ['checkpoint', 'ledger', 'index']) {
      let interrupted = false;
      const interrupt = async (file: string): Promise<void> => {
        if (interrupted || path.basename(file) !== moment) return;
        interrupted = true;
        await runWorkers([{ job: 'append', directory, name: moment, count: 3 }]);
      };
      const { disk } = systemPorts;
      const store = await openEngine(
        { directory },
        {
          ...systemPorts,
          disk: {
            ...disk,
            readFile: async (file) => (await interrupt(file), disk.readFile(file)),
            open: async (file, mode) => (await interrupt(file), disk.open(file, mode)),
            list: async (file) => (await interrupt(file), disk.list(file)),
          },
        },
      );
      expect(interrupted, moment).toBe(true);
      const events = await store.read().toArray();
      expect(events.at(-1)?.id).toBe(`${moment}-2-0`);
      await store.close();
    }
  });

  test('lose nothing that was acknowledged when one of them is killed, and the others go on', async () => {
    const directory = freshFolder();
    const [victim, other] = await startWorkers([
      { job: 'append', directory, name: 'victim', count: 100_000, reports: true },
      { job: 'append', directory, name: 'other', count: 300 },
    ]);
    victim!.go();
    other!.go();
    while (victim!.reports.length < 50) await new Promise((resolve) => setImmediate(resolve));
    victim!.child.kill('SIGKILL');
    const answers = [...(victim!.reports as Acknowledged[]), ...((await other!.result) as Acknowledged[])];
    const events = await readAll(directory);
    expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => i + 1));
    for (const { i, first } of victim!.reports as Acknowledged[]) expect(events[first - 1]!.id).toBe(`victim-${i}-0`);
    expect(new Set(answers.map(({ first }) => first)).size).toBe(answers.length);
    expect(await verifyContext({ directory })).toMatchObject({ ok: true });
  });
});
