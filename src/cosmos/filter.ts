import type { Query, QueryItem } from '../core/query.js';

/** What the server can do of a query, in Cosmos' SQL on the document `c`. */
export type Filter = {
  /** An event is selected by any of them; undefined selects all events. */
  readonly alternatives: readonly string[] | undefined;
  readonly parameters: readonly { name: string; value: string }[];
  /** False when it may select more than the query does. */
  readonly isExact: boolean;
};

/** Far below what the service allows: 500 logical operators in its smallest settings, and a text of 256 KiB. */
const mostTerms = 400;
const mostBytes = 192 * 1024;

/**
 * What the server can do of a query. It may select too much when the query is very large, never too little: whoever uses it
 * goes through the answer with `matchesQuery`.
 */
export function toFilter(query: Query): Filter {
  if (query === 'all') return { alternatives: undefined, parameters: [], isExact: true };
  const parameters: { name: string; value: string }[] = [];
  const parameter = (value: string): string => {
    const name = `@f${parameters.length}`;
    parameters.push({ name, value });
    return name;
  };
  let budget = { terms: mostTerms, bytes: mostBytes };
  const parts: string[] = [];
  for (const item of query.items) {
    const left = spend(item, budget);
    // An item that cannot be asked for could match anything.
    if (!left) return { alternatives: undefined, parameters: [], isExact: false };
    budget = left;
    parts.push(itemSql(item, parameter));
  }
  return { alternatives: parts, parameters, isExact: query.items.every(({ tags = [] }) => tags.length <= mostTagsAsked) };
}

/**
 * The documents that `edge` selects, and in a range of positions those of the filter. Without parentheses: the parser of the test
 * server takes time that grows exponentially with them.
 */
export function whereSql(edge: string, range: string, { alternatives }: Filter): string {
  const selected = alternatives === undefined ? [range] : alternatives.map((alternative) => `${range} AND ${alternative}`);
  return [edge, ...selected].join(' OR ');
}

function itemSql({ types, tags = [] }: QueryItem, parameter: (value: string) => string): string {
  const terms = types === undefined ? [] : [`c.type IN (${types.map(parameter).join(', ')})`];
  for (const tag of tags.slice(0, mostTagsAsked)) terms.push(`ARRAY_CONTAINS(c.tags, ${parameter(tag)})`);
  return terms.join(' AND ');
}

/** Tags of an item narrow it down: the first ones are enough to ask for. */
const mostTagsAsked = 32;

/** With its OR, and what `types` takes. */
const termsOfRange = 4;

function spend({ types = [], tags = [] }: QueryItem, { terms, bytes }: { terms: number; bytes: number }): { terms: number; bytes: number } | undefined {
  const asked = [...types, ...tags.slice(0, mostTagsAsked)];
  const left = { terms: terms - termsOfRange - Math.min(tags.length, mostTagsAsked), bytes: bytes - asked.reduce((sum, text) => sum + Buffer.byteLength(text) + 50, 0) };
  return left.terms < 0 || left.bytes < 0 ? undefined : left;
}
