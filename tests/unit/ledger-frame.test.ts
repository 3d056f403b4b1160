import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PreparedEvent } from '../../src/core/event.js';
import { headLength, marker } from '../../src/ledger/format.js';
import { decodeCondition, decodeHead, draftFrame, isFrameIntact, newerVersionAt, placeFrame } from '../../src/ledger/frame.js';
import { decodeEvent, decodeKeys, decodeRecords, isRecord, recordEnd } from '../../src/ledger/record.js';

const ledgerId = Buffer.from('0123456789abcdef');
const place = { writtenAt: 4096, first: 7, time: 1_700_000_000_000, ledgerId, previous: 0xdeadbeef, base: { position: 6, checksum: 0xcafe } };

function event(values: Partial<PreparedEvent> = {}): PreparedEvent {
  return { type: 'Enrolled', tags: ['course:c1', 'student:s1'], id: 'id-1', data: { seat: 3 }, metadata: {}, timestamp: '2026-01-31T12:00:00.000Z', ownId: true, ...values };
}

describe('a frame', () => {
  test('gives back its place, its condition and its events', () => {
    const events = [event(), event({ id: 'id-2', data: 'text', metadata: { by: 'me' }, tags: [] })];
    const condition = { failIfEventsMatch: { items: [{ types: ['Enrolled'], tags: ['course:c1'] }] }, after: 6 };
    const draft = draftFrame(events, condition);
    const checksum = placeFrame(draft, place);

    const head = decodeHead(draft.bytes, 0)!;
    expect(head).toEqual({ ...place, count: 2, bodyLength: draft.bytes.length - headLength, conditionLength: JSON.stringify(condition).length, checksum });
    expect(isFrameIntact(draft.bytes, 0, head)).toBe(true);
    expect(decodeCondition(draft.bytes, 0, head)).toEqual(condition);
    events.forEach(({ ownId: _, ...expected }, i) => {
      const offset = draft.records[i]!;
      expect(isRecord(draft.bytes, offset, draft.records[i + 1]!, 7 + i)).toBe(true);
      expect(decodeEvent(draft.bytes, offset, 7 + i)).toEqual({ ...expected, position: 7 + i });
      expect(decodeKeys(draft.bytes, offset)).toEqual({ type: expected.type, tags: expected.tags, id: expected.id });
      expect(recordEnd(draft.bytes, offset)).toBe(draft.records[i + 1]);
    });
  });

  test('gives the same events together as one by one, whatever lies between them and in whatever order', () => {
    const frames = [1, 3, 200, 1, 1].map((count, f) =>
      draftFrame(
        Array.from({ length: count }, (_, i) => event({ id: `id-${f}-${i}`, data: { text: i % 7 === 0 ? 'ein Schlüssel ⚿' : 'key' } })),
        f % 2 === 0 ? undefined : { failIfEventsMatch: { items: [{ tags: ['x'.repeat(f * 90)] }] } },
      ),
    );
    const bytes = Buffer.concat(frames.map((draft) => draft.bytes));
    let end = 0;
    const offsets = frames.flatMap((draft) => {
      const start = end;
      end += draft.bytes.length;
      return Array.from(draft.records.subarray(0, -1), (record) => start + record);
    });
    const gaps = offsets.slice(1).map((offset, i) => offset - recordEnd(bytes, offsets[i]!));
    expect([Math.min(...gaps), Math.max(...gaps) > 256, gaps.some((gap) => gap > 0 && gap < 256)]).toEqual([0, true, true]);

    for (const order of [offsets, [...offsets].reverse(), offsets.filter((_, i) => i % 2 === 0)]) {
      const oneByOne = order.map((offset, i) => decodeEvent(bytes, offset, 7 + i));
      const together: unknown[] = [];
      decodeRecords(Buffer.from(bytes), order, (i) => 7 + i, (decoded) => together.push(decoded));
      expect(together).toEqual(oneByOne);
    }
  });

  test('can be placed again, elsewhere', () => {
    const draft = draftFrame([event()], undefined);
    placeFrame(draft, place);
    placeFrame(draft, { ...place, writtenAt: 9, first: 50, previous: 1 });
    const head = decodeHead(draft.bytes, 0)!;
    expect(head).toMatchObject({ writtenAt: 9, first: 50, previous: 1 });
    expect(isFrameIntact(draft.bytes, 0, head)).toBe(true);
    expect(isRecord(draft.bytes, draft.records[0]!, draft.records[1]!, 50)).toBe(true);
    expect(isRecord(draft.bytes, draft.records[0]!, draft.records[1]!, 7)).toBe(false);
  });

  test('is no longer intact when any one of its bytes is another', () => {
    const { bytes } = draftOf(event());
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i] = damaged[i]! ^ 0x40;
      const head = decodeHead(damaged, 0);
      const end = head ? headLength + head.bodyLength : 0;
      expect(head !== undefined && end === damaged.length && isFrameIntact(damaged, 0, head), `byte ${i}`).toBe(false);
    }
  });

  test('of a newer version is recognised by the parts that every version keeps', () => {
    const { bytes } = draftOf(event());
    expect(newerVersionAt(bytes, 0)).toBeUndefined();
    const newer = Buffer.from(bytes);
    newer[15] = 2;
    expect(newerVersionAt(newer, 0), 'a flipped bit is not a version').toBeUndefined();
  });
});

describe('the marker', () => {
  const hostile = fc.oneof(
    fc.constant(Buffer.alloc(8, 0xc1).readDoubleBE(0)),
    fc.constant(Buffer.alloc(8, 0xc1).readDoubleLE(0)),
    fc.constant(0xc1c1c1c1),
    fc.constant(-0x3e3e3e3f),
    fc.constant(marker.toString('latin1')),
    fc.constant('\u00c1'.repeat(20)),
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
  );
  const text = fc.oneof(fc.constant(marker.toString('latin1')), fc.string({ unit: 'binary', minLength: 1 }));

  // Goal: data can never look like the beginning of a frame, so the search for frames cannot be led astray.
  // Method: encode events full of 0xC1 bytes in every form that JSON has, at positions and offsets full of them, and search.
  test('never occurs within a frame but at its beginning', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ type: text, tags: fc.array(text, { maxLength: 4 }), id: text, data: fc.array(hostile) }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0, 1, 0xc1c1c1c1c1c1, 0x00c1c1c1c1c1c1),
        (values, number) => {
          const draft = draftFrame(values.map((value) => event(value)), { failIfEventsMatch: 'all', after: number });
          const all = 0xc1c1c1c1;
          placeFrame(draft, { ...place, writtenAt: number, first: number, previous: all, base: { position: number, checksum: all }, ledgerId: Buffer.alloc(16, 0xc1) });
          expect(draft.bytes.indexOf(marker)).toBe(0);
          expect(draft.bytes.indexOf(marker, 1)).toBe(-1);
          expect(draft.bytes.indexOf(Buffer.alloc(12, 0xc1), headLength - 8)).toBe(-1);
        },
      ),
      { numRuns: 500 },
    );
  });
});

function draftOf(...events: PreparedEvent[]): { bytes: Buffer } {
  const draft = draftFrame(events, { failIfEventsMatch: 'all', after: 3 });
  placeFrame(draft, place);
  return draft;
}
