/*
 * Goal: repair restores what can be restored, brings nothing to life that did not count, deletes nothing and guesses nothing.
 * Method: stores on the simulated disk with one or more things wrong; everything that repair leaves is compared.
 */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { craftLedger } from '../support/crafted-ledger.js';
import { changed, diskWith, filesOf, folder, inFolder, quickDiskWith, readAll, readFrames, repair, root, storeFiles, verify, type Files } from '../support/damaged-store.js';
import { flipped, framesOf, zeroed } from '../support/ledger-bytes.js';
import type { RepairReport } from '../../src/index.js';

const eventFile = (position: number): string => `events/0000001/00000000${position}.json`;

async function framesIn(files: Files): Promise<Awaited<ReturnType<typeof readFrames>>> {
  return readFrames((await quickDiskWith(files)).process);
}

/** Repairs; returns the types of all events, the report, and the files. */
async function repaired(files: Files, options: { acceptLoss?: boolean } = {}): Promise<{ types: string[]; report: RepairReport; left: Map<string, Buffer> }> {
  const { disk, process } = await quickDiskWith(files);
  const report = await repair(process, { apply: true, ...options });
  const types = report.ok ? (await readAll(process)).map(({ type }) => type) : [];
  return { types, report, left: filesOf(disk) };
}

