import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Query } from '../../src/core/query.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import type { EventIndex } from '../../src/indexing/event-index.js';
import { blockPath, FrameList, MapDisk, openIndex, positionsOf, seal, systemError, testBlockSize, type Keys } from '../support/indexing.js';
import { freshFolder } from '../support/folder.js';

const manyDays: Keys[] = Array.from({ length: 6 * testBlockSize + 10 }, (_, i) => ({
  type: i % 3 === 0 ? 'Opened' : 'Moved',
  tags: ['everywhere', `day:${i % 7}`, ...(i % 10 === 0 ? ['tenth'] : [])],
}));

/** Frames of 1 to 7 events, so that some reach over the end of a block. */
function ledgerOf(events: readonly Keys[]): FrameList {
  const ledger = new FrameList();
  for (let from = 0, size = 1; from < events.length; from += size, size = (size % 7) + 1) ledger.append(events.slice(from, from + size));
  return ledger;
}

/** Every key, id and location of the ledger, asked in every way. */
async function expectAllRight(index: EventIndex, ledger: FrameList): Promise<void> {
  const { events, last } = ledger;
  expect(index.last).toBe(last);
  const queries: Query[] = ['all', ...[...new Set(events.map(({ type }) => type))].map((type) => ({ items: [{ types: [type] }] }))];
  for (const tag of new Set(events.flatMap(({ tags }) => tags))) queries.push({ items: [{ tags: [tag] }] });
  for (const query of queries) {
    const right = ledger.matching(query);
    expect(await positionsOf(index, query)).toEqual(right);
    expect(await positionsOf(index, query, { backwards: true })).toEqual([...right].reverse());
    expect(await index.firstMatch(query, 0, last)).toBe(right[0] ?? 0);
  }
  const positions = events.map(({ position }) => position);
  expect(await index.locate(positions)).toEqual(events.map(({ offset, length }) => ({ offset, length })));
  for (const { id, position } of events) expect(await index.candidates(id)).toContain(position);
}

/** The answers to everything about the positions from `first` to `last`, in brief. */
async function answersOf(index: EventIndex, { queries, ids }: { queries: readonly Query[]; ids: readonly string[] }, first: number, last: number): Promise<string> {
  const answers: unknown[] = [index.last];
  for (const query of queries) {
    answers.push(await positionsOf(index, query, { after: first - 1, upTo: last, backwards: true }), await index.firstMatch(query, first - 1, last));
  }
  answers.push(await index.locate(Array.from({ length: last - first + 1 }, (_, i) => first + i)));
  for (const id of ids) answers.push((await index.candidates(id)).includes(Number(id.slice(3))));
  return JSON.stringify(answers);
}

async function sealedOn(disk: MapDisk, ledger: FrameList): Promise<void> {
  const index = await openIndex(ledger, disk.port);
  await seal(index, ledger.last);
  expect(index.unsealed).toBe(0);
  index.close();
}

