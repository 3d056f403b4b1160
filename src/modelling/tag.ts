import { isText, refuseText } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import { describe } from '../core/json.js';
import { limits } from '../core/limits.js';

/** A tag of the form `key:value`. */
export type Tag<Key extends string = string> = `${Key}:${string}`;

export type TagValue = string | number;

/** What an event's `tags` function may return: tags, or a value (or several, or none) for each key. */
export type DerivedTags = readonly string[] | { readonly [key: string]: TagValue | readonly TagValue[] | undefined };

/** The keys that a `tags` function gives; `string` where the compiler cannot know them. */
export type TagKeysIn<Tags extends DerivedTags> = Tags extends readonly (infer Item)[]
  ? Item extends `${infer Key}:${string}`
    ? Key
    : string
  : keyof Tags & string;

/** The tags with one of these keys; any text where the keys are not known. */
export type TagOf<Key extends string> = string extends Key ? string : Tag<Key>;

/**
 * Makes the tag `key:value`.
 *
 * @param key 1 character or more, and no colon: else two keys could make one tag.
 * @param value 1 character or more; a number must be finite. The tag may take 1,024 bytes of UTF-8 (inclusive).
 * @example tag('course', 'c1') // 'course:c1'
 * @throws InvalidInputError
 */
export function tag<const Key extends string>(key: Key, value: TagValue): Tag<Key> {
  return makeTag(key, value, 'tag');
}

/** The tags of one event without duplicates, in order. `where` names the event in messages. */
export function derivedTags(derived: DerivedTags, where: string): string[] {
  if (isList(derived)) return [...new Set(derived)];
  if (typeof derived !== 'object' || derived === null) {
    throw new InvalidInputError(where, `are ${describe(derived)}; the function must return an array of tags, or an object of keys and values.`);
  }
  const tags = new Set<string>();
  for (const [key, values] of Object.entries(derived)) {
    if (values === undefined) continue;
    for (const value of isList(values) ? values : [values]) tags.add(makeTag(key, value, `${where}.${key}`));
  }
  return [...tags];
}

function makeTag<Key extends string>(key: Key, value: TagValue, where: string): Tag<Key> {
  if (!isText(key, limits.tagBytes)) refuseText(key, `${where} key`, limits.tagBytes);
  if (key.includes(':')) throw new InvalidInputError(`${where} key`, `is ${describe(key)}; a key has no colon, else two keys could make one tag.`);
  if (typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'string' || value === '') {
    throw new InvalidInputError(where, `has the value ${describe(value)} for the key ${JSON.stringify(key)}; it must be text of at least one character, or a finite number.`);
  }
  const made: Tag<Key> = `${key}:${value}`;
  if (!isText(made, limits.tagBytes)) refuseText(made, where, limits.tagBytes);
  return made;
}

// Array.isArray does not narrow readonly arrays.
function isList<T>(value: T): value is Extract<T, readonly unknown[]> {
  return Array.isArray(value);
}
