/*
 * goal: after a failed sync of the ledger nobody is handed, or builds upon, what the disk may not have, whoever saw the
 *   failure; and nobody calls a sound ledger damaged because of what the page cache lost.
 * method: named histories on the simulated disk, each with seeds that make the cache lose the bytes or keep them, most with
 *   a power cut at the end.
 */
import { describe, expect, test } from 'vitest';
import type { EventStore } from '../../src/core/event-store.js';
import { openEngine } from '../../src/engine/open-store.js';
import { verifyOn } from '../../src/engine/upkeep/verify.js';
import { Simulation, type OnOperation } from '../../src/testing/index.js';

const directory = '/data';
const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: id });
const seeds = Array.from({ length: 12 }, (_, i) => i + 1);
const nothing: OnOperation = () => undefined;

const idsOf = async (store: EventStore, options: { after?: number } = {}): Promise<string[]> => (await store.read('all', options).toArray()).map(({ id }) => id);

/** The first sync of the ledger by this process fails. */
function failFirstSync(simulation: Simulation, process: string): void {
  let syncs = 0;
  simulation.disk.onOperation = (operation) =>
    operation.process === process && operation.kind === 'sync' && operation.path.endsWith('/ledger') && ++syncs === 1 ? { code: 'EIO' } : undefined;
}

async function started(seed: number): Promise<{ simulation: Simulation; store: EventStore }> {
  const simulation = new Simulation({ seed });
  const store = await simulation.start('A').openStore({ directory, eventFiles: 'none' });
  await store.append(event('e1'));
  await simulation.advance(100);
  return { simulation, store };
}

async function appendAndDieBeforeSync(simulation: Simulation, process: string, store: EventStore, id: string): Promise<void> {
  let isDead = false;
  simulation.disk.onOperation = (operation) => {
    if (operation.process === process && operation.kind === 'sync') {
      isDead = true;
      simulation.kill(process);
    }
    return undefined;
  };
  void store.append(event(id));
  for (let i = 0; i < 1000 && !isDead; i++) await simulation.advance(5);
  expect(isDead).toBe(true);
}

async function afterPowerCut(simulation: Simulation): Promise<string[]> {
  simulation.cutPower({ data: 'lost', entries: 'kept' });
  simulation.disk.onOperation = nothing;
  return idsOf(await simulation.start('H').openStore({ directory }));
}

describe.each(seeds)('seed %i:', (seed) => {
  test('a reader that only reads fails to sync: it hands nothing out then or later, and the next writer knows', async () => {
    const { simulation, store } = await started(seed);
    const readOnly = await simulation.start('B').openStore({ directory, readOnly: true });
    await appendAndDieBeforeSync(simulation, 'A', store, 'e2');
    failFirstSync(simulation, 'B');
    await expect(idsOf(readOnly)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await idsOf(readOnly)).toEqual(['e1']);
    const writer = await simulation.start('C').openStore({ directory });
    const seen = await idsOf(writer);
    await writer.append(event('e3'));
    expect(await afterPowerCut(simulation)).toEqual([...seen, 'e3']);
  });

  test('a store that takes no more appends for another reason still leaves the mark when a read of it fails to sync', async () => {
    const { simulation, store } = await started(seed);
    let isSynced = false;
    let failed = 0;
    simulation.disk.onOperation = ({ process, kind, path }) => {
      if (process === 'A' && kind === 'sync') isSynced = true;
      return process === 'A' && kind === 'stat' && path.endsWith('/ledger') && isSynced && ++failed === 1 ? { code: 'EIO' } : undefined;
    };
    await expect(store.append(event('e2'))).rejects.toMatchObject({ details: { outcome: 'unknown' } });
    const dying = await simulation.start('B').openStore({ directory });
    await appendAndDieBeforeSync(simulation, 'B', dying, 'e3');
    failFirstSync(simulation, 'A');
    await expect(idsOf(store)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect([...simulation.disk.files().keys()]).toContain('/data/default/ledger.unsynced');
    const writer = await simulation.start('C').openStore({ directory });
    await writer.append(event('e4'));
    const seen = await idsOf(writer);
    expect(seen).toContain('e4');
    expect(await afterPowerCut(simulation)).toEqual(seen);
  });

  test('a read behind a known position is handed no more than other reads while nobody can mend', async () => {
    const { simulation, store } = await started(seed);
    failFirstSync(simulation, 'A');
    await expect(store.append([event('e2'), event('e3')])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    const other = await simulation.start('C').openStore({ directory });
    simulation.disk.onOperation = ({ process, kind }) => (process === 'C' && kind === 'write' ? { code: 'EIO' } : undefined);
    expect(['e1'].slice(0, await other.head())).toEqual(await idsOf(other));
    // Whether the event is in the page cache at all is up to the system.
    const code = await idsOf(other, { after: 2 }).catch((error: { code: string }) => error.code);
    expect(['STORAGE_FAILED', 'POSITION_AHEAD']).toContain(code);
    expect(await other.head()).toBeLessThanOrEqual(1);
  });

  test('whoever saw the failure reads again what others mended and appended, and calls nothing damaged', async () => {
    const { simulation, store } = await started(seed);
    failFirstSync(simulation, 'A');
    await expect(store.append(event('e2'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    const other = await simulation.start('B').openStore({ directory });
    await other.append(event('e3'));
    await other.append(event('e4'));
    const all = await idsOf(other);
    const seen = await idsOf(store);
    expect(all.slice(0, seen.length)).toEqual(seen);
    expect(await store.head()).toBe(seen.length);
  });

  test('an event file made anew after its sync failed lasts, since another process may have called it complete', async () => {
    const simulation = new Simulation({ seed });
    const first = await simulation.start('A').openStore({ directory });
    await first.append(event('e1'));
    const second = await simulation.start('B').openStore({ directory });
    await second.append(event('e2'));
    await simulation.advance(1500);
    await first.close();
    let syncs = 0;
    simulation.disk.onOperation = ({ process, kind, path }) => (process === 'B' && kind === 'sync' && path.includes('/events/') && ++syncs === 1 ? { code: 'EIO' } : undefined);
    await second.append(event('e3'));
    for (let i = 0; i < 200 && syncs === 0; i++) await simulation.advance(20);
    expect(syncs).toBeGreaterThan(0);
    await afterPowerCut(simulation);
    const heir = await simulation.start('I').openStore({ directory });
    await heir.append(event('e4'));
    await simulation.advance(10_000);
    await heir.close();
    expect(await verifyOn({ directory }, simulation.start('V').ports)).toMatchObject({ ok: true, problems: [] });
  });

  test('closing in the middle of mending leaves no file open', async () => {
    const { simulation, store } = await started(seed);
    failFirstSync(simulation, 'A');
    await expect(store.append(event('e2'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    const { ports } = simulation.start('C');
    let open = 0;
    const disk: typeof ports.disk = {
      ...ports.disk,
      async open(path, mode) {
        const file = await ports.disk.open(path, mode);
        open++;
        return { ...file, close: () => (open--, file.close()) };
      },
    };
    const other = await openEngine({ directory }, { ...ports, disk });
    await Promise.all([other.head().catch(() => 0), other.close()]);
    expect(open).toBe(0);
  });
});