describe('a damaged ledger', () => {
  test('that is lost with checkpoint and all comes back from the event files, and from nothing else', async () => {
    const files = await storeFiles('json');
    const { disk, process } = await quickDiskWith(changed(files, { ledger: undefined, checkpoint: undefined }));
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 5, lost: [] });
    expect(await readFrames(process)).toEqual(await framesIn(files));
    expect(disk.files().get(inFolder('ledger'))!.subarray(48, 64)).not.toEqual(files.get(inFolder('ledger'))!.subarray(48, 64));
  });

  test('with two damaged frames next to each other is put together from files; without files it tells each lost event', async () => {
    const json = await storeFiles('json');
    const damage = (ledger: Buffer): Buffer => framesOf(ledger).slice(2).reduce((bytes, { offset, end }) => zeroed(bytes, offset, end - 4), ledger);
    const broken = changed(json, { ledger: damage(json.get(inFolder('ledger'))!) });
    const { process } = await quickDiskWith(broken);
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, lost: [] });
    expect(await readFrames(process)).toEqual(await framesIn(json));
    const none = await storeFiles('none');
    const { report } = await repaired(changed(none, { ledger: damage(none.get(inFolder('ledger'))!) }));
    expect(report).toMatchObject({ ok: false, applied: false, lost: [{ first: 2, last: 5 }] });
  });

  test('with a damaged batch of several, one event file of which is gone, loses the one event that both lost', async () => {
    const files = await storeFiles('json');
    const ledger = files.get(inFolder('ledger'))!;
    const at = ledger.indexOf('"e3"');
    const { types, report, left } = await repaired(changed(files, { ledger: flipped(ledger, at), [eventFile(3)]: undefined }), { acceptLoss: true });
    expect(report).toMatchObject({ ok: true, lost: [{ first: 3, last: 3 }] });
    expect(types).toEqual(['Opened', 'Joined', 'opossum.lost', 'Left', 'Closed']);
    const frames = await framesIn(left);
    const before = await framesIn(files);
    expect(frames.map(({ first, time, condition }) => ({ first, time, condition }))).toEqual(before.map(({ first, time, condition }) => ({ first, time, condition })));
    expect(frames[1]!.events[1]).toMatchObject({ type: 'opossum.lost', tags: [], data: { position: 3, reason: expect.any(String) as string } });
    expect(frames[1]!.events[2]).toEqual(before[1]!.events[2]);
    // The other record of the batch survived, so its file is not needed.
    const survived = await repaired(changed(files, { ledger: flipped(ledger, at), [eventFile(2)]: undefined, [eventFile(4)]: undefined }));
    expect(survived.report).toMatchObject({ ok: true, lost: [] });
    expect(survived.types).toEqual(['Opened', 'Joined', 'Joined', 'Left', 'Closed']);
  });

  test('without event files gives up what is gone, and no record behind it, however much that is', async () => {
    const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: 'x' });
    const files = await storeFiles('none', [{ events: [event('a')] }, { events: Array.from({ length: 5000 }, (_, i) => event(`b${i}`)) }, { events: [event('c'), event('d')] }, { events: [event('e')] }]);
    const ledger = files.get(inFolder('ledger'))!;
    const frames = framesOf(ledger);
    // The large batch is gone, and the head of the one behind it.
    const broken = changed(files, { ledger: flipped(zeroed(ledger, frames[2]!.offset, frames[2]!.end), frames[3]!.offset + 40) });
    const { process } = await quickDiskWith(broken);
    expect(await repair(process, { apply: true, acceptLoss: true })).toMatchObject({ ok: true, head: 5004, lost: [{ first: 2, last: 5001 }] });
    expect((await readAll(process)).filter(({ type }) => type === 'T').map(({ id }) => id)).toEqual(['a', 'c', 'd', 'e']);
  });

  test('whose event files have a gap reports the gap and not the end of the store', async () => {
    const files = await storeFiles('json');
    const gone = changed(files, { ledger: undefined, checkpoint: undefined, [eventFile(1)]: undefined });
    expect((await repaired(gone)).report).toMatchObject({ ok: false, applied: false, head: 5, lost: [{ first: 1, last: 1 }] });
    const stray = changed(gone, {});
    expect((await repaired(new Map([...stray, [inFolder('events/0000001/000000500.json'), files.get(inFolder(eventFile(5)))!]]))).report).toMatchObject({ head: 5 });
  });

  test('of which one late event file is left tells that all before them is lost', async () => {
    const files = changed(await storeFiles('json'), { ledger: undefined, checkpoint: undefined, [eventFile(1)]: undefined, [eventFile(2)]: undefined, [eventFile(3)]: undefined, [eventFile(4)]: undefined });
    expect((await repaired(files)).report).toMatchObject({ ok: false, applied: false, head: 5, lost: [{ first: 1, last: 4 }] });
  });

  test('never takes an event file of another batch into one', async () => {
    const files = await storeFiles('json');
    const other = await storeFiles('json', [{ events: [1, 2, 3, 4, 5, 6].map((n) => ({ type: 'Other', id: `o${n}`, data: n })) }]);
    const mixed = changed(files, { ledger: undefined, [eventFile(3)]: other.get(inFolder(eventFile(3)))! });
    const { types, report } = await repaired(mixed, { acceptLoss: true });
    expect(report).toMatchObject({ ok: true, lost: [{ first: 3, last: 3 }] });
    expect(types).toEqual(['Opened', 'Joined', 'opossum.lost', 'Left', 'Closed']);
  });

  test('of which nothing at all is left is refused', async () => {
    const files = changed(await storeFiles('none'), { ledger: Buffer.alloc(2000, 1), checkpoint: undefined });
    const { disk, process } = await quickDiskWith(files);
    await expect(repair(process, { apply: true })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    expect(filesOf(disk)).toEqual(files);
  });
});

