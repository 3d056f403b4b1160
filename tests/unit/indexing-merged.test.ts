/*
 * Goal: files that hold the types and tags of several blocks make queries shorter and never change an answer. Method: groups
 * of four small blocks, and of two, four and eight, beside a filter over all events, with files damaged, missing, foreign or not to be written.
 */
import { describe, expect, test } from 'vitest';
import type { Query } from '../../src/core/query.js';
import type { EventIndex, EventIndexOptions } from '../../src/indexing/event-index.js';
import type { KeySource } from '../../src/indexing/key-pages.js';
import { mergeKeys } from '../../src/indexing/merge-keys.js';
import { slotFormat } from '../../src/indexing/slots.js';
import { verifyBlocks, type DamagedBlock } from '../../src/indexing/verify-blocks.js';
import { blockPath, FrameList, keysPath, MapDisk, openIndex, positionsOf, seal, testBlockSize, testLedgerId, type Keys } from '../support/indexing.js';

const blocksPerGroup = 4;
const groupSize = blocksPerGroup * testBlockSize;
const byTag = (tag: string): Query => ({ items: [{ tags: [tag] }] });
/** Keys that all events have, that some have, that one in each block has, and that only one event has. */
const queries: Query[] = [
  'all',
  { items: [{ types: ['Every'] }] },
  { items: [{ types: ['Third'] }] },
  byTag('often'),
  byTag('rare'),
  byTag('n:300'),
  byTag('never'),
  { items: [{ types: ['Third'], tags: ['often'] }, { tags: ['rare', 'n:50'] }] },
];

function someEvents(count: number, from = 0): Keys[] {
  return Array.from({ length: count }, (_, n) => {
    const i = n + from;
    const tags = [`n:${i}`, ...(i % 2 ? ['often'] : []), ...(i % 50 === 0 ? ['rare'] : [])];
    return { type: i % 3 ? 'Every' : 'Third', tags };
  });
}

function someLedger(count = 2 * groupSize + 100): FrameList {
  const ledger = new FrameList();
  for (let i = 0; i < count; i += 10) ledger.append(someEvents(Math.min(10, count - i), i));
  return ledger;
}

const open = (ledger: FrameList, disk: MapDisk, options: Partial<EventIndexOptions> = {}): Promise<EventIndex> => openIndex(ledger, disk.port, { groupSizes: [blocksPerGroup], ...options });

async function sealedOn(disk: MapDisk, ledger: FrameList): Promise<void> {
  const index = await open(ledger, disk);
  await seal(index, ledger.last);
  index.close();
}

async function expectRight(index: EventIndex, ledger: FrameList): Promise<void> {
  for (const query of queries) {
    const right = ledger.matching(query);
    expect(await positionsOf(index, query)).toEqual(right);
    expect(await positionsOf(index, query, { backwards: true })).toEqual(right.reverse());
    for (const after of [0, 17, groupSize - 1, groupSize, groupSize + 70]) {
      expect(await index.firstMatch(query, after, ledger.last - 60)).toBe(ledger.matching(query, after, ledger.last - 60)[0] ?? 0);
    }
  }
}

async function damagedOf(disk: MapDisk, ledger: FrameList, groupSizes: readonly number[] = [blocksPerGroup]): Promise<DamagedBlock[]> {
  const verifier = await verifyBlocks({ disk: disk.port, directory: '/index', ledgerId: testLedgerId, blockSize: testBlockSize, groupSizes });
  const damaged: DamagedBlock[] = [];
  for (const { point, events } of ledger.frames) damaged.push(...(await verifier.check(point, events)));
  return [...damaged, ...verifier.finish()];
}

const keysOn = ({ files }: MapDisk): string[] => [...files.keys()].filter((name) => name.endsWith('.keys')).sort();

