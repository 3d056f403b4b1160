/*
 * Goal: files that hold the types and tags of several blocks make queries shorter and never change an answer. Method: groups
 * of four small blocks beside a filter over all events, with files damaged, missing, foreign or not to be written.
 */
import { describe, expect, test } from 'vitest';
import type { Query } from '../../src/core/query.js';
import type { EventIndex, EventIndexOptions } from '../../src/indexing/event-index.js';
import { mergeKeys, type KeySource } from '../../src/indexing/merge-keys.js';
import { runToEnd } from '../../src/indexing/steps.js';
import { verifyBlocks, type DamagedBlock } from '../../src/indexing/verify-blocks.js';
import { blockPath, FrameList, keysPath, MapDisk, openIndex, positionsOf, testBlockSize, testLedgerId, type Keys } from '../support/indexing.js';

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

const open = (ledger: FrameList, disk: MapDisk, options: Partial<EventIndexOptions> = {}): Promise<EventIndex> => openIndex(ledger, disk.port, { blocksPerGroup, ...options });

async function sealedOn(disk: MapDisk, ledger: FrameList): Promise<void> {
  const index = await open(ledger, disk);
  await index.seal(ledger.last);
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

const keysOn = ({ files }: MapDisk): string[] => [...files.keys()].filter((name) => name.endsWith('.keys')).sort();

describe('a file of keys', () => {
  test('is made of each full group of blocks, and asked instead of them', async () => {
    const ledger = someLedger();
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    expect(keysOn(disk)).toEqual([keysPath(0), keysPath(1)]);
    const index = await open(ledger, disk);
    const asked: string[] = [];
    disk.before = (verb, path) => void (verb === 'open' && asked.push(path));
    expect(await positionsOf(index, byTag('n:300'))).toEqual([301]);
    // Of a block only where it ends, to see that the file was made of it.
    expect(asked).toEqual([keysPath(0), blockPath(3), keysPath(1), blockPath(7)]);
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
    for (const { point } of ledger.frames) await index.seal(point.position);
    expect([...other.files].sort()).toEqual([...one.files].sort());
    other.before = (verb) => {
      if (['createFile', 'rename', 'removeFile'].includes(verb)) throw new Error(`${verb} was called`);
    };
    await rival.seal(ledger.last);
    await expectRight(rival, ledger);
    const late = await open(ledger, other);
    await late.seal(ledger.last);
    await expectRight(late, ledger);
  });

  test('of which any byte is another changes no answer, and is made again with the next block', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    const file = right.get(keysPath(0))!;
    for (let i = 0; i < file.length; i += 7) {
      const damaged = Buffer.from(file);
      damaged[i]! ^= 0x10;
      disk.files.set(keysPath(0), damaged);
      const index = await open(ledger, disk);
      for (const query of queries) expect(await positionsOf(index, query)).toEqual(ledger.matching(query));
      index.close();
    }
    const index = await open(ledger, disk);
    for (const query of queries) await positionsOf(index, query);
    ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(ledger.frames.at(-1)!.point, ledger.frames.at(-1)!.events);
    await index.seal(ledger.last);
    expect(disk.files.get(keysPath(0))!.equals(file)).toBe(true);
    await expectRight(index, ledger);
  });

  test('that was made of other blocks is not believed', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = disk.files.get(keysPath(0))!;
    // As after a backup was put back and written on: the same ledger, and other events at the same positions.
    const elsewhere = new FrameList();
    for (const { events } of ledger.frames) elsewhere.append(events.map(() => ({ type: 'Elsewhere', tags: ['often'] })));
    elsewhere.frames.forEach((frame, i) => elsewhere.frames.splice(i, 1, { ...frame, point: { ...frame.point, checksum: i } }));
    const other = new MapDisk();
    await sealedOn(other, elsewhere);
    disk.files.set(keysPath(0), other.files.get(keysPath(0))!);
    const index = await open(ledger, disk);
    await expectRight(index, ledger);
    ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(ledger.frames.at(-1)!.point, ledger.frames.at(-1)!.events);
    await index.seal(ledger.last);
    expect(disk.files.get(keysPath(0))!.equals(right)).toBe(true);
    await expectRight(index, ledger);
  });

  test('that is missing is made with the next block, and a lost block of the group again with it', async () => {
    const ledger = someLedger(groupSize + 70);
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    disk.files.delete(keysPath(0));
    disk.files.delete(blockPath(1));
    const index = await open(ledger, disk);
    ledger.append(someEvents(testBlockSize, ledger.last));
    index.addFrame(ledger.frames.at(-1)!.point, ledger.frames.at(-1)!.events);
    await index.seal(ledger.last);
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
    await index.seal(ledger.last);
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

  test('holds a key that every event of a full group has', async () => {
    const ledger = new FrameList();
    for (let i = 0; i < 17; i++) ledger.append(Array.from({ length: 4096 }, (_, n) => ({ type: 'Same', tags: n === 4095 ? ['last'] : [] })));
    const disk = new MapDisk();
    const options = { blockSize: 4096, blocksPerGroup: 16 };
    const index = await open(ledger, disk, options);
    await index.seal(ledger.last);
    expect(keysOn(disk)).toEqual([keysPath(0)]);
    const again = await open(ledger, disk, options);
    const same: Query = { items: [{ types: ['Same'] }] };
    expect((await positionsOf(again, same)).every((position, i) => position === i + 1)).toBe(true);
    expect(await positionsOf(again, same, { upTo: 65_536, backwards: true })).toHaveLength(65_536);
    expect(await positionsOf(again, byTag('last'))).toEqual(ledger.matching(byTag('last')));
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
  const source = (...entries: Buffer[]): KeySource => ({ bytes: Buffer.concat(entries), longList: () => [] });

  test('keeps keys of the same hash apart, in the same order whatever order they came in', () => {
    const expected = Buffer.concat([entry(5, 'a', [1, 65]), entry(5, 'b', [0, 66]), entry(0xffffffff, 'c', [67])]);
    for (const [first, second] of [
      [source(entry(5, 'a', [1]), entry(5, 'b', [0])), source(entry(0xffffffff, 'c', [3]), entry(5, 'b', [2]), entry(5, 'a', [1]))],
      [source(entry(5, 'b', [0]), entry(5, 'a', [1])), source(entry(5, 'a', [1]), entry(5, 'b', [2]), entry(0xffffffff, 'c', [3]))],
    ] as const) {
      const table = runToEnd(mergeKeys([first, second], 64))!;
      expect(table.bytes.subarray(0, table.length)).toEqual(expected);
    }
  });

  test('is not done when it would take too much memory', () => {
    const one = entry(1, 'a', [1]);
    const most = source(Buffer.alloc(one.length * 2 ** 15, one));
    expect(runToEnd(mergeKeys(Array<KeySource>(17).fill(most), 64))).toBeUndefined();
  });

  test('of no keys at all gives an empty table', () => {
    expect(runToEnd(mergeKeys([source(), source()], 64))!.length).toBe(0);
  });
});

describe('verifying files of keys', () => {
  async function damagedOf(disk: MapDisk, ledger: FrameList): Promise<DamagedBlock[]> {
    const verifier = await verifyBlocks({ disk: disk.port, directory: '/index', ledgerId: testLedgerId, blockSize: testBlockSize, blocksPerGroup });
    return [...ledger.frames.flatMap(({ point, events }) => verifier.check(point, events)), ...verifier.finish()];
  }

  test('finds nothing wrong with sound ones, nor with missing ones', async () => {
    const ledger = someLedger();
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    expect(await damagedOf(disk, ledger)).toEqual([]);
    disk.files.delete(keysPath(0));
    expect(await damagedOf(disk, ledger)).toEqual([]);
  });

  test('names what is damaged, lies, or speaks of positions that there are not, and what it should hold', async () => {
    const ledger = someLedger();
    const disk = new MapDisk();
    await sealedOn(disk, ledger);
    const right = new Map(disk.files);
    const bytes = right.get(keysPath(0))!;
    for (let i = 0; i < bytes.length; i += 311) {
      const damaged = Buffer.from(bytes);
      damaged[i]! ^= 1;
      disk.files.set(keysPath(0), damaged);
      expect(await damagedOf(disk, ledger)).toMatchObject([{ name: '0000000000.keys', first: 1, expected: bytes }]);
    }
    const wrong = someLedger();
    const { unread } = wrong.frames[0]!;
    wrong.frames[0] = { ...wrong.frames[0]!, unread: { ...unread, keys: (offset) => ({ ...unread.keys(offset), type: 'Wrong' }) } };
    const other = new MapDisk();
    await sealedOn(other, wrong);
    disk.files.set(keysPath(0), other.files.get(keysPath(0))!);
    disk.files.set(keysPath(1), right.get(keysPath(1))!.subarray(0, 50));
    disk.files.set(keysPath(5), right.get(keysPath(1))!);
    expect((await damagedOf(disk, ledger)).map(({ name, first, reason }) => `${name} ${first}: ${reason}`)).toEqual([
      '0000000000.keys 1: The block does not say what the ledger says.',
      `0000000001.keys ${groupSize + 1}: The block is not an index block.`,
      `0000000005.keys ${5 * groupSize + 1}: The block is about positions that the ledger does not hold.`,
    ]);
  });
});
