import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../src/disk/random.js';
import { addToFilter, bucketOf, hashText, mayHold } from '../../src/indexing/hash.js';
import { afterAll, allOf, anyOf, beforeAll, BitMatches, everySlot, ListedMatches, StoredMatches, WideMatches, type Matches } from '../../src/indexing/matches.js';
import { decodeSlots, encodeSlots, inlineMatches, pageMatches, slotFormat, writeSlots } from '../../src/indexing/slots.js';
import { writeWhole } from '../../src/indexing/write-block.js';
import { OpenFiles } from '../../src/indexing/open-files.js';
import { PageCache } from '../../src/indexing/page-cache.js';
import { MapDisk, systemError } from '../support/indexing.js';

describe('the hash of the stored format', () => {
  // The first ones are the published test vectors of MurmurHash3_x86_32, whose bytes these code units are.
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['\u4321\u8765', 0, 0xf55b516b],
    ['\u4321\u8765', 0x5082edee, 0x2362f9de],
    ['\u4321', 0, 0xa0f7b07a],
    ['\u0000\u0000', 0, 0x2362f9de],
    ['\u0000', 0, 0x30f4c306],
    ['CourseDefined', 1, 2477785317],
    ['course:c1', 2, 1277268442],
    ['😀', 3, 1950834187],
  ])('of %j with seed %d never changes', (text, seed, expected) => {
    expect(hashText(text, seed)).toBe(expected);
  });

  test('falls into every bucket, and never beside them', () => {
    expect([0, 0x3fffffff, 0x40000000, 0xffffffff].map((hash) => bucketOf(hash, 4))).toEqual([0, 0, 1, 3]);
    expect(bucketOf(0xffffffff, 1)).toBe(0);
    expect(bucketOf(0xffffffff, 2 ** 20)).toBe(2 ** 20 - 1);
  });
});

describe('a filter', () => {
  test('knows all that was added, and little else', () => {
    const filter = new Uint8Array(8192);
    for (let i = 0; i < 4096; i++) addToFilter(filter, hashText(`id-${i}`, 3));
    let wrong = 0;
    for (let i = 0; i < 4096; i++) expect(mayHold(filter, hashText(`id-${i}`, 3))).toBe(true);
    for (let i = 0; i < 20_000; i++) if (mayHold(filter, hashText(`other-${i}`, 3))) wrong++;
    expect(wrong).toBeLessThan(60);
  });

  test('may be as small as eight bytes', () => {
    const filter = new Uint8Array(8);
    expect(mayHold(filter, 0xffffffff)).toBe(false);
    addToFilter(filter, 0xffffffff);
    expect(mayHold(filter, 0xffffffff)).toBe(true);
  });
});

/** A set of slots in all forms, and as the plain list that says what is right. */
const slotSets = fc.uniqueArray(fc.nat(40), { maxLength: 30 }).map((slots) => slots.sort((a, b) => a - b));

function stored(slots: readonly number[]): StoredMatches {
  const bytes = Buffer.alloc(4 + slots.length * 2);
  slots.forEach((slot, i) => bytes.writeUInt16LE(slot, 4 + i * 2));
  return new StoredMatches(bytes, 4, slots.length);
}

function wide(slots: readonly number[]): WideMatches {
  const bytes = Buffer.alloc(3 + slots.length * 4);
  writeSlots(bytes, 3, slots, slotFormat('keys', 2 ** 20));
  return new WideMatches(bytes, 3, slots.length);
}

function asBits(slots: readonly number[]): BitMatches {
  const bits = Buffer.alloc(6);
  for (const slot of slots) bits[slot >> 3]! |= 1 << (slot & 7);
  return new BitMatches(bits);
}

function expectSeeks(matches: Matches, right: readonly number[], seeks: readonly number[]): void {
  for (const slot of seeks) {
    expect(matches.atOrAfter(slot), `at or after ${slot} in ${right}`).toBe(right.find((one) => one >= slot) ?? afterAll);
    expect(matches.atOrBefore(slot), `at or before ${slot} in ${right}`).toBe(right.findLast((one) => one <= slot) ?? beforeAll);
  }
}

describe('matches', () => {
  const seeks = fc.array(fc.nat(42), { maxLength: 12 });

  test('are found from wherever the last search ended', () => {
    fc.assert(
      fc.property(slotSets, seeks, (slots, wanted) => {
        expectSeeks(new ListedMatches(slots), slots, wanted);
        expectSeeks(stored(slots), slots, wanted);
        expectSeeks(wide(slots), slots, wanted);
        expectSeeks(asBits(slots), slots, wanted);
      }),
    );
  });

  test('of any and of all are unions and intersections', () => {
    fc.assert(
      fc.property(fc.array(slotSets, { minLength: 1, maxLength: 4 }), seeks, (sets, wanted) => {
        const all = Array.from({ length: 41 }, (_, slot) => slot);
        const forms = (): Matches[] => sets.map((slots, i) => [asBits, stored, wide, (listed: number[]) => new ListedMatches(listed)][i]!(slots));
        expectSeeks(anyOf(forms()), all.filter((slot) => sets.some((slots) => slots.includes(slot))), wanted);
        expectSeeks(allOf(forms()), all.filter((slot) => sets.every((slots) => slots.includes(slot))), wanted);
        expectSeeks(allOf([anyOf(forms()), ...forms(), everySlot]), all.filter((slot) => sets.every((slots) => slots.includes(slot))), wanted);
      }),
    );
  });

  test('stay right while their list shrinks and grows at its end', () => {
    const slots = [1, 5, 9, 20, 30];
    const matches = new ListedMatches(slots);
    expect(matches.atOrAfter(25)).toBe(30);
    slots.length = 2;
    expect(matches.atOrAfter(2)).toBe(5);
    expect(matches.atOrBefore(40)).toBe(5);
    slots.push(50);
    expect(matches.atOrAfter(6)).toBe(50);
  });
});

