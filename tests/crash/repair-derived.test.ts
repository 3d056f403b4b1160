/*
 * Goal: no byte of an event file, an index block or the checkpoint can be wrong without verify finding it, and repair puts
 * back what the ledger says and keeps what was there.
 * Method: on the simulated disk each byte flipped, each length cut; of index blocks and most event files a
 * sample (every byte and length of a block: indexing-verify; a larger sample of repairs: sealed-blocks).
 */
import { describe, expect, test } from 'vitest';
import { changed, filesOf, folder, inFolder, quickDiskWith, readAll, repair, root, storeFiles, verify, type Files } from '../support/damaged-store.js';
import { flipped } from '../support/ledger-bytes.js';

/** All copies of a file with one byte flipped, and all that are too short; with `step` only each so-manieth. */
function* damages(bytes: Buffer, step = 1): Generator<{ what: string; damaged: Buffer }> {
  for (let offset = 0; offset < bytes.length; offset += step) yield { what: `byte ${offset}`, damaged: flipped(bytes, offset) };
  for (let length = 0; length < bytes.length; length += step) yield { what: `length ${length}`, damaged: bytes.subarray(0, length) };
}

const quarantined = (files: Files, name: string): Buffer | undefined => [...files].find(([file]) => file.startsWith(`${folder}/quarantine/`) && file.endsWith(`/${name}`))?.[1];

describe('event files', () => {
  test.each(['json', 'msgpack'] as const)('as %s: each damage is found and healed', async (format) => {
    const files = await storeFiles(format);
    for (const position of [1, 2, 3, 4, 5]) {
      const name = `events/0000001/00000000${position}.${format}`;
      const right = files.get(inFolder(name))!;
      // All of the file of an event in the middle of a batch with a condition; of the others, which take as long, a sample.
      for (const { what, damaged } of damages(right, position === 2 ? 1 : 17)) {
        const where = `${what} of ${name}`;
        const { disk, process } = await quickDiskWith(changed(files, { [name]: damaged }));
        expect(await verify(process), where).toMatchObject({ ok: false, head: 5, problemCount: 1, problems: [{ what: 'event file', where: name, position }] });
        if (what.endsWith('7')) expect(await repair(process), where).toMatchObject({ ok: false, applied: false, actionCount: 1, actions: [{ what: 'event file', where: name }] });
        expect(await repair(process, { apply: true }), where).toMatchObject({ ok: true, applied: true, actionCount: 1 });
        expect(disk.files().get(inFolder(name))!.equals(right), where).toBe(true);
        expect(quarantined(disk.files(), name)!.equals(damaged), where).toBe(true);
      }
    }
  });

  test('one that is missing is written again', async () => {
    const files = await storeFiles('json');
    const { disk, process } = await quickDiskWith(changed(files, { 'events/0000001/000000003.json': undefined }));
    expect(await verify(process)).toMatchObject({ ok: false, problems: [{ position: 3, message: expect.stringContaining('missing') as string }] });
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, applied: true });
    expect(filesOf(disk)).toEqual(files);
  });

  test('one of another event gives way to the right one, and one that nobody needs stays', async () => {
    const files = await storeFiles('json');
    const other = await storeFiles('json', [{ events: [1, 2, 3, 4, 5, 6].map((n) => ({ type: 'Other', id: `o${n}`, data: n })) }]);
    const nameOf = (position: number): string => `events/0000001/00000000${position}.json`;
    const foreign = changed(files, { [nameOf(4)]: other.get(inFolder(nameOf(4)))!, [nameOf(6)]: other.get(inFolder(nameOf(6)))! });
    const { disk, process } = await quickDiskWith(foreign);
    expect(await verify(process)).toMatchObject({ ok: false, problemCount: 1, problems: [{ position: 4 }], noteCount: 1, notes: [{ what: 'event file', where: nameOf(6) }] });
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, actionCount: 1 });
    expect(disk.files().get(inFolder(nameOf(4)))).toEqual(files.get(inFolder(nameOf(4))));
    expect(disk.files().get(inFolder('events/void/000000004.json'))).toEqual(other.get(inFolder(nameOf(4))));
    expect(disk.files().get(inFolder(nameOf(6)))).toEqual(other.get(inFolder(nameOf(6))));
  });
});

