/*
 * Goal: events whose frames were found and not read are found by every type and tag that they have, and by no other.
 * Method: random frames in shared pieces of bytes, whose texts look like one another and like parts of JSON, spelled as JSON allows or
 *   as we spell it; questions in between, events of our own, and events that are taken back. A segment that reads all at once tells.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChainPoint, IndexedEvent } from '../../src/core/stored.js';
import { IndexKey, keyKind, type KeyKind } from '../../src/indexing/index-key.js';
import { MemorySegment } from '../../src/indexing/memory-segment.js';
import { headLength } from '../../src/ledger/format.js';
import type { FrameHead } from '../../src/ledger/frame.js';
import type { FoundFrame } from '../../src/ledger/frame-scan.js';
import { indexedEvents, unreadFrame } from '../../src/ledger/scan-chain.js';

const pieces = ['a', 'b', '"', '\\', '/', 'u0061', 'é', '\u0301', '💥', '\n', '\u001b', '\0', ',', '[', ']', '","', 'A'];
const text = fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
const event = fc.record({ type: text, id: text, tags: fc.array(text, { maxLength: 3 }), data: fc.oneof(text, fc.record({ type: text, tags: fc.array(text, { maxLength: 2 }) })) });
const frame = fc.record({ events: fc.array(event, { minLength: 1, maxLength: 5 }), condition: fc.option(text, { nil: undefined }), isRespelled: fc.boolean() });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('found' as const), frames: fc.array(frame, { minLength: 1, maxLength: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), key: text }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('own' as const), event }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('takeBack' as const), count: fc.nat(6) }) },
);

/** Now and then a character is escaped that need not be, or in another way. */
function respelled(json: string): string {
  let count = 0;
  return json.replace(/\\u([0-9a-f]{4})|\\(.)|[^"\\[\],{}:]/gu, (found, digits: string | undefined, escaped: string | undefined) => {
    if (++count % 3 !== 0) return found;
    if (digits) return `\\u${digits.toUpperCase()}`;
    if (found === '/') return '\\/';
    const plain = escaped ? (JSON.parse(`"${found}"`) as string) : found;
    return Array.from({ length: plain.length }, (_, i) => `\\u${plain.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');
  });
}

type Frame = typeof frame extends fc.Arbitrary<infer T> ? T : never;

function encodeRecord({ type, id, tags, data }: Frame['events'][number], spell: (json: string) => string): Buffer {
  const keys = Buffer.from(spell(JSON.stringify([type, id, tags])).slice(0, -1));
  const content = Buffer.from(`,${spell(JSON.stringify(['now', {}, data])).slice(1)}`);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(keys.length, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, keys, content]);
}

/** Frames one behind the other in the same bytes; of their heads only what is looked at. */
function foundFrames(frames: readonly Frame[], first: number): FoundFrame[] {
  const encoded = frames.map(({ events, condition, isRespelled }) => {
    const conditionBytes = Buffer.from(condition === undefined ? '' : JSON.stringify({ failIfEventsMatch: { items: [{ tags: [condition] }] } }));
    const records = events.map((one) => encodeRecord(one, isRespelled ? respelled : (json) => json));
    return { conditionLength: conditionBytes.length, count: events.length, bytes: Buffer.concat([Buffer.alloc(headLength), conditionBytes, ...records]) };
  });
  const bytes = Buffer.concat(encoded.map((one) => one.bytes));
  let start = 0;
  return encoded.map(({ conditionLength, count, bytes: { length } }) => {
    const found = { head: { first, count, conditionLength, checksum: first } as FrameHead, offset: start, end: start + length, bytes, start };
    first += count;
    start += length;
    return found;
  });
}

const pointOf = ({ head, offset }: FoundFrame): ChainPoint => ({ position: head.first + head.count - 1, offset, checksum: head.checksum });

function slotsOf(segment: MemorySegment, key: string, kind: KeyKind): number[] {
  const matches = segment.matches(new IndexKey(kind, key));
  const slots: number[] = [];
  for (let slot = matches?.atOrAfter(0) ?? Infinity; slot < segment.count; slot = matches!.atOrAfter(slot + 1)) slots.push(slot);
  return slots;
}

test('frames that were not read answer as those that were', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 12 }), (steps) => {
      const size = 4096;
      const [unread, read] = [new MemorySegment(1, size), new MemorySegment(1, size)];
      const asked = (key: string): void => {
        for (const kind of [keyKind.type, keyKind.tag]) expect(slotsOf(unread, key, kind)).toEqual(slotsOf(read, key, kind));
      };
      for (const next of steps) {
        if (next.kind === 'ask') asked(next.key);
        if (next.kind === 'takeBack') for (const segment of [unread, read]) segment.truncate(Math.max(0, read.count - next.count));
        if (next.kind === 'own') {
          const own: IndexedEvent = { ...next.event, position: read.count + 1, offset: 0, length: 1 };
          for (const segment of [unread, read]) segment.add(own, { position: own.position, offset: 0, checksum: 0 });
        }
        if (next.kind !== 'found') continue;
        for (const found of foundFrames(next.frames, read.count + 1)) {
          unread.addUnread(unreadFrame(found), 0, found.head.count, pointOf(found));
          for (const one of indexedEvents(found)) read.add(one, pointOf(found));
        }
      }
      // Of what is there, and of what only seems to be.
      for (const key of [...read.types.keys(), ...read.tags.keys()].slice(-5)) asked(key);
      expect(unread.ids).toEqual(read.ids);
    }),
    { seed: Number(process.env['SEED'] ?? 1), numRuns: Number(process.env['RUNS'] ?? 1000) },
  );
});