describe('a file of keys', () => {
  test('is made of each full group of blocks, and asked instead of them', async () => {
    const ledger = someLedger();
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    expect(keysOn(disk)).toEqual([keysPath(0, 3), keysPath(4, 7)]);
    const index = await open(ledger, disk);
    const asked: string[] = [];
    disk.before = (verb, path) => void (verb === 'open' && asked.push(path));
    expect(await positionsOf(index, byTag('n:300'))).toEqual([301]);
    // Of a block only where it ends, to see that the file was made of it.
    expect(asked).toEqual([keysPath(0, 3), blockPath(3), keysPath(4, 7), blockPath(7)]);
    disk.before = () => undefined;
    await expectRight(index, ledger);
    expect(ledger.scans).toBe(0);
    index.close();
    expect(disk.openCount).toBe(0);
  });

  test('has the same bytes whoever makes it, and is left alone by others', async () => {
    const ledger = someLedger();
    const [one, other] = [new MapDisk(), new MapDisk()];
    await sealedOn(one, ledger);
    const index = await open(ledger, other);
    const rival = await open(ledger, other, { readOnly: true });
    for (const { point } of ledger.frames) await seal(index, point.position);
    expect([...other.files].sort()).toEqual([...one.files].sort());
    other.before = (verb) => {
      if (['createFile', 'rename', 'removeFile'].includes(verb)) throw new Error(`${verb} was called`);
    };
    await seal(rival, ledger.last);
    await expectRight(rival, ledger);
    const late = await open(ledger, other);
    await seal(late, ledger.last);
    await expectRight(late, ledger);
  });

  test('of which any byte is another changes no answer, and is made again with the next block', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    const file = right.get(keysPath(0, 3))!;
    for (let i = 0; i < file.length; i += 7) {
      const damaged = Buffer.from(file);
      damaged[i]! ^= 0x10;
      disk.files.set(keysPath(0, 3), damaged);
      const index = await open(ledger, disk);
      for (const query of queries) expect(await positionsOf(index, query)).toEqual(ledger.matching(query));
      index.close();
    }
    const index = await open(ledger, disk);
    for (const query of queries) await positionsOf(index, query);
    ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(ledger.frames.at(-1)!.point, ledger.frames.at(-1)!.events);
    await seal(index, ledger.last);
    expect(disk.files.get(keysPath(0, 3))!.equals(file)).toBe(true);
    await expectRight(index, ledger);
  });

  test('that was made of other blocks is not believed', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = disk.files.get(keysPath(0, 3))!;
    // As after a backup was put back and written on: the same ledger, and other events at the same positions.
    const elsewhere = new FrameList();
    for (const { events } of ledger.frames) elsewhere.append(events.map(() => ({ type: 'Elsewhere', tags: ['often'] })));
    elsewhere.frames.forEach((frame, i) => elsewhere.frames.splice(i, 1, { ...frame, point: { ...frame.point, checksum: i } }));
    const other = new MapDisk();
    await sealedOn(other, elsewhere);
    disk.files.set(keysPath(0, 3), other.files.get(keysPath(0, 3))!);
    const index = await open(ledger, disk);
    await expectRight(index, ledger);
    ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(ledger.frames.at(-1)!.point, ledger.frames.at(-1)!.events);
    await seal(index, ledger.last);
    expect(disk.files.get(keysPath(0, 3))!.equals(right)).toBe(true);
    await expectRight(index, ledger);
  });

  test('that is missing is made with the next block, and a lost block of the group again with it', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    disk.files.delete(keysPath(0, 3));
    disk.files.delete(blockPath(1));
    const index = await open(ledger, disk);
    ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(ledger.frames.at(-1)!.point, ledger.frames.at(-1)!.events);
    await seal(index, ledger.last);
    for (const [name, bytes] of right) expect(disk.files.get(name), name).toEqual(bytes);
    await expectRight(index, ledger);
  });

  test.each(['createFile', 'syncFile', 'rename'])('that cannot be written, %s failing, is done without', async (failing) => {
    const ledger = someLedger();
    const disk = new MapDisk();
    let tries = 0;
    disk.before = (verb, path) => {
      if (verb !== failing || !path.includes('.keys')) return;
      tries++;
      throw new Error('no space');
    };
    const index = await open(ledger, disk);
    await seal(index, ledger.last);
    expect(tries).toBe(2);
    expect(keysOn(disk)).toEqual([]);
    expect(index.unsealed).toBe(0);
    await expectRight(index, ledger);
    disk.before = () => undefined;
    expect([...disk.files.keys()].filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('is asked only while all of its blocks are sealed', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    for (const block of [3, 4]) disk.files.delete(blockPath(block));
    const index = await open(ledger, disk);
    expect(index.unsealed).toBe(2);
    index.truncate(groupSize - 10);
    expect(await positionsOf(index, { items: [{ types: ['Every', 'Third'] }] })).toHaveLength(groupSize - 10);
  });

  test('has slots of four bytes where two are too few, and bits for what many events have', async () => {
    const ledger = new FrameList();
    const options = { blockSize: 4096, groupSizes: [16, 32] };
    const tagsOf = (n: number): string[] => [...(n % 40_000 === 3 ? ['inline'] : []), ...(n % 1000 === 7 ? ['listed'] : []), ...(n % 20 === 0 ? ['bits'] : [])];
    for (let block = 0; block < 33; block++) ledger.append(Array.from({ length: 4096 }, (_, n) => ({ type: 'Same', tags: tagsOf(block * 4096 + n) })));
    const disk = new MapDisk();
    const index = await open(ledger, disk, options);
    await seal(index, ledger.last);
    expect(keysOn(disk)).toEqual([keysPath(0, 31)]);
    const again = await open(ledger, disk, options);
    for (const query of [byTag('inline'), byTag('listed'), byTag('bits'), { items: [{ types: ['Same'], tags: ['bits', 'listed'] }] }, { items: [{ types: ['Same'] }] }]) {
      const right = ledger.matching(query);
      expect(await positionsOf(again, query)).toEqual(right);
      expect(await positionsOf(again, query, { backwards: true })).toEqual(right.reverse());
    }
    const verifier = await verifyBlocks({ disk: disk.port, directory: '/index', ledgerId: testLedgerId, ...options });
    for (const { point, events } of ledger.frames) expect(await verifier.check(point, events)).toEqual([]);
    expect(verifier.finish()).toEqual([]);
  });
});

