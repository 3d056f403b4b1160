import type { Query } from '../index.js';
import { inputError, usageError } from './exit-codes.js';

export type QueryOptions = { readonly type?: readonly string[]; readonly tag?: readonly string[]; readonly query?: string };

/** The query that `--type`, `--tag` and `--query` ask for. */
export function toQuery({ type, tag, query }: QueryOptions): Query {
  if (query !== undefined) {
    if (type || tag) throw usageError('--query cannot be combined with --type or --tag: put them into the query.');
    return parseQuery(query, '--query');
  }
  if (!type && !tag) return 'all';
  return { items: [{ ...(type ? { types: type } : {}), ...(tag ? { tags: tag } : {}) }] };
}

/** A query as JSON, or the word `all`. What it holds is checked by the store. */
export function parseQuery(text: string, option: string): Query {
  return text === 'all' ? 'all' : (parseJson(text, option) as Query);
}

export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw inputError(`${where} is not valid JSON: ${(error as Error).message}.`, error);
  }
}
