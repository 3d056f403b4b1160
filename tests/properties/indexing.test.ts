/*
 * Goal: whatever happens to index files, and however blocks move from memory to files, the index answers as a filter over
 * all events does. Method: random histories of frames, of taking back, sealing, opening again and damage; after every
 * step random questions, in both directions and in portions of any size, beside the filter.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Query } from '../../src/core/query.js';
import type { EventIndex } from '../../src/indexing/event-index.js';
import { FrameList, MapDisk, openIndex, seal, type Keys } from '../support/indexing.js';

const texts = ['a', 'A', '\u00e9', 'e\u0301', 'a/b', '..', 'a\0', '\0', `${'x'.repeat(1023)}y`, `${'x'.repeat(1023)}z`, '😀', '__proto__', 'course:1', 'course:2'];
/** The first ones are frequent, so that lists of all lengths come about. */
const text = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'A') }, { weight: 2, arbitrary: fc.constantFrom(...texts) });
const keys: fc.Arbitrary<Keys> = fc.record({ type: text, tags: fc.uniqueArray(text, { maxLength: 4 }) });
const frame = fc.oneof(
  { weight: 4, arbitrary: fc.array(keys, { minLength: 1, maxLength: 6 }) },
  { weight: 3, arbitrary: fc.tuple(fc.array(keys, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 200 })).map(([some, count]) => Array.from({ length: count }, (_, i) => some[i % some.length]!)) },
);

