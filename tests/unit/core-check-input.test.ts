import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkAppendOptions, checkCondition, checkQuery, checkReadOptions, checkSubscribeOptions, prepareEvents } from '../../src/core/check-input.js';
import type { NewEvent } from '../../src/core/event.js';
import { limits } from '../../src/core/limits.js';
import { eventArb } from '../properties/arbitraries.js';

let made = 0;
const defaults = { newId: () => `made-${++made}`, now: () => Date.UTC(2026, 0, 31, 12) };
const prepare = (events: unknown) => prepareEvents(events as NewEvent, defaults);

describe('prepareEvents', () => {
  test('fills in what is absent', () => {
    made = 0;
    expect(prepare({ type: 'A', data: 1 })).toEqual([{ type: 'A', data: 1, tags: [], id: 'made-1', metadata: {}, timestamp: '2026-01-31T12:00:00.000Z', ownId: false }]);
  });

  test('keeps what is given', () => {
    const given = { type: 'A', data: null, tags: ['b', 'a'], id: 'x', metadata: { m: 1 }, timestamp: '2001-01-01T00:00:00Z' };
    expect(prepare([given])).toEqual([{ ...given, ownId: true }]);
  });

  test('asks for an id only where one is missing', () => {
    made = 0;
    prepare([{ type: 'A', data: 1, id: 'own' }, { type: 'B', data: 1 }]);
    expect(made).toBe(1);
  });

  test('reads each field once', () => {
    const asked: string[] = [];
    const event = new Proxy({ type: 'A', data: 1, tags: ['x'], id: 'i', metadata: {}, timestamp: '2001-01-01T00:00:00Z' } as Record<string, unknown>, {
      get(target, key) {
        asked.push(String(key));
        return target[String(key)];
      },
    });
    prepare(event);
    expect(asked.sort()).toEqual(['data', 'id', 'metadata', 'tags', 'timestamp', 'type']);
  });

  test('removes duplicate tags in short and in long lists', () => {
    expect(prepare({ type: 'A', data: 1, tags: ['b', 'a', 'b'] })[0]?.tags).toEqual(['b', 'a']);
    const many = Array.from({ length: 600 }, (_, i) => `t${i % 255}`);
    expect(prepare({ type: 'A', data: 1, tags: many })[0]?.tags).toEqual(many.slice(0, 255));
  });

  test.each(['2026-01-31T12:00:00Z', '2026-01-31T23:59:60Z', '2024-02-29T00:00:00.123456789Z', '0001-01-01T00:00:00.0Z'])('accepts the time stamp %s', (timestamp) => {
    expect(prepare({ type: 'A', data: 1, timestamp })[0]?.timestamp).toBe(timestamp);
  });

  test('measures exactly near the limit of an event', () => {
    const event = { type: 'A', data: '', id: 'x', metadata: {}, timestamp: '2001-01-01T00:00:00Z', tags: [] };
    const room = limits.eventBytes - JSON.stringify(event).length;
    expect(prepare({ ...event, data: 'x'.repeat(room) })).toHaveLength(1);
    expect(() => prepare({ ...event, data: 'x'.repeat(room + 1) })).toThrow(/^events\[0\] takes 16777217 bytes/);
    expect(() => prepare({ ...event, data: `"${'x'.repeat(room - 1)}` })).toThrow(/^events\[0\] takes/);
    expect(() => prepare({ ...event, data: { list: Array.from({ length: 20 }, () => 'x'.repeat(limits.eventBytes / 16)) } })).toThrow(/^events\[0\]/);
  });

  test('measures exactly near the limit of a batch', () => {
    const large = { type: 'A', data: 'x'.repeat(16_000_000), id: '', metadata: {}, timestamp: '2001-01-01T00:00:00Z' };
    const batch = ['a', 'b', 'c', 'd'].map((id) => ({ ...large, id }));
    expect(prepare(batch)).toHaveLength(4);
    expect(() => prepare([...batch, { ...large, id: 'e', data: 'x'.repeat(4_000_000) }])).toThrow(/^events take more than 67108864 bytes/);
  });

  test('random events come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(eventArb, { minLength: 1, maxLength: 5 }), (events) => {
        const prepared = prepareEvents(events, defaults);
        for (const [i, event] of events.entries()) {
          const { data, metadata = {}, tags = [], type } = event;
          expect(prepared[i]).toMatchObject({ type, tags: [...new Set(tags)], metadata });
          expect(JSON.stringify(prepared[i]?.data)).toBe(JSON.stringify(data));
        }
      }),
    );
  });
});

describe('checkCondition and checkQuery', () => {
  test('return copies without duplicates', () => {
    const condition = { failIfEventsMatch: { items: [{ types: ['A', 'B', 'A'], tags: ['x', 'x'] }] }, after: 3 };
    const checked = checkCondition(condition);
    expect(checked).toStrictEqual({ failIfEventsMatch: { items: [{ types: ['A', 'B'], tags: ['x'] }] }, after: 3 });
    condition.failIfEventsMatch.items[0]!.types.push('C');
    expect(checked.failIfEventsMatch).toEqual({ items: [{ types: ['A', 'B'], tags: ['x'] }] });
  });

  test('leave out what is undefined', () => {
    expect(checkCondition({ failIfEventsMatch: 'all', after: undefined } as never)).toStrictEqual({ failIfEventsMatch: 'all' });
    expect(checkQuery({ items: [{ types: ['A'], tags: undefined }] } as never)).toStrictEqual({ items: [{ types: ['A'] }] });
  });

  test('accept a condition near 1 MiB of JSON, and none above it', () => {
    const condition = (tags: string[]) => ({ failIfEventsMatch: { items: [{ tags }] } });
    const tags = Array.from({ length: 1020 }, (_, i) => `${i}`.padStart(1024, 'x'));
    const room = limits.conditionBytes - JSON.stringify(condition([...tags, ''])).length;
    const last = (bytes: number) => [...tags, ...Array.from({ length: Math.ceil(bytes / 1000) }, (_, i) => `${i}`)];
    expect(room).toBeGreaterThan(0);
    expect(() => checkCondition(condition(last(room)))).not.toThrow();
    expect(() => checkCondition(condition([...tags, ...tags.map((tag) => `y${tag.slice(1)}`)]))).toThrow(/^condition takes \d+ bytes as JSON; a condition may take 1048576\.$/);
  });
});

describe('options', () => {
  test('come back as copies', () => {
    const { signal } = new AbortController();
    const onCaughtUp = () => undefined;
    for (const [check, options] of [
      [checkAppendOptions, { signal }],
      [checkReadOptions, { after: 1, before: 2 ** 53 - 1, limit: 1, backwards: true, signal }],
      [checkSubscribeOptions, { after: 0, signal, onCaughtUp }],
    ] as const) {
      const checked = (check as (options: object) => object)(options);
      expect(checked).toEqual(options);
      expect(checked).not.toBe(options);
      expect(check(undefined)).toEqual({});
    }
  });

  test('say what they may hold', () => {
    expect(() => checkReadOptions({ form: 1 } as never)).toThrow('options.form is not a field of read options; the fields are after, before, limit, backwards, signal.');
    expect(() => checkReadOptions({ limit: 0 })).toThrow('options.limit is 0; it must be a whole number from 1 to 2^53 - 1.');
    expect(() => checkSubscribeOptions({ onCaughtUp: 5 } as never)).toThrow('options.onCaughtUp is 5; it must be a function.');
    expect(() => checkAppendOptions({ signal: {} } as never)).toThrow('options.signal is an object; it must be an AbortSignal.');
  });
});