describe('what did not count', () => {
  const event = (type: string, data = 1): { type: string; data: number } => ({ type, data });
  const one = { events: [event('One')], fate: 'counts' } as const;
  const three = { events: [event('Three')], fate: 'counts' } as const;
  const torn = { events: [event('Torn'), event('Torn')], fate: 'torn' } as const;
  const late = { events: [event('Late')], fate: 'late' } as const;
  const two = { events: [event('Two'), event('TwoB')], fate: 'counts' } as const;

  test.each([
    { name: 'a torn frame before it', parts: [one, torn, two, three], real: 2 },
    { name: 'a torn frame and a late one before it', parts: [one, torn, late, two, three], real: 3 },
    { name: 'a late frame behind it', parts: [one, two, late, three], real: 1 },
    { name: 'a torn frame behind it', parts: [one, two, torn, three], real: 1 },
  ])('stays dead when the frame that counted is damaged: $name', async ({ parts, real }) => {
    const { files, ledger, places } = craftLedger('none', parts);
    expect(await verify((await quickDiskWith(files)).process)).toMatchObject({ ok: true, head: 4 });
    const { offset, end } = places[real]!;
    // The second record of the real frame is hit: the first one survives.
    const hit = await repaired(changed(files, { ledger: flipped(ledger, end - 2) }), { acceptLoss: true });
    expect(hit.report.lost).toMatchObject([{ first: 3, last: 3 }]);
    expect(hit.types).toEqual(['One', 'Two', 'opossum.lost', 'Three']);
    // Its head is hit: the records survive, and only they.
    const headless = await repaired(changed(files, { ledger: flipped(ledger, offset + 40) }));
    expect(headless.types).toEqual(['One', 'Two', 'TwoB', 'Three']);
    // All of it is gone.
    const gone = await repaired(changed(files, { ledger: zeroed(ledger, offset, end) }), { acceptLoss: true });
    expect(gone.types).toEqual(['One', 'opossum.lost', 'opossum.lost', 'Three']);
  });

  test('is not told from what did when both lost their heads: then the events are lost', async () => {
    const { files, ledger, places } = craftLedger('none', [one, torn, two, three]);
    const headless = flipped(flipped(ledger, places[1]!.offset + 40), places[2]!.offset + 40);
    const { report } = await repaired(changed(files, { ledger: headless }));
    expect(report).toMatchObject({ ok: false, applied: false, lost: [{ first: 2 }] });
  });

  test('stays dead beside event files, which tell what counted', async () => {
    const { files, ledger, places } = craftLedger('json', [one, torn, late, two, three, late]);
    const complete = (await repaired(files)).left;
    const { offset, end } = places[3]!;
    const { types, report } = await repaired(changed(complete, { ledger: zeroed(ledger, offset, end) }));
    expect(report).toMatchObject({ ok: true, lost: [] });
    expect(types).toEqual(['One', 'Two', 'TwoB', 'Three']);
  });
});

