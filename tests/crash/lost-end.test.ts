/*
 * goal: a ledger that lost its end is never called sound while event files are left to tell, checkpoint or not.
 * method: on the simulated disk a closed store loses its checkpoint and the end of its ledger, at every length; verify must
 *   tell, and repair must bring back every event.
 */
import { expect, test } from 'vitest';
import { repairOn } from '../../src/engine/upkeep/repair.js';
import { verifyOn } from '../../src/engine/upkeep/verify.js';
import { Simulation } from '../../src/testing/index.js';
import { flipped, framesOf } from '../support/ledger-bytes.js';

const directory = '/data';
const ledgerPath = '/data/default/ledger';
const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: id });
const all = ['a', 'b', 'c', 'd', 'e'];

async function made(): Promise<Map<string, Buffer>> {
  const simulation = new Simulation({ seed: 1 });
  const store = await simulation.start('A').openStore({ directory });
  await store.append(event('a'));
  await store.append([event('b'), event('c')]);
  await store.append(event('d'));
  await store.append(event('e'));
  await store.close();
  return simulation.disk.files();
}

function laidOut(files: Map<string, Buffer>, ledger: Buffer): Simulation {
  const simulation = new Simulation({ seed: 2 });
  for (const [path, bytes] of files) if (!path.endsWith('checkpoint')) simulation.disk.overwrite(path, path === ledgerPath ? ledger : bytes);
  return simulation;
}

async function idsIn(simulation: Simulation): Promise<string[]> {
  const store = await simulation.start('R').openStore({ directory });
  const ids = (await store.read().toArray()).map(({ id }) => id);
  await store.close();
  return ids;
}

test('cut off at any length behind its first event, without a checkpoint, it is told and healed', async () => {
  const files = await made();
  const ledger = files.get(ledgerPath)!;
  const frames = framesOf(ledger);
  expect(frames).toHaveLength(5);
  for (let length = frames[1]!.end; length < ledger.length; length += 1) {
    const simulation = laidOut(files, ledger.subarray(0, length));
    const report = await verifyOn({ directory }, simulation.start('V').ports);
    expect(report, `cut at ${length}`).toMatchObject({ ok: false, problems: [{ what: 'ledger', position: report.head + 1 }] });
    expect(await repairOn({ directory }, simulation.start('D').ports)).toMatchObject({ applied: false, ok: false, head: 5, lost: [] });
    expect(await repairOn({ directory, apply: true }, simulation.start('W').ports)).toMatchObject({ applied: true, ok: true, head: 5, lost: [] });
    expect(await idsIn(simulation)).toEqual(all);
  }
});

test('with its last frame damaged, without a checkpoint, it is told and healed', async () => {
  const files = await made();
  const ledger = files.get(ledgerPath)!;
  const { offset, end } = framesOf(ledger)[4]!;
  for (let at = offset; at < end; at += 7) {
    const simulation = laidOut(files, flipped(ledger, at));
    expect(await verifyOn({ directory }, simulation.start('V').ports), `byte ${at}`).toMatchObject({ ok: false, problems: [{ what: 'ledger', position: 5 }] });
    expect(await repairOn({ directory, apply: true }, simulation.start('W').ports)).toMatchObject({ ok: true, head: 5, lost: [] });
    expect(await idsIn(simulation)).toEqual(all);
  }
});

test('a file that is far behind its end, or of a batch that began before, proves nothing', async () => {
  const files = await made();
  const ledger = files.get(ledgerPath)!;
  const simulation = laidOut(files, ledger.subarray(0, framesOf(ledger)[1]!.end));
  simulation.disk.erase('/data/default/events/0000001/000000002.json');
  expect(await verifyOn({ directory }, simulation.start('V').ports)).toMatchObject({ ok: true, head: 1, noteCount: 3 });
});
