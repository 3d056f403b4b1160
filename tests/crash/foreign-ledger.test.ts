/*
 * goal: a ledger that was copied into another store's folder destroys and moves nothing there: verify names it, repair and
 *   every store refuse it until somebody says what to believe; and no folder that is in order is taken for such a one.
 * method: closed stores on the simulated disk whose ledger, checkpoint or event files are mixed; all files are compared.
 */
import { describe, expect, test } from 'vitest';
import { changed, filesOf, inFolder, quickDiskWith, readAll, repair, root, storeFiles, verify, type Batch, type Files } from '../support/damaged-store.js';
import { flipped, framesOf } from '../support/ledger-bytes.js';

const eventFile = (position: number): string => `events/0000001/00000000${position}.json`;
const batches = (name: string, count: number): Batch[] => Array.from({ length: count }, (_, i) => ({ events: [{ type: 'T', id: `${name}${i + 1}`, data: name }] }));
const idOf = (files: Files): string => files.get(inFolder('ledger'))!.subarray(48, 64).toString('hex');

/** Two stores in one folder's place: their ids are drawn from the same seed, so the second takes another. */
async function stores(first: Batch[], second: Batch[], format: 'json' | 'msgpack' | 'none' = 'json'): Promise<{ right: Files; wrong: Files }> {
  const right = await storeFiles('json', first);
  const wrong = await storeFiles(format, second, 8);
  expect(idOf(right)).not.toBe(idOf(wrong));
  return { right, wrong };
}

const mixedOf = ({ right, wrong }: { right: Files; wrong: Files }): Files => changed(right, { ledger: wrong.get(inFolder('ledger'))! });

