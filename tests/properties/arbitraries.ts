import fc from 'fast-check';
import type { AppendCondition } from '../../src/core/condition.js';
import type { ReadOptions } from '../../src/core/event-store.js';
import type { JsonValue, NewEvent } from '../../src/core/event.js';
import type { Query, QueryItem } from '../../src/core/query.js';

// Few words, so that random queries match random events often; each hostile in its own way, and near another one.
const types = ['A', 'a', 'B', 'CON', '../x', 'é', 'e\u0301'];
const tags = ['t:1', 't:10', 'T:1', 't', '..', '\0', '💥', 'x'.repeat(60), 'x'.repeat(61)];

/** Strings that UTF-8 can hold, among them those that JSON and msgpack treat in a way of their own. */
export const textArb = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('', '\0', '\ufeff', '\u2028', '"\\\n', '__proto', 'constructor', 'toJSON', '0', '-0', 'é', 'e\u0301', 'x'.repeat(256)),
);

/** Numbers as JSON has them: finite, no -0. */
export const numberArb = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  fc.constantFrom(0, 5e-324, Number.MAX_VALUE, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), 2 ** 64, 127, 128, 255, 256, -32, -33, -128, -129),
);

export const { json: jsonArb } = fc.letrec<{ json: JsonValue }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    textArb,
    numberArb,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 5 }),
    fc.dictionary(textArb.filter((key) => key !== '__proto__'), tie('json'), { maxKeys: 5, noNullPrototype: true }) as fc.Arbitrary<JsonValue>,
  ),
}));

/** An event without an id, mostly small. */
export const eventArb: fc.Arbitrary<NewEvent> = fc.record(
  {
    type: fc.constantFrom(...types),
    data: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) }, { weight: 1, arbitrary: jsonArb }),
    tags: fc.array(fc.constantFrom(...tags), { maxLength: 4 }),
    metadata: fc.constantFrom({}, { user: 'u1' }),
    timestamp: fc.constantFrom('2001-01-01T00:00:00Z', '2001-02-28T23:59:60.5Z'),
  },
  { requiredKeys: ['type', 'data'] },
);

const itemArb: fc.Arbitrary<QueryItem> = fc.oneof(
  fc.record({ types: someOf(types, 3) }),
  fc.record({ tags: someOf(tags, 2) }),
  fc.record({ types: someOf(types, 3), tags: someOf(tags, 2) }),
);

export const queryArb: fc.Arbitrary<Query> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('all' as const) },
  { weight: 4, arbitrary: fc.record({ items: fc.array(itemArb, { minLength: 1, maxLength: 3 }) }) },
);

/** A position told from the head, so that it means something whatever was appended: 0 is the head, -1 the position before it. */
export type FromHead = number;

const fromHeadArb: fc.Arbitrary<FromHead> = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: -6, max: 0 }) },
  { weight: 3, arbitrary: fc.integer({ min: -40, max: 0 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) },
);

/** Positions are below 0 or above the head only where that is to be tried; see `resolvePosition`. */
export const conditionArb: fc.Arbitrary<AppendCondition> = fc.record(
  { failIfEventsMatch: queryArb, after: fromHeadArb },
  { requiredKeys: ['failIfEventsMatch'] },
);

export type ReadShape = Omit<ReadOptions, 'signal'>;

export const readOptionsArb: fc.Arbitrary<ReadShape> = fc.record(
  { after: fromHeadArb, before: fromHeadArb, limit: fc.integer({ min: 1, max: 8 }), backwards: fc.boolean() },
  { requiredKeys: [] },
);

/** The position that `fromHead` means when the store's last one is `head`. */
export function resolvePosition(fromHead: FromHead, head: number, least: number): number {
  return Math.max(least, head + fromHead);
}

function someOf(words: readonly string[], maxLength: number): fc.Arbitrary<string[]> {
  return fc.array(fc.constantFrom(...words), { minLength: 1, maxLength });
}