describe('levels of files of keys', () => {
  const groupSizes = [2, 4, 8];
  const addBlock = (index: EventIndex, ledger: FrameList): Promise<void> => {
    const { point, events } = ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(point, events);
    return seal(index, ledger.last);
  };
  /** With thirteen full blocks, one by one. */
  async function levelled(disk: MapDisk): Promise<FrameList> {
    const ledger = new FrameList();
    const index = await open(ledger, disk, { groupSizes });
    for (let block = 0; block < 13; block++) await addBlock(index, ledger);
    index.close();
    return ledger;
  }

  test('are merged as blocks fill, and only the largest are kept, and asked', async () => {
    const disk = new MapDisk();
    const ledger = new FrameList();
    const index = await open(ledger, disk, { groupSizes });
    const names: string[][] = [];
    for (let block = 0; block < 13; block++) {
      await addBlock(index, ledger);
      names.push(keysOn(disk));
      await expectRight(index, ledger);
    }
    const [two, four, eight] = [keysPath(0, 1), keysPath(0, 3), keysPath(0, 7)];
    expect(names.slice(0, 8)).toEqual([[], [two], [two], [four], [four], [four, keysPath(4, 5)], [four, keysPath(4, 5)], [eight]]);
    expect(names.at(-1)).toEqual([eight, keysPath(8, 11)]);
    const again = await open(ledger, disk, { groupSizes });
    const asked: string[] = [];
    disk.before = (verb, path) => void (verb === 'open' && asked.push(path));
    expect(await positionsOf(again, byTag('n:300'))).toEqual([301]);
    expect(asked).toEqual([eight, blockPath(7), keysPath(8, 11), blockPath(11)]);
    expect(ledger.scans).toBe(0);
  });

  test('are the same when the largest are made of blocks at once', async () => {
    const [one, other] = [new MapDisk(), new MapDisk()];
    const ledger = await levelled(one);
    const index = await open(ledger, other, { groupSizes });
    await seal(index, ledger.last);
    expect([...other.files].sort()).toEqual([...one.files].sort());
  });

  test('of which one cannot be written are done without it, and those below it are asked', async () => {
    const disk = new MapDisk();
    disk.before = (verb, path) => {
      if (verb === 'rename' && path === keysPath(0, 7)) throw new Error('no space');
    };
    const ledger = await levelled(disk);
    expect(keysOn(disk)).toEqual([keysPath(0, 3), keysPath(4, 7), keysPath(8, 11)]);
    const index = await open(ledger, disk, { groupSizes });
    await expectRight(index, ledger);
    disk.before = () => undefined;
    await addBlock(index, ledger);
    await addBlock(index, ledger);
    expect(keysOn(disk)).toEqual([keysPath(0, 7), keysPath(8, 11), keysPath(12, 13)]);
  });

  test('of which one is lost, or damaged, are made again with the next block, of whatever lies below', async () => {
    const disk = new MapDisk();
    const ledger = await levelled(disk);
    const right = disk.files.get(keysPath(0, 7))!;
    for (const damage of [undefined, right.subarray(0, 200), Buffer.alloc(right.length)]) {
      if (damage) disk.files.set(keysPath(0, 7), damage);
      else disk.files.delete(keysPath(0, 7));
      const index = await open(ledger, disk, { groupSizes });
      await expectRight(index, ledger);
      await addBlock(index, ledger);
      expect(disk.files.get(keysPath(0, 7))!.equals(right)).toBe(true);
      await expectRight(index, ledger);
    }
  });

  test('may be removed by others at any time: answers stay right, and the larger file is found with the next block', async () => {
    const disk = new MapDisk();
    const ledger = new FrameList();
    const writer = await open(ledger, disk, { groupSizes });
    for (let block = 0; block < 3; block++) await addBlock(writer, ledger);
    const followers = [await open(ledger, disk, { groupSizes }), await open(ledger, disk, { groupSizes, readOnly: true })];
    for (const follower of followers) await expectRight(follower, ledger);
    await addBlock(writer, ledger);
    expect(keysOn(disk)).toEqual([keysPath(0, 3)]);
    for (const follower of followers) {
      const { point, events } = ledger.frames.at(-1)!;
      follower.addFrame(point, events);
      await expectRight(follower, ledger);
      await seal(follower, ledger.last);
      const asked: string[] = [];
      disk.before = (verb, path) => void (['open', 'read', 'createFile'].includes(verb) && asked.push(path));
      expect(await positionsOf(follower, byTag('n:1'))).toEqual([2]);
      expect(new Set(asked)).toEqual(new Set([keysPath(0, 3)]));
      disk.before = () => undefined;
    }
    expect(keysOn(disk)).toEqual([keysPath(0, 3)]);
  });

  test('that a power cut left below a larger one are removed once that is known to be right', async () => {
    const disk = new MapDisk();
    const ledger = await levelled(disk);
    const left = new MapDisk();
    await sealedOn(left, ledger);
    disk.files.set(keysPath(4, 7), left.files.get(keysPath(4, 7))!);
    expect(await damagedOf(disk, ledger, groupSizes)).toEqual([]);
    const index = await open(ledger, disk, { groupSizes });
    await addBlock(index, ledger);
    expect(keysOn(disk)).toContain(keysPath(4, 7));
    await expectRight(index, ledger);
    await addBlock(index, ledger);
    expect(keysOn(disk)).not.toContain(keysPath(4, 7));
  });

  test('are verified each, and told each', async () => {
    const disk = new MapDisk();
    const ledger = await levelled(disk);
    expect(await damagedOf(disk, ledger, groupSizes)).toEqual([]);
    const right = new Map(disk.files);
    for (const [name, last] of [[keysPath(0, 7), 7], [keysPath(8, 11), 11]] as const) {
      const bytes = Buffer.from(right.get(name)!);
      bytes[bytes.length - 1]! ^= 1;
      disk.files.set(name, bytes);
      const first = last === 7 ? 1 : 8 * testBlockSize + 1;
      expect(await damagedOf(disk, ledger, groupSizes)).toEqual([{ name: name.slice('/index/'.length), first, reason: expect.any(String), expected: right.get(name) }]);
      disk.files.set(name, right.get(name)!);
    }
    for (const [name, bytes] of right) if (name.endsWith('.keys')) disk.files.set(keysPath(2, 3), bytes);
    expect(await damagedOf(disk, ledger, groupSizes)).toMatchObject([{ name: keysPath(2, 3).slice('/index/'.length), first: 2 * testBlockSize + 1 }]);
  });
});