describe('a sealed block', () => {
  test('gives back what its segment held, from memory, after sealing and after opening again', async () => {
    const ledger = ledgerOf(manyDays);
    const disk = new MapDisk();
    const index = await openIndex(ledger, disk.port);
    expect(index.unsealed).toBe(6);
    await expectAllRight(index, ledger);
    await seal(index, ledger.last);
    expect(index.unsealed).toBe(0);
    await expectAllRight(index, ledger);
    await expectAllRight(await openIndex(ledger, disk.port), ledger);
    expect([...disk.files.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5].map(blockPath));
    expect(ledger.scans).toBe(0);
  });

  test('keeps hostile keys apart', async () => {
    const long = 'x'.repeat(1023);
    const hostile = ['a', 'A', 'a ', '\u00e9', 'e\u0301', 'a/b', 'a\\b', '..', 'CON', 'a.', '\0', '\0\0', 'a\0', `${long}y`, `${long}z`, '😀', '😁', '__proto__', 'constructor'];
    const ledger = ledgerOf(Array.from({ length: 2 * testBlockSize }, (_, i) => ({ type: hostile[i % 19]!, tags: [hostile[(i * 7 + 3) % 19]!] })));
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const index = await openIndex(ledger, disk.port);
    for (const text of [...hostile, `${long}x`, 'b', 'É', '\0\0\0']) {
      const byType: Query = { items: [{ types: [text] }] };
      const byTag: Query = { items: [{ tags: [text] }] };
      expect(await positionsOf(index, byType)).toEqual(ledger.matching(byType));
      expect(await positionsOf(index, byTag)).toEqual(ledger.matching(byTag));
    }
  });

  test('is sealed only when the frame with its last event is durable', async () => {
    const ledger = new FrameList();
    ledger.append(manyDays.slice(0, testBlockSize - 1));
    const long = ledger.append(manyDays.slice(0, 2 * testBlockSize)).point;
    const disk = new MapDisk();
    const index = await openIndex(ledger, disk.port);
    await seal(index, long.position - 1);
    expect(disk.files.size).toBe(0);
    expect(index.scanFrom).toBeUndefined();
    await seal(index, long.position);
    expect(disk.files.size).toBe(2);
    expect(index.scanFrom).toEqual(long);
    await expectAllRight(index, ledger);
    await expectAllRight(await openIndex(ledger, disk.port), ledger);
  });

  test('has the same bytes whoever seals it, also after events were taken back', async () => {
    const ledger = ledgerOf(manyDays);
    const [one, other] = [new MapDisk(), new MapDisk()];
    await sealedOn(one, ledger);
    const index = await openIndex(new FrameList(), other.port);
    for (const [i, { point, events }] of ledger.frames.entries()) {
      const provisional = events.map((event) => ({ ...event, type: 'Provisional', tags: ['tenth', 'gone'] }));
      if (i % 3 === 0) {
        index.addFrame({ ...point, checksum: 1 }, provisional);
        index.truncate(point.position - events.length);
      }
      index.addFrame(point, events);
    }
    await seal(index, ledger.last);
    expect([...other.files].sort()).toEqual([...one.files].sort());
  });

  test('is small enough to be read in a few pieces', async () => {
    const disk = new MapDisk();
    const ledger = ledgerOf(manyDays);
    await sealedOn(disk, ledger);
    const index = await openIndex(ledger, disk.port);
    const reads: string[] = [];
    disk.before = (verb) => void reads.push(verb);
    expect(await index.firstMatch({ items: [{ tags: ['tenth'] }] }, 0, testBlockSize)).toBe(1);
    expect(reads).toEqual(['open', 'read', 'read', 'read']);
    expect(await index.firstMatch({ items: [{ tags: ['tenth'] }] }, 1, testBlockSize)).toBe(11);
    expect(reads).toHaveLength(4);
  });
});