describe('a ledger of another store', () => {
  test.each([
    { name: 'shorter', right: batches('r', 4), wrong: batches('w', 2), position: 1 },
    { name: 'longer', right: batches('r', 2), wrong: batches('w', 4), position: 1 },
    { name: 'empty', right: batches('r', 3), wrong: [], position: 1 },
    { name: 'that begins alike', right: [...batches('s', 2), ...batches('r', 2)], wrong: [...batches('s', 2), ...batches('w', 3)], position: 3 },
    { name: 'that is a beginning of it', right: batches('s', 4), wrong: batches('s', 2), position: 3 },
    { name: 'with event files of another format', right: batches('r', 3), wrong: batches('w', 2), format: 'msgpack' as const, position: 1 },
    { name: 'without event files', right: batches('r', 3), wrong: batches('w', 2), format: 'none' as const, position: 1 },
  ])('$name is told by verify and refused by all others, and nothing is changed', async ({ right, wrong, format, position }) => {
    const both = await stores(right, wrong, format);
    const mixed = mixedOf(both);
    const { disk, process } = await quickDiskWith(mixed);
    const report = await verify(process);
    expect(report).toMatchObject({ ok: false, problemCount: 1, problems: [{ what: 'ledger', position }] });
    for (const id of [idOf(both.right), idOf(both.wrong)]) expect(report.problems[0]!.message).toContain(id);
    const refusal = { code: 'LEDGER_CORRUPT', details: { position } };
    for (const apply of [false, true]) await expect(repair(process, { apply })).rejects.toMatchObject(refusal);
    for (const readOnly of [false, true]) await expect(process.openStore({ directory: root, readOnly })).rejects.toMatchObject(refusal);
    expect(filesOf(disk)).toEqual(mixed);
  });

  test('gives way to a ledger made of the event files when they are to be believed', async () => {
    const both = await stores(batches('r', 4), batches('w', 5));
    const { disk, process } = await quickDiskWith(mixedOf(both));
    expect(await repair(process, { trust: 'event-files' })).toMatchObject({ applied: false, ok: false, head: 4, lost: [] });
    expect(await repair(process, { trust: 'event-files', apply: true })).toMatchObject({ applied: true, ok: true, head: 4, lost: [] });
    expect((await readAll(process)).map(({ id }) => id)).toEqual(['r1', 'r2', 'r3', 'r4']);
    const aside = [...disk.files()].filter(([file]) => /quarantine\/[^/]+\/ledger$/.test(file));
    expect(aside.map(([, bytes]) => bytes)).toEqual([both.wrong.get(inFolder('ledger'))]);
  });

  test('stays when it is to be believed, and the event files are set aside', async () => {
    const both = await stores(batches('r', 3), batches('w', 2));
    const { disk, process } = await quickDiskWith(mixedOf(both));
    expect(await repair(process, { trust: 'ledger', apply: true })).toMatchObject({ applied: true, ok: true, head: 2 });
    expect((await readAll(process)).map(({ id }) => id)).toEqual(['w1', 'w2']);
    for (const position of [1, 2, 3]) expect(disk.files().get(inFolder(`events/void/00000000${position}.json`))).toEqual(both.right.get(inFolder(eventFile(position))));
    const store = await process.openStore({ directory: root });
    expect(await store.append({ type: 'T', data: 1 })).toMatchObject({ first: 3 });
    await store.close();
  });

  test('stays, damaged, when it is to be believed, and takes nothing from the event files', async () => {
    const both = await stores(batches('r', 4), batches('w', 4));
    const ledger = both.wrong.get(inFolder('ledger'))!;
    const { process } = await quickDiskWith(changed(both.right, { ledger: flipped(ledger, framesOf(ledger)[2]!.end - 3) }));
    expect(await repair(process, { trust: 'ledger', apply: true })).toMatchObject({ applied: false, ok: false, lost: [{ first: 2, last: 2 }] });
    expect(await repair(process, { trust: 'ledger', apply: true, acceptLoss: true })).toMatchObject({ applied: true, ok: true, head: 4 });
    expect((await readAll(process)).map(({ type, id }) => (type === 'T' ? id : type))).toEqual(['w1', 'opossum.lost', 'w3', 'w4']);
  });

  test.each(['its header', 'a frame', 'every frame'])('is refused, and gives way, with %s damaged too', async (what) => {
    const both = await stores(batches('r', 4), batches('w', 4));
    const ledger = both.wrong.get(inFolder('ledger'))!;
    const frames = framesOf(ledger);
    const hit = what === 'its header' ? [frames[0]!] : what === 'a frame' ? [frames[3]!] : frames.slice(1);
    const mixed = changed(both.right, { ledger: hit.reduce((bytes, { offset }) => flipped(bytes, offset + 100), ledger) });
    const { disk, process } = await quickDiskWith(mixed);
    expect(await verify(process)).toMatchObject({ ok: false });
    await expect(repair(process, { apply: true })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    expect(filesOf(disk)).toEqual(mixed);
    expect(await repair(process, { apply: true, trust: 'event-files' })).toMatchObject({ ok: true, head: 4, lost: [] });
    expect((await readAll(process)).map(({ id }) => id)).toEqual(['r1', 'r2', 'r3', 'r4']);
  });

  test('whose repair was cut off is asked about again, and the repair is completed', async () => {
    const mixed = mixedOf(await stores(batches('r', 3), batches('w', 4)));
    const outcomes = new Set<string>();
    for (let cut = 1; cut < 200; cut++) {
      const { disk, process } = await quickDiskWith(mixed);
      let changes = 0;
      disk.onOperation = (operation) => (operation.changes && ++changes >= cut ? { code: 'EIO' } : undefined);
      const done = await repair(process, { apply: true, trust: 'event-files' }).then(
        () => true,
        () => false,
      );
      disk.onOperation = () => undefined;
      if (done) break;
      const again = await repair(process, { apply: true }).catch((error: { code: string }) => error.code);
      outcomes.add(typeof again === 'string' ? again : `ok: ${again.ok}`);
      if (again === 'LEDGER_CORRUPT') expect(await repair(process, { apply: true, trust: 'event-files' }), `cut ${cut}`).toMatchObject({ ok: true, head: 3, lost: [] });
      expect((await readAll(process)).map(({ id }) => id), `cut ${cut}`).toEqual(['r1', 'r2', 'r3']);
    }
    expect(outcomes).toEqual(new Set(['LEDGER_CORRUPT', 'ok: true']));
  });
});

describe('no stranger is', () => {
  test('a ledger without a checkpoint, whatever the event files are: it is healed by', async () => {
    const mixed = changed(mixedOf(await stores(batches('r', 2), batches('w', 2))), { checkpoint: undefined });
    const { disk, process } = await quickDiskWith(mixed);
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 2 });
    expect(disk.files().get(inFolder('events/void/000000001.json'))).toEqual(mixed.get(inFolder(eventFile(1))));
  });

  test('a ledger with the checkpoint of another whose own event files are there, or are damaged, or lag behind', async () => {
    const { right, wrong } = await stores(batches('r', 3), batches('w', 2));
    const checkpoint = wrong.get(inFolder('checkpoint'))!;
    for (const changes of [{}, { [eventFile(1)]: Buffer.from('{}') }, { [eventFile(3)]: undefined }]) {
      const { process } = await quickDiskWith(changed(right, { checkpoint, ...changes }));
      const store = await process.openStore({ directory: root });
      await store.append({ type: 'T', data: 4 });
      await store.close();
      expect(await verify(process)).toMatchObject({ ok: true, head: 4, pendingEventFiles: 0 });
    }
  });

  test('a ledger that a repair made, when it was cut off before the checkpoint was written, though events were given up', async () => {
    // The file of event 2 is of another batch: it is no copy of what is lost, and stays sound.
    const right = await storeFiles('json', [batches('r', 1)[0]!, { events: [...batches('a', 1)[0]!.events, ...batches('b', 1)[0]!.events] }, batches('z', 1)[0]!]);
    const other = await storeFiles('json', batches('o', 3));
    const broken = changed(right, { ledger: undefined, [eventFile(2)]: other.get(inFolder(eventFile(2)))! });
    const { disk, process } = await quickDiskWith(broken);
    let made = false;
    disk.onOperation = ({ kind, path }) => {
      if (made && kind === 'create') return { code: 'EIO' };
      made ||= kind === 'rename' && path.endsWith('-> /data/default/ledger');
      return undefined;
    };
    await expect(repair(process, { apply: true, acceptLoss: true })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    disk.onOperation = () => undefined;
    expect(made).toBe(true);
    expect(await repair(process, { apply: true, acceptLoss: true })).toMatchObject({ ok: true, head: 4 });
    expect(await verify(process)).toMatchObject({ ok: true });
  });
});