describe('merging keys', () => {
  /** An entry as a page of keys holds it, with any hash. */
  const entry = (hash: number, text: string, slots: number[]): Buffer => {
    const bytes = Buffer.alloc(9 + text.length + slots.length * 2);
    bytes.writeUInt32LE(hash, 0);
    bytes[4] = 2;
    bytes.writeUInt16LE(text.length, 5);
    bytes.writeUInt16LE(slots.length, 7);
    bytes.write(text, 9);
    slots.forEach((slot, i) => bytes.writeUInt16LE(slot, 9 + text.length + i * 2));
    return bytes;
  };
  const source = (first: number, ...entries: Buffer[]): KeySource => {
    const bytes = Buffer.concat(entries);
    return { first, format: slotFormat('block', 64), length: bytes.length, entries: () => bytes, longList: () => Buffer.alloc(0) };
  };
  const noTurn = (): Promise<void> => Promise.resolve();
  const range = { first: 1, count: 128 };

  test('keeps keys of the same hash apart, in the same order whatever order they came in', async () => {
    const expected = Buffer.concat([entry(5, 'a', [1, 65]), entry(5, 'b', [0, 66]), entry(0xffffffff, 'c', [67])]);
    for (const [first, second] of [
      [source(1, entry(5, 'a', [1]), entry(5, 'b', [0])), source(65, entry(0xffffffff, 'c', [3]), entry(5, 'b', [2]), entry(5, 'a', [1]))],
      [source(1, entry(5, 'b', [0]), entry(5, 'a', [1])), source(65, entry(5, 'a', [1]), entry(5, 'b', [2]), entry(0xffffffff, 'c', [3]))],
    ] as const) {
      const table = (await mergeKeys([first, second], range, noTurn))!;
      expect(table.bytes.subarray(0, table.length)).toEqual(expected);
    }
  });

  test('is not done when it would take too much memory', async () => {
    const many = Array.from({ length: 600 }, (_, i) => entry(Math.floor((i * 2 ** 32) / 600), String(i).padEnd(60_000), [1]));
    expect(await mergeKeys([source(1, ...many)], range, noTurn)).toBeUndefined();
  });

  test('of no keys at all gives an empty table', async () => {
    expect((await mergeKeys([source(1), source(65)], range, noTurn))!.length).toBe(0);
  });
});