describe('the checkpoint', () => {
  test('damaged in any way is noted, ignored and replaced', async () => {
    const files = await storeFiles('json');
    const right = files.get(inFolder('checkpoint'))!;
    for (const { what, damaged } of damages(right)) {
      const { disk, process } = await quickDiskWith(changed(files, { checkpoint: damaged }));
      expect(await verify(process), what).toMatchObject({ ok: true, head: 5, noteCount: 1, notes: [{ what: 'checkpoint' }] });
      expect(await repair(process, { apply: true }), what).toMatchObject({ ok: true, applied: true, actions: [{ what: 'checkpoint' }] });
      expect(await verify(process), what).toMatchObject({ ok: true, notes: [] });
      expect(quarantined(disk.files(), 'checkpoint')!.equals(damaged), what).toBe(true);
      const { durable } = JSON.parse(disk.files().get(inFolder('checkpoint'))!.toString().split('\n')[0]!) as { durable: unknown };
      expect(durable).toEqual((JSON.parse(right.toString().split('\n')[0]!) as { durable: unknown }).durable);
    }
  });
});

describe('index blocks', () => {
  const size = 4096;
  const tiny = (from: number): { events: { type: string; id: string; tags: string[]; data: number }[] } => ({
    events: Array.from({ length: size }, (_, i) => ({ type: `T${i % 3}`, id: `${from + i}`, tags: i % 50 === 0 ? [`t:${i}`] : [], data: 1 })),
  });
  const block = 'index/0000000000.idx';

  test('each damage in a sample of 40 bytes and 5 lengths is found; repair makes the block again as it was', async () => {
    const files = await storeFiles('none', [tiny(1)]);
    const right = files.get(inFolder(block))!;
    const offsets = [0, 8, 12, 16, 20, 36, 44, 48, 56, 64, 68, 72, 76, 80, ...Array.from({ length: 26 }, (_, i) => Math.floor(((i + 1) * (right.length - 1)) / 26))];
    const damagedOnes = [...offsets.map((offset) => flipped(right, offset)), ...[0, 1, 75, 500, right.length - 1].map((length) => right.subarray(0, length))];
    expect(damagedOnes).toHaveLength(45);
    for (const [i, damaged] of damagedOnes.entries()) {
      const { disk, process } = await quickDiskWith(changed(files, { [block]: damaged }));
      expect(await verify(process), `damage ${i}`).toMatchObject({ ok: false, head: size, problems: [{ what: 'index block', where: block }] });
      if (i % 9 > 0) continue;
      expect(await repair(process, { apply: true }), `damage ${i}`).toMatchObject({ ok: true, applied: true, actionCount: 1 });
      expect(disk.files().get(inFolder(block))!.equals(right)).toBe(true);
      expect(quarantined(disk.files(), block)!.equals(damaged)).toBe(true);
    }
  });

  test('one that is missing in the middle is made again, and one that the ledger knows nothing of is moved away', async () => {
    const files = await storeFiles('none', [tiny(1), tiny(size + 1), tiny(2 * size + 1)]);
    const second = 'index/0000000001.idx';
    expect(files.has(inFolder('index/0000000002.idx'))).toBe(true);
    const beyond = 'index/0000000009.idx';
    const { disk, process } = await quickDiskWith(changed(files, { [second]: undefined, [beyond]: files.get(inFolder(block))! }));
    expect(await verify(process)).toMatchObject({ ok: false, problems: [{ where: second }, { where: beyond }] });
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, actionCount: 2 });
    expect(disk.files().get(inFolder(second))!.equals(files.get(inFolder(second))!)).toBe(true);
    expect(disk.files().has(inFolder(beyond))).toBe(false);
  });

  test('belong to a new ledger once the damaged one was replaced, and a block shows that the ledger lost its end', async () => {
    const files = await storeFiles('json', [{ events: [{ type: 'First', id: 'f', data: 0 }] }, tiny(1)]);
    const ledger = files.get(inFolder('ledger'))!;
    const { disk, process } = await quickDiskWith(changed(files, { ledger: ledger.subarray(0, 400), checkpoint: undefined }));
    expect(await verify(process)).toMatchObject({ ok: false, problems: [{ what: 'ledger', message: expect.stringContaining('index block') as string }] });
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: size + 1, lost: [] });
    expect((await readAll(process)).length).toBe(size + 1);
    expect(disk.files().get(inFolder(block))!.length).toBe(files.get(inFolder(block))!.length);
    const store = await process.openStore({ directory: root });
    expect((await store.read({ items: [{ tags: ['t:100'] }] }).toArray()).map(({ position }) => position)).toEqual([102]);
    await store.close();
  });
});
