/*
 * goal: one file that cannot be read stops neither verify nor repair: it is named, and healed from the other copy.
 * method: a closed store of which one event file fails with EIO on the simulated disk, or is a directory.
 */
import { expect, test } from 'vitest';
import { repairOn } from '../../src/engine/upkeep/repair.js';
import { verifyOn } from '../../src/engine/upkeep/verify.js';
import { Simulation } from '../../src/testing/index.js';

const directory = '/data';
const bad = '/data/default/events/0000001/000000002.json';

async function made(): Promise<Simulation> {
  const simulation = new Simulation({ seed: 1 });
  const store = await simulation.start('A').openStore({ directory });
  for (const id of ['a', 'b', 'c']) await store.append({ type: 'T', id, data: id });
  await store.close();
  return simulation;
}

test.each(['EIO', 'a directory'])('an event file that cannot be read (%s) is named, moved aside and written again', async (kind) => {
  const simulation = await made();
  const right = simulation.disk.files().get(bad)!;
  if (kind === 'EIO') simulation.disk.onOperation = ({ kind: operation, path }) => (operation === 'read' && path === bad ? { code: 'EIO' } : undefined);
  else {
    simulation.disk.erase(bad);
    simulation.disk.overwrite(`${bad}/inside`, Buffer.from('x'));
  }
  expect(await verifyOn({ directory }, simulation.start('V').ports)).toMatchObject({ ok: false, head: 3, problems: [{ what: 'event file', position: 2 }] });
  expect(await repairOn({ directory }, simulation.start('D').ports)).toMatchObject({ applied: false, ok: false });
  // The new file lies elsewhere on the disk.
  const ino = async (): Promise<number | undefined> => (await simulation.start('S').ports.disk.stat(bad))?.ino;
  const before = await ino();
  const applying = simulation.start('W');
  simulation.disk.onOperation = ({ kind: operation, path, process }) =>
    kind === 'EIO' && operation === 'read' && path === bad && process === 'W' && !written ? { code: 'EIO' } : track(operation, path);
  let written = false;
  const track = (operation: string, path: string): undefined => {
    if (operation === 'rename' && path.endsWith(`-> ${bad}`)) written = true;
    return undefined;
  };
  expect(await repairOn({ directory, apply: true }, applying.ports)).toMatchObject({ applied: true, ok: true, head: 3, lost: [] });
  expect(simulation.disk.files().get(bad)).toEqual(right);
  expect(await ino()).not.toBe(before);
});

test('a checkpoint that cannot be read is noted', async () => {
  const simulation = await made();
  simulation.disk.onOperation = ({ kind, path }) => (kind === 'read' && path.endsWith('/checkpoint') ? { code: 'EIO' } : undefined);
  expect(await verifyOn({ directory }, simulation.start('V').ports)).toMatchObject({ ok: true, head: 3, notes: [{ what: 'checkpoint' }] });
});