describe('a damaged block', () => {
  const events: Keys[] = Array.from({ length: 3 * testBlockSize }, (_, i) => ({ type: i % 9 ? 'A' : 'B', tags: i % 5 ? ['often'] : ['often', `rare:${i % 3}`] }));
  const ledger = ledgerOf(events);

  const questions = {
    queries: [{ items: [{ types: ['A'] }] }, { items: [{ types: ['B'], tags: ['often'] }] }, ...[0, 1, 2].map((n) => ({ items: [{ tags: [`rare:${n}`] }] }))],
    ids: ledger.events.map(({ id }) => id),
  };

  /** Block `block` is `bytes`; what is asked must be answered as if nothing were wrong, and the file is as it was. */
  async function expectHealed(bytes: Buffer | undefined, sound: ReadonlyMap<string, Buffer>, block = 1): Promise<void> {
    const disk = new MapDisk();
    disk.makeDirectory();
    for (const [file, content] of sound) disk.files.set(file, content);
    if (bytes) disk.files.set(blockPath(block), bytes);
    else disk.files.delete(blockPath(block));
    const index = await openIndex(ledger, disk.port);
    expect(await answersOf(index, questions, 1, ledger.last)).toBe(await rightAnswers);
    await seal(index, ledger.last);
    expect([...disk.files.keys()].sort()).toEqual([...sound.keys()].sort());
    for (const [file, content] of sound) expect(disk.files.get(file)!.equals(content)).toBe(true);
  }

  const rightAnswers = openIndex(ledger, new MapDisk().port).then(async (index) => {
    await expectAllRight(index, ledger);
    return answersOf(index, questions, 1, ledger.last);
  });

  async function soundFiles(): Promise<ReadonlyMap<string, Buffer>> {
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    return disk.files;
  }

  test('of which any byte is another is rebuilt, never read as "no match"', async () => {
    const sound = await soundFiles();
    const bytes = sound.get(blockPath(1))!;
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i]! ^= 1 << i % 8;
      ledger.scans = 0;
      await expectHealed(damaged, sound);
      expect(ledger.scans, `byte ${i} of ${bytes.length}`).toBe(1);
    }
  });

  test('of which any byte is another is passed over on opening when it is the newest', async () => {
    const sound = await soundFiles();
    const bytes = sound.get(blockPath(2))!;
    for (let i = 0; i < bytes.length; i += 3) {
      const damaged = Buffer.from(bytes);
      damaged[i]! ^= 0x80;
      await expectHealed(damaged, sound, 2);
    }
  });

  test('that is cut off anywhere is rebuilt', async () => {
    const sound = await soundFiles();
    const bytes = sound.get(blockPath(1))!;
    for (let length = 0; length < bytes.length; length += 1 + (length % 7)) {
      ledger.scans = 0;
      await expectHealed(bytes.subarray(0, length), sound);
      expect(ledger.scans, `${length} of ${bytes.length} bytes`).toBe(1);
    }
  });

  test('is noticed when it is missing, of zeros, another block or of another ledger', async () => {
    const sound = await soundFiles();
    const foreign = new MapDisk();
    const other = await openIndex(ledger, foreign.port, { ledgerId: Buffer.alloc(16, 9) });
    await seal(other, ledger.last);
    const bytes = sound.get(blockPath(1))!;
    for (const wrong of [undefined, Buffer.alloc(0), Buffer.alloc(bytes.length), sound.get(blockPath(0))!, foreign.files.get(blockPath(1))!]) {
      ledger.scans = 0;
      await expectHealed(wrong, sound);
      expect(ledger.scans).toBe(1);
    }
  });

  test('may have damaged blocks before it: reading the ledger begins where the chain is known', async () => {
    const sound = await soundFiles();
    for (const missing of [[0, 1], [0], [1]]) {
      const disk = new MapDisk();
      disk.makeDirectory();
      for (const [file, content] of sound) if (!missing.some((block) => blockPath(block) === file)) disk.files.set(file, content);
      const index = await openIndex(ledger, disk.port);
      const query: Query = { items: [{ tags: ['rare:1'] }] };
      expect(await positionsOf(index, query, { backwards: true })).toEqual(ledger.matching(query).reverse());
      expect(disk.files).toEqual(sound);
    }
  });

  test('is rebuilt once when many ask for it at the same time', async () => {
    const sound = await soundFiles();
    const disk = new MapDisk();
    disk.makeDirectory();
    disk.isSlow = true;
    for (const [file, content] of sound) disk.files.set(file, content);
    disk.files.set(blockPath(1), Buffer.alloc(100));
    const index = await openIndex(ledger, disk.port);
    ledger.scans = 0;
    const query: Query = { items: [{ types: ['B'], tags: ['often'] }] };
    const answers = await Promise.all(Array.from({ length: 20 }, () => positionsOf(index, query)));
    for (const answer of answers) expect(answer).toEqual(ledger.matching(query));
    expect(ledger.scans).toBe(1);
  });

  test('fails with the error of the ledger when that cannot be read either', async () => {
    const sound = await soundFiles();
    const disk = new MapDisk();
    disk.makeDirectory();
    for (const [file, content] of sound) disk.files.set(file, content);
    disk.files.delete(blockPath(0));
    const failing = await openIndex(ledger, disk.port, { scanBlock: () => Promise.reject(new Error('the ledger is gone')) });
    await expect(positionsOf(failing, 'all')).resolves.toHaveLength(ledger.last);
    await expect(positionsOf(failing, { items: [{ types: ['A'] }] })).rejects.toThrow('the ledger is gone');
    const short = await openIndex(ledger, disk.port, { scanBlock: async (first, from) => (await ledger.scanBlock(first, from)).slice(0, -1) });
    await expect(positionsOf(short, { items: [{ types: ['A'] }] })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
  });
});