describe('verifying files of keys', () => {
  test('finds nothing wrong with sound ones, nor with missing ones', async () => {
    const ledger = someLedger();
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    expect(await damagedOf(disk, ledger)).toEqual([]);
    disk.files.delete(keysPath(0, 3));
    expect(await damagedOf(disk, ledger)).toEqual([]);
  });

  test('names what is damaged, lies, or speaks of positions that there are not, and what it should hold', async () => {
    const ledger = someLedger();
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    const bytes = right.get(keysPath(0, 3))!;
    for (let i = 0; i < bytes.length; i += 311) {
      const damaged = Buffer.from(bytes);
      damaged[i]! ^= 1;
      disk.files.set(keysPath(0, 3), damaged);
      expect(await damagedOf(disk, ledger)).toMatchObject([{ name: '0000000000-0000000003.keys', first: 1, expected: bytes }]);
    }
    const wrong = someLedger();
    const { unread } = wrong.frames[0]!;
    wrong.frames[0] = { ...wrong.frames[0]!, unread: { ...unread, keys: (offset) => ({ ...unread.keys(offset), type: 'Wrong' }) } };
    const other = new MapDisk();
    await sealedOn(other, wrong);
    disk.files.set(keysPath(0, 3), other.files.get(keysPath(0, 3))!);
    disk.files.set(keysPath(4, 7), right.get(keysPath(4, 7))!.subarray(0, 50));
    disk.files.set(keysPath(20, 23), right.get(keysPath(4, 7))!);
    expect((await damagedOf(disk, ledger)).map(({ name, first, reason }) => `${name} ${first}: ${reason}`)).toEqual([
      '0000000000-0000000003.keys 1: The block does not say what the ledger says.',
      `0000000004-0000000007.keys ${groupSize + 1}: The block is not an index block.`,
      `0000000020-0000000023.keys ${5 * groupSize + 1}: The block is about positions that the ledger does not hold.`,
    ]);
  });
});
