import type { JsonObject, JsonValue } from './event.js';

type Content = { readonly type: string; readonly tags: readonly string[]; readonly data: JsonValue };

/** Whether two events state the same: type, tags as a set, and data. Metadata and time stamp may differ. */
export function sameContent(a: Content, b: Content): boolean {
  return a.type === b.type && sameSet(a.tags, b.tags) && sameJson(a.data, b.data);
}

/** Neither list has duplicates. */
function sameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  if (a.every((tag, i) => tag === b[i])) return true;
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
  return sameObject(a as JsonObject, b as JsonObject);
}

function sameObject(a: JsonObject, b: JsonObject): boolean {
  let left = 0;
  for (const key of Object.keys(a)) {
    if (a[key] === undefined) continue;
    left++;
    if (!Object.hasOwn(b, key) || !sameJson(a[key], b[key])) return false;
  }
  let right = 0;
  for (const key of Object.keys(b)) if (b[key] !== undefined) right++;
  return left === right;
}