describe('slots of a key', () => {
  test.each([
    ['block', 4096],
    ['keys', 65_536],
    ['keys', 65_600],
    ['keys', 1_048_576],
  ] as const)('in a %s of %i events are what was written, as a list and as bits, and so from another base', (kind, count) => {
    const format = slotFormat(kind, count);
    for (const step of [1, 3, 17, 40, 1000]) {
      const slots = Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
      const page = encodeSlots(slots, format);
      expect(page.length).toBe(Math.min(slots.length * format.bytes, format.bitBytes));
      const decoded = new Uint32Array(slots.length + 2);
      expect(decodeSlots(page, format, 5, decoded, 2)).toBe(slots.length + 2);
      expect(Buffer.compare(Buffer.from(decoded.subarray(2).buffer, 8), Buffer.from(Uint32Array.from(slots, (slot) => slot + 5).buffer))).toBe(0);
      const matches = pageMatches(page, slots.length > 0xffff ? 0 : slots.length, format);
      expectSeeks(matches, slots.slice(0, 4), [0, step]);
      expect(matches.atOrBefore(count - 1)).toBe(slots.at(-1));
    }
  });

  test('that cannot be are refused', () => {
    const format = slotFormat('keys', 65_600);
    for (const [length, claimed] of [[399, 0], [402, 100], [400, 101], [0, 0]] as const) expect(() => pageMatches(Buffer.alloc(length), claimed, format)).toThrow(/impossible/);
    expect(() => inlineMatches(Buffer.alloc(20), 10, 3, format)).toThrow(/impossible/);
  });
});

describe('open files', () => {
  function filesOn(disk: MapDisk, max: number): OpenFiles {
    disk.makeDirectory();
    for (let i = 0; i < 10; i++) disk.createFile(`f${i}`, Buffer.from([i]));
    return new OpenFiles(disk.port, max);
  }

  test.each([false, true])('are bounded, and never closed while they are read (slow disk: %s)', async (isSlow) => {
    const disk = new MapDisk();
    const files = filesOn(disk, 3);
    disk.isSlow = isSlow;
    const targets = Array.from({ length: 40 }, () => Buffer.alloc(1));
    await Promise.all(targets.map((target, i) => files.read(`f${i % 10}`, target, 0)));
    expect(targets.map((target) => target[0])).toEqual(targets.map((_, i) => i % 10));
    expect(disk.openCount).toBe(3);
    expect(files.count).toBe(3);
    const late = files.read('f1', targets[0]!, 0);
    files.close();
    await late;
    await new Promise((resolve) => setImmediate(resolve));
    expect(disk.openCount).toBe(0);
  });

  test('make way when the process has too many', async () => {
    const disk = new MapDisk();
    const files = filesOn(disk, 5);
    disk.before = (verb) => {
      if (verb === 'open' && disk.openCount === 2) throw systemError('EMFILE');
    };
    const target = Buffer.alloc(1);
    for (let i = 0; i < 10; i++) {
      await files.read(`f${i}`, target, 0);
      expect(target[0]).toBe(i);
    }
    expect(disk.openCountMax).toBe(2);
  });

  test('pass on what is wrong with a file', async () => {
    const disk = new MapDisk();
    const files = filesOn(disk, 5);
    expect(() => files.read('absent', Buffer.alloc(1), 0)).toThrow('ENOENT');
    disk.before = (verb) => {
      if (verb === 'read') throw systemError('EIO');
    };
    expect(() => files.read('f1', Buffer.alloc(1), 0)).toThrow('EIO');
    files.close();
    expect(disk.openCount).toBe(0);
  });

  test('are those of the replaced file no more once it was forgotten', async () => {
    const disk = new MapDisk();
    const files = filesOn(disk, 5);
    const target = Buffer.alloc(1);
    await files.read('f1', target, 0);
    files.forget('f1');
    disk.files.set('f1', Buffer.from([77]));
    await files.read('f1', target, 0);
    expect(target[0]).toBe(77);
  });
});

describe('the page cache', () => {
  test('holds no more than it may, keeps what is used, and tells owners what it dropped', () => {
    const cache = new PageCache(10_000);
    const held = new Set<number>();
    const owner = { dropPage: (page: number) => void held.delete(page) };
    const favourite = cache.add(owner, 0, Buffer.alloc(800));
    held.add(0);
    for (let page = 1; page < 100; page++) {
      favourite.used = true;
      held.add(page);
      cache.add(owner, page, Buffer.alloc(800));
      expect(cache.bytes).toBeLessThanOrEqual(10_000);
    }
    expect(held.has(0)).toBe(true);
    expect(held.has(99)).toBe(true);
    expect(held.size).toBe(10);
    cache.remove(favourite);
    expect(cache.bytes).toBe(9_000);
  });
});

test('a large file is written in pieces, and others get their turn between them', async () => {
  const disk = new MapDisk();
  disk.makeDirectory();
  const bytes = Buffer.from(Uint8Array.from({ length: 2_500_000 }, (_, i) => i % 251));
  let turns = 0;
  const yieldTurn = async (): Promise<void> => void turns++;
  await writeWhole('/index/large', bytes, { disk: disk.port, random: systemRandom, yieldTurn }, () => undefined);
  expect([...disk.files.keys()]).toEqual(['/index/large']);
  expect(disk.files.get('/index/large')!.equals(bytes)).toBe(true);
  expect(turns).toBe(2);
  expect(disk.openCount).toBe(0);
});