describe('repair', () => {
  async function muchDamage(): Promise<Files> {
    const files = await storeFiles('json');
    const ledger = files.get(inFolder('ledger'))!;
    return new Map([
      ...changed(files, { ledger: flipped(ledger, framesOf(ledger)[2]!.offset + 100), [eventFile(5)]: flipped(files.get(inFolder(eventFile(5)))!, 30), [eventFile(1)]: undefined }),
      [inFolder('events/0000001/.000000001.json.abc.tmp'), Buffer.from('half')],
      [inFolder('.checkpoint.abc.tmp'), Buffer.from('')],
      [inFolder('ledger.unsynced'), Buffer.from('{"from":0}')],
    ]);
  }

  test('changes nothing in a dry run, and says what it would do', async () => {
    const files = await muchDamage();
    const { disk, process } = await quickDiskWith(files);
    const before = disk.operations;
    const report = await repair(process);
    expect(report).toMatchObject({ applied: false, ok: false, head: 5, lost: [] });
    expect(report.actions.map(({ what, where }) => `${what} ${where}`)).toEqual([
      'ledger ledger',
      'ledger ledger',
      `event file ${eventFile(5)}`,
      'event file events',
      'checkpoint checkpoint',
      'leftover .checkpoint.abc.tmp',
      'leftover events/0000001/.000000001.json.abc.tmp',
    ]);
    expect(report).not.toHaveProperty('quarantine');
    expect(disk.operations).toBeGreaterThan(before);
    expect(disk.files()).toEqual(files);
  });

  test('keeps every original in the quarantine, byte for byte, and done again does nothing', async () => {
    const files = await muchDamage();
    const { disk, process } = await quickDiskWith(files);
    const report = await repair(process, { apply: true });
    expect(report).toMatchObject({ applied: true, ok: true, head: 5 });
    for (const name of ['ledger', 'ledger.unsynced', eventFile(5), '.checkpoint.abc.tmp', 'events/0000001/.000000001.json.abc.tmp', 'checkpoint']) {
      expect(disk.files().get(path.join(folder, report.quarantine!, name)), name).toEqual(files.get(inFolder(name)));
    }
    const once = filesOf(disk);
    expect(await repair(process, { apply: true })).toEqual({ applied: false, ok: true, head: 5, actions: [], actionCount: 0, lost: [] });
    expect(filesOf(disk)).toEqual(once);
  });

  test('with lost events changes nothing unless the loss is accepted', async () => {
    const files = await storeFiles('none');
    const broken = changed(files, { ledger: flipped(files.get(inFolder('ledger'))!, files.get(inFolder('ledger'))!.indexOf('"e3"')) });
    const { disk, process } = await quickDiskWith(broken);
    const report = await repair(process, { apply: true });
    expect(report).toMatchObject({ ok: false, applied: false, lost: [{ first: 3, last: 3, message: expect.stringContaining('--accept-loss') as string }] });
    expect(filesOf(disk)).toEqual(broken);
  });

  test('mends a sync that failed, on a sound ledger', async () => {
    const files = new Map([...(await storeFiles('json')), [inFolder('ledger.unsynced'), Buffer.from('{"from":0}')]]);
    const { disk, process } = await quickDiskWith(files);
    expect(await verify(process)).toMatchObject({ ok: true, notes: [{ what: 'ledger', where: 'ledger.unsynced' }] });
    expect(await repair(process)).toMatchObject({ ok: true, applied: false, actionCount: 1 });
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, applied: true, actionCount: 1 });
    expect(filesOf(disk)).toEqual(await storeFiles('json'));
  });

  test('of a store that is sound, new or not there does nothing', async () => {
    const files = await storeFiles('json');
    const { disk, process } = await quickDiskWith(files);
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, applied: false, head: 5, actionCount: 0 });
    expect(filesOf(disk)).toEqual(files);
    const torn = await quickDiskWith(new Map([[inFolder('ledger'), files.get(inFolder('ledger'))!.subarray(0, 50)]]));
    expect(await repair(torn.process, { apply: true })).toMatchObject({ ok: true, applied: false, head: 0 });
    await expect(repair((await quickDiskWith(new Map())).process)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('refuses beside a process that holds the lock, waits for it, or is this one with the store open', async () => {
    const files = await muchDamage();
    const { simulation, process } = await diskWith(files);
    const other = simulation.start('Q');
    const hold = await other.ports.openLock(folder).acquire(1000);
    await expect(repair(process, { apply: true })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', message: expect.stringContaining('another process') as string });
    expect(await repair(process)).toMatchObject({ applied: false });
    await hold.release();
    const refused = expect(repair(process, { apply: true })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await simulation.advance(20);
    const waiting = await other.ports.openLock(folder).acquire(5000);
    await refused;
    await waiting.release();
    expect(filesOf(simulation.disk)).toEqual(files);
    const sound = await diskWith(await storeFiles('json'));
    const store = await sound.process.openStore({ directory: root });
    await expect(repair(sound.process, { apply: true })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await store.close();
  });

  test('is noticed by a process that has the old ledger open: its append goes nowhere, and says so', async () => {
    const files = await storeFiles('json');
    const ledger = files.get(inFolder('ledger'))!;
    const { simulation, process } = await diskWith(files);
    const idle = simulation.start('Q');
    const store = await idle.openStore({ directory: root });
    simulation.disk.overwrite(inFolder('ledger'), flipped(ledger, ledger.length - 5));
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 5 });
    await expect(store.append({ type: 'Stale', data: 1 })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await store.close();
    const fresh = await idle.openStore({ directory: root });
    expect(await fresh.append({ type: 'Fresh', data: 1 })).toMatchObject({ first: 6 });
    expect((await fresh.read().toArray()).map(({ type }) => type)).toEqual(['Opened', 'Joined', 'Joined', 'Left', 'Closed', 'Fresh']);
    await fresh.close();
    expect(await verify(process)).toMatchObject({ ok: true, head: 6 });
  });

  test('stops when it is aborted, and tells how far it is', async () => {
    const { disk, process } = await quickDiskWith(await muchDamage());
    const before = disk.files();
    const reason = new Error('enough');
    await expect(repair(process, { apply: true, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(disk.files()).toEqual(before);
    const told: number[] = [];
    await repair(process, { apply: true, onProgress: ({ done, total }) => told.push(done / total) });
    expect(told.length).toBeGreaterThan(3);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(1);
  });
});
