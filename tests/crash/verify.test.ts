/*
 * Goal: verify raises no false alarm while others write, changes nothing, and notes what a person may want to know.
 * Method: on the simulated disk; writers and verify in random order of their disk operations, from a seed that is printed.
 * (That it finds every damage: repair-ledger and repair-derived.)
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifyOn } from '../../src/engine/upkeep/verify.js';
import { Simulation } from '../../src/testing/index.js';
import { changed, diskWith, filesOf, inFolder, quickDiskWith, root, storeFiles, verify } from '../support/damaged-store.js';
import { flipped } from '../support/ledger-bytes.js';

const eventFile = (position: number): string => `events/0000001/00000000${position}.json`;

describe('beside writers', () => {
  test('it calls nothing damaged that is being written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.constantFrom<'posix' | 'ext4'>('posix', 'ext4'), async (seed, syncModel) => {
        const simulation = new Simulation({ seed, syncModel });
        const writers = ['A', 'B'].map((name) => simulation.start(name));
        const first = await writers[0]!.openStore({ directory: root });
        await first.append({ type: 'First', data: 0 });
        let isWriting = true;
        const write = async (name: string, store: typeof first): Promise<void> => {
          for (let i = 0; i < 4; i++) {
            await Promise.all([1, 2, 3].map((n) => store.append([{ type: name, data: { i, n } }, { type: 'Second', data: 'x'.repeat(100 * n) }])));
            if (i === 1) await simulation.advance(1500);
          }
          await store.close();
        };
        const work = Promise.all([write('A', first), writers[1]!.openStore({ directory: root }).then((store) => write('B', store))]).finally(() => (isWriting = false));
        const watcher = simulation.start('V');
        let looks = 0;
        for (; isWriting; looks++) expect(await verify(watcher)).toMatchObject({ ok: true, problems: [] });
        await work;
        expect(looks).toBeGreaterThan(1);
        expect(await verify(watcher)).toMatchObject({ ok: true, head: 49, pendingEventFiles: 0 });
      }),
      { numRuns: 15 },
    );
  });

  test('it looks again at an event file and an index block that somebody is just putting right', async () => {
    const files = await storeFiles('json');
    const right = files.get(inFolder(eventFile(2)))!;
    const { simulation, process } = await diskWith(changed(files, { [eventFile(2)]: flipped(right, 10) }));
    let reads = 0;
    simulation.disk.onOperation = ({ kind, path }) => {
      if (kind === 'read' && path === inFolder(eventFile(2)) && ++reads === 2) simulation.disk.overwrite(path, right);
      return undefined;
    };
    expect(await verify(process)).toMatchObject({ ok: true, problems: [] });
    expect(reads).toBe(2);
  });

  test('it looks again at a ledger before it calls it damaged', async () => {
    const files = await storeFiles('json');
    const ledger = files.get(inFolder('ledger'))!;
    const { simulation, process } = await diskWith(changed(files, { ledger: flipped(ledger, 500) }));
    let opens = 0;
    simulation.disk.onOperation = ({ kind, path }) => {
      if (kind === 'open' && path === inFolder('ledger') && ++opens === 2) simulation.disk.overwrite(path, ledger);
      return undefined;
    };
    expect(await verify(process)).toMatchObject({ ok: true, problems: [] });
    expect(opens).toBe(2);
  });
});

describe('a report', () => {
  test('of a sound store notes nothing, of one with leftovers notes each, and neither changes anything', async () => {
    const files = await storeFiles('json');
    const odd = new Map([
      ...files,
      [inFolder('.checkpoint.abc.tmp'), Buffer.from('')],
      [inFolder('ledger.repairing'), Buffer.from('')],
      [inFolder('events/0000001/.000000009.json.abc.tmp'), Buffer.from('')],
      [inFolder('events/0000001/000000009.json'), files.get(inFolder(eventFile(5)))!],
      [inFolder('events/0000001/notes.txt'), Buffer.from('mine')],
      [inFolder('events/void/000000002.json'), Buffer.from('old')],
      [inFolder('index/0000000000.idx.abc.tmp'), Buffer.from('')],
      [inFolder('ledger.unsynced'), Buffer.from('{"from":0}')],
      [inFolder('checkpoint'), Buffer.from('')],
    ]);
    const { disk, process } = await quickDiskWith(odd);
    const report = await verify(process);
    expect(report).toMatchObject({ ok: true, head: 5, problemCount: 0, noteCount: 8 });
    expect(report.notes.map(({ what, where }) => `${what}: ${where}`)).toEqual([
      'checkpoint: checkpoint',
      'ledger: ledger.unsynced',
      'leftover: .checkpoint.abc.tmp',
      'leftover: ledger.repairing',
      'leftover: index/0000000000.idx.abc.tmp',
      'leftover: events/0000001/.000000009.json.abc.tmp',
      'event file: events/0000001/000000009.json',
      'leftover: events/0000001/notes.txt',
    ]);
    expect(filesOf(disk)).toEqual(odd);
    expect((await verify((await quickDiskWith(files)).process)).notes).toEqual([]);
  });

  test('says when the ledger is missing, or is no ledger, beside what is left of a store', async () => {
    const files = await storeFiles('json');
    const reportOf = async (ledger: Buffer | undefined): Promise<unknown> => verify((await quickDiskWith(changed(files, { ledger }))).process);
    for (const ledger of [undefined, Buffer.alloc(0), Buffer.from('text'), Buffer.alloc(5000)]) {
      expect(await reportOf(ledger)).toMatchObject({ ok: false, head: 0, problems: [{ what: 'ledger', where: 'ledger' }] });
    }
  });

  test('counts problems beyond the first thousand and does not list them', async () => {
    const files = await storeFiles('json', [{ events: Array.from({ length: 1200 }, (_, i) => ({ type: 'T', id: `${i}`, data: i })) }]);
    const checkpoint = files.get(inFolder('checkpoint'))!;
    const { process } = await quickDiskWith(changed(files, { events: undefined }));
    expect(checkpoint.toString()).toContain('"eventFiles":{"position":1200');
    const report = await verify(process);
    expect(report).toMatchObject({ ok: false, problemCount: 1200 });
    expect(report.problems).toHaveLength(1000);
  });
});

test('an abort ends it, and progress is told in bytes of the ledger', async () => {
  const files = await storeFiles('json');
  const { process } = await quickDiskWith(files);
  const reason = new Error('enough');
  await expect(verifyOn({ directory: root, signal: AbortSignal.abort(reason) }, process.ports)).rejects.toBe(reason);
  const told: number[] = [];
  await verifyOn({ directory: root, onProgress: ({ done }) => told.push(done) }, process.ports);
  expect(told.at(-1)).toBe(files.get(inFolder('ledger'))!.length);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});
