import type { JsonValue } from './event.js';

type Content = { readonly type: string; readonly tags: readonly string[]; readonly data: JsonValue };

/** Whether two events state the same: type, tags as a set, and data. Metadata and time stamp may differ. */
export function sameContent(a: Content, b: Content): boolean {
  return a.type === b.type && sameSet(a.tags, b.tags) && sameJson(a.data, b.data);
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  const known = new Set(a);
  return b.every((tag) => known.has(tag));
}

/** Deep equality of JSON values; the order of keys does not matter, `undefined` properties count as absent. */
export function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, i) => sameJson(value, b[i]));
  }
  const left = presentEntries(a as { [key: string]: JsonValue | undefined });
  const right = b as { [key: string]: JsonValue | undefined };
  return (
    left.length === presentEntries(right).length && left.every(([key, value]) => Object.hasOwn(right, key) && sameJson(value, right[key]))
  );
}

function presentEntries(object: { [key: string]: JsonValue | undefined }): [string, JsonValue][] {
  return Object.entries(object).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
}
