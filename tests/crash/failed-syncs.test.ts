/*
 * goal: nothing is called durable that is not: after a failed sync the next one claims success and writes nothing.
 * method: on the simulated disk, which models that, one sync of an event file or of the ledger's header fails; somebody
 *   goes on, the power goes, and the folder is verified.
 */
import { expect, test } from 'vitest';
import { verifyOn } from '../../src/engine/upkeep/verify.js';
import { Simulation } from '../../src/testing/simulation/simulation.js';

const directory = '/data';
const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: id });
const seeds = Array.from({ length: 20 }, (_, i) => i + 1);

const cases = [1, 2, 3, 4, 5].flatMap((failing) => [
  { failing, cut: 'before' },
  { failing, cut: 'after' },
]);

test.each(cases)('sync $failing of an event file fails, the power goes $cut another process wrote', async ({ failing, cut }) => {
  for (const seed of seeds) {
    const simulation = new Simulation({ seed });
    let syncs = 0;
    simulation.disk.onOperation = ({ kind, path }) => (kind === 'sync' && path.includes('/events/') && ++syncs === failing ? { code: 'EIO' } : undefined);
    const store = await simulation.start('A').openStore({ directory });
    await store.append([event('a'), event('b')]);
    // Event files are made durable when nothing was appended for a second; the attempt is repeated after the next append.
    await simulation.advance(2000);
    await store.append(event('c'));
    await simulation.advance(2000);
    await store.append(event('d'));
    await store.close();
    // What nobody synced is kept, the checkpoint for one; what a failed sync dropped is not.
    const cutPower = (): void => simulation.cutPower({ data: 'kept', entries: 'kept' });
    if (cut === 'before') cutPower();

    const heir = simulation.start('B');
    const next = await heir.openStore({ directory });
    await next.append(event('e'));
    await simulation.advance(3000);
    await next.close();
    if (cut === 'after') cutPower();
    expect(syncs, `seed ${seed}`).toBeGreaterThanOrEqual(failing);
    const report = await verifyOn({ directory }, simulation.start('C').ports);
    expect(report, `seed ${seed}`).toMatchObject({ ok: true, problems: [], pendingEventFiles: 0, head: 5 });
  }
});

test.each([1, 2])('sync %i of a new ledger fails', async (failing) => {
  for (const seed of seeds) {
    const simulation = new Simulation({ seed });
    let syncs = 0;
    simulation.disk.onOperation = ({ kind, path }) => (kind === 'sync' && path.endsWith('/ledger') && ++syncs === failing ? { code: 'EIO' } : undefined);
    const acknowledged: string[] = [];
    for (const id of ['a', 'b', 'c']) {
      try {
        const store = await simulation.start(id).openStore({ directory });
        await store.append(event(id));
        acknowledged.push(id);
      } catch (error) {
        expect(error, `seed ${seed}`).toMatchObject({ code: 'STORAGE_FAILED' });
      }
    }
    expect(acknowledged).toHaveLength(2);
    simulation.cutPower({ data: 'lost', entries: 'lost' });
    const heir = await simulation.start('H').openStore({ directory });
    const ids = (await heir.read().toArray()).map(({ id }) => id);
    expect(ids, `seed ${seed}`).toEqual(expect.arrayContaining(acknowledged));
  }
});
