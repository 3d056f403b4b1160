/*
 * Goal: a repair that is interrupted at any moment is completed by repairing again, and nothing is taken for a new store
 * meanwhile.
 * Method: one store with a damaged ledger, a damaged and a missing event file, a stale block and a leftover; the power goes
 * at each change of the disk, leaving each of several things, or each operation fails; then repair runs again.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { gone, type PowerCut } from '../../src/testing/index.js';
import type { Simulation } from '../../src/testing/simulation/simulation.js';
import { changed, diskWith, filesOf, inFolder, quickDiskWith, readAll, readFrames, repair, root, storeFiles, verify, type Files, type Process, type StoredFrame } from '../support/damaged-store.js';
import { flipped, framesOf } from '../support/ledger-bytes.js';

const cuts: readonly PowerCut[] = [
  { data: 'lost', entries: 'lost' },
  { data: 'lost', entries: 'kept' },
  { data: 'kept', entries: 'lost' },
  { data: 'torn', entries: 'torn' },
];

let damaged: Files;
let frames: StoredFrame[];

beforeAll(async () => {
  const files = await storeFiles('json');
  const ledger = files.get(inFolder('ledger'))!;
  const name = 'events/0000001/000000001.json';
  frames = await readFrames((await quickDiskWith(files)).process);
  damaged = new Map([
    ...changed(files, { ledger: flipped(ledger, framesOf(ledger)[2]!.offset + 100), [name]: flipped(files.get(inFolder(name))!, 30), 'events/0000001/000000005.json': undefined }),
    [inFolder('index/0000000000.idx'), Buffer.from('stale')],
    [inFolder('.checkpoint.abc.tmp'), Buffer.from('')],
    [inFolder('ledger.unsynced'), Buffer.from('{"from":0}')],
  ]);
});

/** Repairs until it ends, fails or is gone. */
async function repairOnce(simulation: Simulation, process: Parameters<typeof repair>[0] & { run<T>(work: Promise<T>): Promise<T | typeof gone> }): Promise<unknown> {
  const outcome = await process.run(repair(process, { apply: true }).catch((error: unknown) => error));
  simulation.disk.onOperation = () => undefined;
  return outcome;
}

/** What an interrupted repair left is refused, or it is the whole store; never a new one. */
async function checkInBetween(process: Process): Promise<void> {
  const found = await readAll(process).catch((error: unknown) => error);
  if (Array.isArray(found)) expect(found).toEqual(frames.flatMap(({ events }) => events));
  else expect(found).toMatchObject({ code: 'LEDGER_CORRUPT' });
}

async function checkHealed(simulation: Simulation): Promise<void> {
  const process = simulation.start('R');
  await checkInBetween(process);
  expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 5, lost: [] });
  expect(await readFrames(process)).toEqual(frames);
  expect(await verify(process)).toMatchObject({ ok: true, head: 5, pendingEventFiles: 0, notes: [] });
  expect(await repair(process, { apply: true })).toMatchObject({ ok: true, applied: false, actionCount: 0 });
  const originals = [...simulation.disk.files()].filter(([file, bytes]) => file.includes('/quarantine/') && bytes.equals(damaged.get(inFolder('ledger'))!));
  expect(originals).toHaveLength(1);
  expect([...simulation.disk.files().keys()].filter((file) => file.endsWith('/unfinished'))).toEqual([]);
}

async function operationsOf(counts: (changes: boolean) => boolean): Promise<number> {
  const { simulation, process } = await diskWith(damaged);
  let count = 0;
  simulation.disk.onOperation = ({ changes }) => {
    if (counts(changes)) count++;
    return undefined;
  };
  expect(await repairOnce(simulation, process)).toMatchObject({ ok: true });
  return count;
}

test('what a repair left that was cut before the new ledger was there is never taken for a new store', async () => {
  const files = await storeFiles('none');
  const name = 'quarantine/2026-01-01T00-00-00.000Z';
  const left = new Map([[inFolder(`${name}/ledger`), files.get(inFolder('ledger'))!], [inFolder(`${name}/unfinished`), Buffer.from('')]]);
  const { process } = await quickDiskWith(left);
  await expect(process.openStore({ directory: root })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
  expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 5, lost: [], quarantine: name });
  expect((await readAll(process)).map(({ id }) => id)).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
  // A quarantine that is finished with is no source.
  const old = new Map([[inFolder(`${name}/ledger`), files.get(inFolder('ledger'))!], [inFolder(`${name}/finished`), Buffer.from('')]]);
  await expect(repair((await quickDiskWith(old)).process, { apply: true })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
});

describe('a repair', () => {
  test.each(cuts)('cut by power at each change of the disk (data $data, entries $entries) is completed by the next', async (cut) => {
    const changes = await operationsOf((isChange) => isChange);
    expect(changes).toBeGreaterThan(30);
    for (let cutAt = 1; cutAt <= changes; cutAt++) {
      const { simulation, process } = await diskWith(damaged, cutAt);
      let count = 0;
      simulation.disk.onOperation = ({ changes: isChange }) => {
        if (isChange && ++count === cutAt) simulation.cutPower(cut);
        return undefined;
      };
      expect(await repairOnce(simulation, process), `change ${cutAt}`).toBe(gone);
      await checkHealed(simulation).catch((error: unknown) => {
        throw new Error(`cut at change ${cutAt} of ${changes}, seed ${cutAt}:\n${simulation.disk.trace.join('\n')}`, { cause: error });
      });
    }
  });

  test.each(cuts)('that was applied survives a power cut right after it (data $data, entries $entries)', async (cut) => {
    for (let seed = 1; seed <= 5; seed++) {
      const { simulation, process } = await diskWith(damaged, seed);
      expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 5 });
      const repaired = filesOf(simulation.disk);
      simulation.cutPower(cut);
      expect(filesOf(simulation.disk), `seed ${seed}`).toEqual(repaired);
      expect(await verify(simulation.start('R'))).toMatchObject({ ok: true, head: 5, pendingEventFiles: 0, notes: [] });
    }
  });

  test.each(['EIO', 'ENOSPC'])('in which any one operation fails with %s is completed by the next', async (code) => {
    const operations = await operationsOf(() => true);
    for (let failAt = 1; failAt <= operations; failAt++) {
      const { simulation, process } = await diskWith(damaged, failAt);
      let count = 0;
      simulation.disk.onOperation = () => (++count === failAt ? { code } : undefined);
      const outcome = await repairOnce(simulation, process);
      if (outcome instanceof Error) expect(outcome, `operation ${failAt}`).toMatchObject({ code: expect.stringMatching(/STORAGE_FAILED|LEDGER_CORRUPT|LOCK_TIMEOUT/) as string });
      await checkHealed(simulation).catch((error: unknown) => {
        throw new Error(`operation ${failAt} of ${operations} failed, seed ${failAt}:\n${simulation.disk.trace.join('\n')}`, { cause: error });
      });
    }
  });
});