const item = fc.oneof(
  fc.record({ types: fc.uniqueArray(text, { minLength: 1, maxLength: 3 }) }),
  fc.record({ tags: fc.uniqueArray(text, { minLength: 1, maxLength: 3 }) }),
  fc.record({ types: fc.uniqueArray(text, { minLength: 1, maxLength: 3 }), tags: fc.uniqueArray(text, { minLength: 1, maxLength: 2 }) }),
);
const query: fc.Arbitrary<Query> = fc.oneof({ weight: 1, arbitrary: fc.constant('all' as const) }, { weight: 8, arbitrary: fc.record({ items: fc.array(item, { minLength: 1, maxLength: 3 }) }) });
/** Of something whose size is not known yet. */
const share = fc.integer({ min: 0, max: 1000 }).map((thousandths) => thousandths / 1000);
const question = fc.record({ query, from: share, to: share, backwards: fc.boolean(), portion: fc.integer({ min: 1, max: 40 }) });

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), byOthers: fc.boolean(), frames: fc.array(frame, { minLength: 1, maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('takeBack' as const), frames: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('seal' as const), of: fc.oneof(fc.constant(1), share) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sealElsewhere' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), readOnly: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('damage' as const), file: share, at: share, how: fc.constantFrom('flip', 'cut', 'remove', 'swap') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('failWriting' as const), fails: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

type World = { ledger: FrameList; disk: MapDisk; index: EventIndex; durable: number; cacheBytes: number; groupSizes: readonly number[]; ids: number };

async function take(world: World, next: Step): Promise<void> {
  const { ledger, disk, index } = world;
  switch (next.kind) {
    case 'append':
      for (const events of next.frames) {
        const { point, events: indexed, unread } = ledger.append(events.map((one) => ({ ...one, id: `id-${world.ids++}` })));
        if (next.byOthers) index.addUnread(point, unread);
        else index.addFrame(point, indexed);
      }
      return;
    case 'takeBack':
      while (next.frames-- > 0 && ledger.last > world.durable) ledger.frames.pop();
      index.truncate(ledger.last);
      return;
    case 'seal':
      world.durable = Math.max(world.durable, ledger.frames[Math.floor(next.of * (ledger.frames.length - 1))]?.point.position ?? 0);
      return seal(index, world.durable);
    case 'sealElsewhere': {
      const other = await openIndex(ledger, disk.port, { groupSizes: world.groupSizes });
      await seal(other, world.durable);
      return other.close();
    }
    case 'open':
      index.close();
      world.index = await openIndex(ledger, disk.port, { readOnly: next.readOnly, cacheBytes: world.cacheBytes, groupSizes: world.groupSizes });
      return;
    case 'damage':
      return damage(disk, next);
    case 'failWriting':
      disk.before = (verb) => {
        if (next.fails && verb === 'createFile') throw new Error('no space');
      };
  }
}

function damage({ files }: MapDisk, { file, at, how }: Extract<Step, { kind: 'damage' }>): void {
  const names = [...files.keys()].sort();
  const name = names[Math.floor(file * (names.length - 1))];
  if (name === undefined) return;
  const bytes = Buffer.from(files.get(name)!);
  const offset = Math.floor(at * (bytes.length - 1));
  if (how === 'remove') files.delete(name);
  else if (how === 'swap') files.set(name, files.get(names[0]!)!);
  else if (how === 'cut') files.set(name, bytes.subarray(0, offset));
  else {
    bytes[offset]! ^= 0x10;
    files.set(name, bytes);
  }
}

async function ask({ ledger, index }: World, { query, from, to, backwards, portion }: typeof question extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
  const after = Math.floor(from * ledger.last);
  const upTo = Math.floor(to * ledger.last);
  const right = ledger.matching(query, after, upTo);
  expect(await index.firstMatch(query, after, upTo)).toBe(right[0] ?? 0);
  const cursor = index.cursor(query, { after, upTo, backwards });
  const found: number[] = [];
  for (let part = await cursor.next(portion); ; part = await cursor.next(portion)) {
    found.push(...part);
    expect(part.length).toBeLessThanOrEqual(portion);
    if (part.length < portion) break;
  }
  expect(found).toEqual(backwards ? right.reverse() : right);
  expect(await cursor.next(portion)).toEqual([]);
  const some = ledger.events[Math.floor(to * (ledger.last - 1))];
  if (some) expect(await index.candidates(some.id)).toContain(some.position);
}

async function askForAll({ ledger, index }: World): Promise<void> {
  const { events } = ledger;
  expect(index.last).toBe(ledger.last);
  expect(await index.locate(events.map(({ position }) => position))).toEqual(events.map(({ offset, length }) => ({ offset, length })));
  for (const { id, position } of events) {
    const candidates = await index.candidates(id);
    if (!candidates.includes(position)) expect(candidates, id).toContain(position);
  }
  expect(await index.candidates('never')).toEqual([]);
}

test('the index answers as a filter over all events does, whatever happens to its files', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(step, fc.array(question, { maxLength: 4 })), { minLength: 1, maxLength: 20, size: 'max' }),
      fc.constantFrom(1, 3000, 1 << 20),
      fc.constantFrom([1], [2], [3], [16], [1, 2, 4], [2, 4, 8], [2, 6, 12]),
      fc.boolean(),
      async (steps, cacheBytes, groupSizes, isSlow) => {
        const ledger = new FrameList();
        const disk = new MapDisk();
        disk.isSlow = isSlow;
        const world: World = { ledger, disk, index: await openIndex(ledger, disk.port, { cacheBytes, groupSizes }), durable: 0, cacheBytes, groupSizes, ids: 0 };
        for (const [next, questions] of steps) {
          await take(world, { ...next });
          for (const one of questions) await ask(world, one);
        }
        await askForAll(world);
        world.index.close();
        expect(disk.openCount).toBe(0);
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);

test('a cursor goes on where it was while blocks are sealed and others are taken back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 2, maxLength: 8 }), frame, query, fc.boolean(), fc.integer({ min: 1, max: 20 }), async (frames, provisional, wanted, backwards, portion) => {
      const ledger = new FrameList();
      for (const events of frames) ledger.append(events);
      const index = await openIndex(ledger, new MapDisk().port);
      const durable = ledger.last;
      const cursor = index.cursor(wanted, { after: 0, upTo: durable, backwards });
      const right = ledger.matching(wanted);
      const { point, events } = ledger.append(provisional);
      index.addFrame(point, events);
      const found = await cursor.next(portion);
      const sealing = seal(index, durable);
      for (let full = found.length === portion, turn = 0; full; turn++) {
        if (turn === 1) index.truncate(durable);
        const part = await cursor.next(portion);
        found.push(...part);
        full = part.length === portion;
      }
      await sealing;
      expect(found).toEqual(backwards ? right.reverse() : right);
    }),
    { numRuns: 200 },
  );
});
