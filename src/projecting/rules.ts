/* What a definition says, checked and without its types: what the rest of the room runs on. */
import { checkQuery } from '../core/check-input.js';
import { checkFields, checkFunction, checkList, checkPosition, isText, refuseText } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { checkName } from '../core/names.js';
import type { Query } from '../core/query.js';
import { makeInitial } from '../modelling/decision-model.js';
import type { EventDefinition } from '../modelling/event-definition.js';
import { definitionsByType } from '../modelling/parse-events.js';
import type { Awaitable } from '../modelling/schema-check.js';
import { query as queryOf } from '../modelling/typed-query.js';
import { bounds } from './bounds.js';

export type ProjectionRules = {
  readonly name: string;
  readonly version: number;
  readonly query: Query;
  /** The event with its data brought up to date. */
  parse(event: SequencedEvent): Awaitable<SequencedEvent>;
  /** Without duplicates. */
  keysOf(event: SequencedEvent): readonly string[];
  /** A new one each time. */
  initial(key: string): unknown;
  evolve(state: unknown, event: SequencedEvent, key: string, related: readonly SequencedEvent[]): unknown;
  /** What the state is found by: one text for each name and value, without duplicates. */
  termsOf(state: unknown, key: string): readonly string[];
  readonly related: RelatedRules | undefined;
};

export type RelatedRules = {
  /** Undefined when the event needs none. */
  queryFor(event: SequencedEvent): Query | undefined;
  parse(event: SequencedEvent): Awaitable<SequencedEvent>;
};

/** The text under which a value of an index is looked up. Text and numbers that look alike are not the same. */
export function termOf(name: string, value: unknown, where: string): string {
  const fits = typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
  if (!fits) throw new InvalidInputError(where, `has the value ${describe(value)}; it must be text, a finite number or a boolean.`);
  return JSON.stringify([name, value]);
}

type AnyOptions = {
  name: string;
  version?: number;
  events?: readonly EventDefinition[];
  tags?: readonly string[];
  query?: Query;
  key: (event: SequencedEvent) => unknown;
  initial: unknown;
  evolve: ProjectionRules['evolve'];
  index?: (state: unknown, key: string) => unknown;
  related?: { events: readonly EventDefinition[]; tags: (event: SequencedEvent) => readonly string[] | undefined };
};

const optionKeys = new Set(['name', 'version', 'events', 'tags', 'query', 'key', 'initial', 'evolve', 'index', 'related']);
const relatedKeys = new Set(['events', 'tags']);

export function makeRules(options: object): ProjectionRules {
  const { name, version = 1, events, tags, query, key, initial, evolve, index, related } = checkFields(options, 'projection', optionKeys, 'a projection') as AnyOptions;
  const where = `projection ${JSON.stringify(checkName(name, 'projection.name'))}`;
  checkPosition(version, `${where} version`, 1);
  checkFunction(key, `${where} key`);
  checkFunction(evolve, `${where} evolve`);
  if (index !== undefined) checkFunction(index, `${where} index`);
  const selected = select({ events, tags, query }, where);
  return {
    name,
    version,
    ...selected,
    keysOf: (event) => checkKeys(key(event), event),
    initial: typeof initial === 'function' ? (initial as (key: string) => unknown) : makeInitial(initial, where),
    evolve,
    termsOf: index === undefined ? () => [] : (state, of) => termsIn(index(state, of), `${where} index`),
    related: related && makeRelated(related, where),
  };
}

type Selection = Pick<ProjectionRules, 'query' | 'parse'>;

function select({ events, tags, query }: { [Key in 'events' | 'tags' | 'query']: AnyOptions[Key] | undefined }, where: string): Selection {
  if ((events === undefined) === (query === undefined)) {
    throw new InvalidInputError(`${where} events`, 'or a query must say which events it is made of: one of the two, not both.');
  }
  if (events === undefined || query !== undefined) {
    if (tags !== undefined) throw new InvalidInputError(`${where} tags`, 'go with events. Put them into the query.');
    return { query: checkQuery(query!, `${where} query`), parse: (event) => event };
  }
  return { query: queryOf<EventDefinition>(tags === undefined ? { events } : { events, tags }), parse: parserOf(events, `${where} events`) };
}

function parserOf(events: readonly EventDefinition[], where: string): Selection['parse'] {
  const definitions = definitionsByType(checkList(events, where) as readonly EventDefinition[], where);
  return (event) => {
    const definition = definitions.get(event.type);
    if (!definition) throw new InvalidInputError(`event ${event.position}`, `has the type ${describe(event.type)}, which is not among ${where}.`);
    return definition['~definition'].parse(event);
  };
}

function makeRelated(related: NonNullable<AnyOptions['related']>, where: string): RelatedRules {
  const { events, tags } = checkFields(related, `${where} related`, relatedKeys, 'related events') as typeof related;
  checkFunction(tags, `${where} related.tags`);
  const parse = parserOf(events, `${where} related.events`);
  // Checked now, so that a wrong definition does not wait for its first event.
  queryOf({ events });
  return {
    parse,
    queryFor(event) {
      const wanted = tags(event);
      return wanted === undefined ? undefined : queryOf<EventDefinition>({ events, tags: wanted });
    },
  };
}

function checkKeys(keys: unknown, event: SequencedEvent): readonly string[] {
  if (keys === undefined) return [];
  if (isText(keys, bounds.keyBytes)) return [keys];
  if (!Array.isArray(keys)) return refuseText(keys, `key of event ${event.position} (${event.type})`, bounds.keyBytes);
  for (const [i, key] of keys.entries()) if (!isText(key, bounds.keyBytes)) refuseText(key, `key [${i}] of event ${event.position} (${event.type})`, bounds.keyBytes);
  return keys.length < 2 ? (keys as string[]) : [...new Set(keys as string[])];
}

function termsIn(values: unknown, where: string): readonly string[] {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new InvalidInputError(where, `gives ${describe(values)}; it must give an object of names and values.`);
  }
  const terms = new Set<string>();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) terms.add(termOf(name, one, `${where}.${name}`));
  }
  return [...terms];
}