describe('a disk that fails', () => {
  test.each(['EMFILE', 'EIO', 'EACCES'])('on reading (%s) is answered from the ledger', async (code) => {
    const ledger = ledgerOf(manyDays);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const index = await openIndex(ledger, disk.port);
    disk.before = (verb) => {
      if (verb === 'open' || verb === 'read' || verb === 'createFile') throw systemError(code);
    };
    await expectAllRight(index, ledger);
  });

  test('on writing leaves blocks in memory, and a later call seals them', async () => {
    const ledger = ledgerOf(manyDays);
    const disk = new MapDisk();
    let tries = 0;
    disk.before = (verb) => {
      if (verb === 'createFile') {
        tries++;
        throw systemError('ENOSPC');
      }
    };
    const index = await openIndex(ledger, disk.port);
    for (let i = 0; i < 1000; i++) await seal(index, ledger.last);
    expect(index.unsealed).toBe(6);
    expect(tries).toBeLessThan(15);
    await expectAllRight(index, ledger);
    disk.before = () => undefined;
    for (let i = 0; i < 1025; i++) await seal(index, ledger.last);
    expect(index.unsealed).toBe(0);
    await expectAllRight(index, ledger);
  });

  test.each(['createFile', 'rename'])('on %s does not fail the read that rebuilds, and memory stays bounded', async (verb) => {
    const ledger = ledgerOf(Array.from({ length: 40 * testBlockSize }, (_, i) => ({ type: 'A', tags: [`t${i % 11}`] })));
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const newest = disk.files.get(blockPath(39))!;
    disk.files.clear();
    disk.files.set(blockPath(39), newest);
    disk.before = (called) => {
      if (called === verb) throw systemError('ENOSPC');
    };
    const index = await openIndex(ledger, disk.port);
    const query: Query = { items: [{ tags: ['t3'] }] };
    expect(await positionsOf(index, query)).toEqual(ledger.matching(query));
    expect([...disk.files.keys()]).toEqual([blockPath(39)]);
    ledger.scans = 0;
    await positionsOf(index, query, { after: 38 * testBlockSize });
    expect(ledger.scans).toBe(0);
    await positionsOf(index, query, { upTo: testBlockSize });
    expect(ledger.scans).toBe(1);
  });
});

describe('several processes', () => {
  test('that seal the same blocks adopt each other\'s files', async () => {
    const ledger = ledgerOf(manyDays);
    const disk = new MapDisk();
    const [one, other] = [await openIndex(ledger, disk.port), await openIndex(ledger, disk.port)];
    let created = 0;
    disk.before = (verb) => {
      if (verb === 'createFile') created++;
    };
    await seal(one, ledger.last);
    expect(created).toBe(7);
    await seal(other, ledger.last);
    expect(created).toBe(7);
    expect(other.unsealed).toBe(0);
    await expectAllRight(other, ledger);
    const [third, fourth] = [new MapDisk(), await openIndex(ledger, disk.port)];
    third.isSlow = true;
    const racing = await Promise.all([openIndex(ledger, third.port), openIndex(ledger, third.port)]);
    await Promise.all(racing.map((index) => seal(index, ledger.last)));
    for (const index of [...racing, fourth]) await expectAllRight(index, ledger);
    expect(third.files).toEqual(disk.files);
  });

  test('replace a file that is not of this chain', async () => {
    const ledger = ledgerOf(manyDays);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    const elsewhere = new FrameList();
    for (const { events } of ledger.frames) elsewhere.append(events.map(({ tags }) => ({ type: 'Elsewhere', tags, id: 'x' })));
    elsewhere.frames.forEach((frame, i) => elsewhere.frames.splice(i, 1, { ...frame, point: { ...frame.point, checksum: i } }));
    disk.files.clear();
    const index = await openIndex(ledger, disk.port);
    await sealedOn(disk, elsewhere);
    await seal(index, ledger.last);
    await expectAllRight(index, ledger);
    expect(disk.files).toEqual(right);
  });

  test('that only read write nothing, and take over what is there', async () => {
    const ledger = ledgerOf(manyDays);
    const disk = new MapDisk();
    const reader = await openIndex(ledger, disk.port, { readOnly: true });
    await seal(reader, ledger.last);
    expect(reader.unsealed).toBe(6);
    await sealedOn(disk, ledger);
    disk.files.delete(blockPath(3));
    disk.before = (verb) => {
      if (['createFile', 'rename', 'removeFile', 'makeDirectory'].includes(verb)) throw new Error(`${verb} was called`);
    };
    for (let i = 0; i < 3; i++) await seal(reader, ledger.last);
    expect(reader.unsealed).toBe(3);
    await expectAllRight(reader, ledger);
    const late = await openIndex(ledger, disk.port, { readOnly: true });
    expect(late.unsealed).toBe(0);
    await expectAllRight(late, ledger);
  });
});

test('on a real disk files are where they should be, and stray ones do no harm', async () => {
  const directory = path.join(freshFolder(), 'index');
  const ledger = ledgerOf(manyDays);
  const index = await openIndex(ledger, nodeDisk, { directory });
  await seal(index, ledger.last);
  await expectAllRight(index, ledger);
  index.close();
  for (const name of ['0000000009.idx.0a0b.tmp', 'README', '99999999999.idx', '0000000077.idx']) fs.writeFileSync(path.join(directory, name), 'stray');
  fs.truncateSync(path.join(directory, '0000000002.idx'), 700);
  const again = await openIndex(ledger, nodeDisk, { directory });
  expect(again.unsealed).toBe(0);
  await expectAllRight(again, ledger);
  expect(ledger.scans).toBe(1);
  again.close();
});
