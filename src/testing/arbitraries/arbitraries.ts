/*
 * Random input that every store takes, and that is likely to go wrong in one that takes it lightly. fast-check is handed in, so
 * that nothing here needs it to be installed.
 */
import type { AppendCondition } from '../../core/condition.js';
import type { JsonValue, NewEvent } from '../../core/event.js';
import type { Query, QueryItem } from '../../core/query.js';
import type { TypedNewEvent } from '../../modelling/event-definition.js';
import type { FastCheck as FastCheckModule } from '../explore/fast-check.js';
import { PlayableHistory, type HistoryOptions } from './histories.js';
import { hostileTexts } from './hostile-texts.js';

type FastCheck = (typeof FastCheckModule)['default'];
type ArbitraryOf<T> = FastCheckModule.Arbitrary<T>;

export type Arbitraries = {
  /** A text of 1 to 1,024 UTF-8 bytes: types and tags may be such. */
  readonly text: ArbitraryOf<string>;
  readonly type: ArbitraryOf<string>;
  readonly tag: ArbitraryOf<string>;
  /** A text of 1 to 255 UTF-8 bytes. */
  readonly id: ArbitraryOf<string>;
  /** Any JSON value that a store gives back as it is. */
  readonly json: ArbitraryOf<JsonValue>;
  /** An event without id. */
  readonly event: ArbitraryOf<NewEvent>;
  /** One to five events; with ids (each another) or without. */
  readonly batch: ArbitraryOf<NewEvent[]>;
  readonly queryItem: ArbitraryOf<QueryItem>;
  /** Types and tags are of those that events get, so that queries match now and then. */
  readonly query: ArbitraryOf<Query>;
  /** Without `after`: any matching event fails it. */
  readonly condition: ArbitraryOf<AppendCondition>;
  /** A condition whose `after` is at most `head`, inclusive. */
  conditionUpTo(head: number): ArbitraryOf<AppendCondition>;
  /** Events of one kind, from data that fits its schema. */
  eventOf<Type extends string, Data extends JsonValue, Input>(definition: (data: Input) => TypedNewEvent<Type, Data>, data: ArbitraryOf<Input>): ArbitraryOf<TypedNewEvent<Type, Data>>;
  /** Histories that a handler accepts: it is run on random commands, one after another. Shrinks to fewer and smaller commands. */
  histories<Command, Result>(options: HistoryOptions<Command, Result>): ArbitraryOf<PlayableHistory<Command, Result>>;
};

export type ArbitrariesOptions = {
  /** The types that events and queries use, at least one; a few hostile ones, and random texts, when absent. */
  types?: readonly string[];
  /** The tags that they use, at least one. */
  tags?: readonly string[];
};

/**
 * Arbitraries for tests with fast-check: events, queries, conditions and histories, hostile strings included.
 *
 * @example const { event, query } = arbitraries(fc)
 */
export function arbitraries(fc: FastCheck, options: ArbitrariesOptions = {}): Arbitraries {
  const text = textOf(fc, 1024);
  const word = (words: readonly string[] | undefined): ArbitraryOf<string> =>
    words ? fc.constantFrom(...words) : fc.oneof({ weight: 6, arbitrary: fc.constantFrom('A', 'a', 'e\u0301', 'é', '../x', 'CON') }, { weight: 1, arbitrary: text });
  const type = word(options.types);
  const tag = word(options.tags);
  const id = textOf(fc, 255);
  const json = jsonOf(fc);
  const event: ArbitraryOf<NewEvent> = fc.record(
    {
      type,
      data: json,
      tags: fc.array(tag, { maxLength: 4 }),
      metadata: fc.dictionary(keyOf(fc), json, { maxKeys: 2, noNullPrototype: true }),
      timestamp: fc.constantFrom('2001-01-01T00:00:00Z', '2016-12-31T23:59:60.5Z', '1969-12-31T23:59:59.999999999Z'),
    },
    { requiredKeys: ['type', 'data'] },
  );
  const some = (one: ArbitraryOf<string>): ArbitraryOf<string[]> => fc.uniqueArray(one, { minLength: 1, maxLength: 3 });
  const queryItem: ArbitraryOf<QueryItem> = fc.oneof(fc.record({ types: some(type) }), fc.record({ tags: some(tag) }), fc.record({ types: some(type), tags: some(tag) }));
  const query: ArbitraryOf<Query> = fc.oneof(
    { weight: 1, arbitrary: fc.constant('all' as const) },
    { weight: 5, arbitrary: fc.record({ items: fc.array(queryItem, { minLength: 1, maxLength: 3 }) }) },
  );
  return {
    text,
    type,
    tag,
    id,
    json,
    event,
    batch: fc.oneof(
      fc.array(event, { minLength: 1, maxLength: 5 }),
      fc.uniqueArray(fc.tuple(id, event), { minLength: 1, maxLength: 5, selector: ([key]) => key }).map((pairs) => pairs.map(([key, one]) => ({ ...one, id: key }))),
    ),
    queryItem,
    query,
    condition: fc.record({ failIfEventsMatch: query }),
    conditionUpTo: (head) => fc.record({ failIfEventsMatch: query, after: fc.nat({ max: head }) }, { requiredKeys: ['failIfEventsMatch'] }),
    eventOf: (definition, data) => data.map((one) => definition(one)),
    histories: ({ commands, maxCommands = 10, ...rest }) => fc.array(commands, { maxLength: maxCommands }).map((list) => new PlayableHistory(list, rest)),
  };
}

function textOf(fc: FastCheck, maxBytes: number): ArbitraryOf<string> {
  const fits = (text: string): boolean => text !== '' && Buffer.byteLength(text) <= maxBytes;
  const hostile = hostileTexts.filter(fits);
  return fc.oneof(
    // The first is what shrinking tends to: begin with something harmless.
    { weight: 2, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
    { weight: 3, arbitrary: fc.constantFrom(...hostile) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter(fits) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...hostile), fc.constantFrom(...hostile)).map((pair) => pair.join('')).filter(fits) },
  );
}

/** `__proto__` is a key that stores refuse; `constructor` is one that they must not mind. */
function keyOf(fc: FastCheck): ArbitraryOf<string> {
  return fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom(...hostileTexts)).filter((key) => key !== '__proto__');
}

function jsonOf(fc: FastCheck): ArbitraryOf<JsonValue> {
  const numbers = fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.constantFrom(5e-324, Number.MAX_VALUE, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), 2 ** 64),
  );
  const texts = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('', ...hostileTexts));
  const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      numbers,
      texts,
      fc.array(tie('json'), { maxLength: 4 }),
      fc.dictionary(keyOf(fc), tie('json'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  return json;
}
