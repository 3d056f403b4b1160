/*
 * JSON values from callers. A copy is made in the same pass that checks: each property is read once, so a getter or proxy
 * that answers differently the next time cannot bring in what was not checked, and nobody can change stored data later.
 */
import { InvalidInputError } from './errors.js';
import type { JsonObject, JsonValue } from './event.js';
import { limits } from './limits.js';

/** How many bytes of JSON the checked values take, at the least and at the most: exact measuring is needed only near a limit. */
export type SizeBound = { least: number; most: number };

/**
 * Returns a copy of `value`, equal to what a JSON round trip gives, without properties that are `undefined`.
 * @throws InvalidInputError that names the path of the first value that JSON would alter.
 */
export function checkJson(value: unknown, path: string, size: SizeBound): JsonValue {
  // A getter in the value may come here again meanwhile: it finds no spare one.
  const walk = spareWalk ?? { root: path, keys: [], ancestors: [], size };
  spareWalk = undefined;
  walk.root = path;
  walk.size = size;
  const copy = copyValue(value, undefined, walk);
  // Not after a refusal, which leaves in the lists where it was.
  spareWalk = walk;
  return copy;
}

export function checkJsonObject(value: unknown, path: string, size: SizeBound): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidInputError(path, `must be an object of JSON values, not ${describe(value)}.`);
  }
  return checkJson(value, path, size) as JsonObject;
}

/** Where the copying is: `keys` lead from `root` to the innermost of `ancestors`. */
type Walk = { root: string; readonly keys: Key[]; readonly ancestors: object[]; size: SizeBound };
/** Undefined stands for the root itself. */
type Key = string | number | undefined;

/** Kept for the next value: its lists take more memory than a small event. */
let spareWalk: Walk | undefined;

function copyValue(value: unknown, key: Key, walk: Walk): JsonValue {
  const { size } = walk;
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) refuse(walk, key, 'holds a lone surrogate, which UTF-8 cannot store. Use value.toWellFormed().');
      size.least += value.length + 2;
      size.most += value.length * 6 + 2;
      return value;
    case 'number':
      if (!Number.isFinite(value)) refuse(walk, key, `is ${value}, which JSON cannot hold. Use null or a string.`);
      if (Object.is(value, -0)) refuse(walk, key, 'is -0, which JSON turns into 0. Use 0.');
      size.least += 1;
      size.most += 25;
      return value;
    case 'boolean':
      size.least += 4;
      size.most += 5;
      return value;
    case 'object':
      if (value !== null) return copyNested(value, key, walk);
      size.least += 4;
      size.most += 4;
      return value;
    default:
      return refuse(walk, key, `is ${describe(value)}, which JSON cannot hold. ${hintFor(value)}`);
  }
}

function copyNested(value: object, key: Key, walk: Walk): JsonValue {
  const { ancestors, keys, size } = walk;
  if (ancestors.length >= limits.depth) refuse(walk, key, `is nested deeper than ${limits.depth} levels.`);
  // Looking for cycles costs time in proportion to the depth: ordinary data never gets here.
  if (ancestors.length >= 32 && ancestors.includes(value)) {
    refuse(walk, key, 'refers back to an object that contains it; JSON has no cycles. Store an id instead.');
  }
  checkLeast(walk);
  size.least += 2;
  size.most += 2;
  ancestors.push(value);
  keys.push(key);
  const copy = Array.isArray(value) ? copyArray(value, walk) : copyObject(value, walk);
  keys.pop();
  ancestors.pop();
  return copy;
}

function copyArray(value: readonly unknown[], walk: Walk): JsonValue {
  const { length } = value;
  const copy: JsonValue[] = [];
  for (let i = 0; i < length; i++) {
    copy.push(copyValue(value[i], i, walk));
    walk.size.least += 1;
    checkLeast(walk);
  }
  walk.size.least -= 1;
  walk.size.most += length;
  if (Object.keys(value).length !== length) {
    refuse(walk, undefined, 'is an array with named properties, which JSON would drop. Use an object.');
  }
  return copy;
}

function copyObject(value: object, walk: Walk): JsonValue {
  if (!hasPlainPrototype(value)) {
    refuse(walk, undefined, `is ${describe(value)}, which JSON would not give back as it is. ${hintFor(value)}`);
  }
  const { size } = walk;
  const copy = { ...value } as Record<string, JsonValue>;
  if (Object.getOwnPropertySymbols(copy).length > 0) {
    refuse(walk, undefined, 'has a symbol as a key, which JSON would drop. Use a string key.');
  }
  let absent = false;
  for (const key in copy) {
    if (!Object.hasOwn(copy, key)) continue;
    const property: unknown = copy[key];
    if (property === undefined) {
      absent = true;
      continue;
    }
    if (key === '__proto__') refuse(walk, key, 'is a key that JavaScript libraries alter silently. Rename it.');
    if (!key.isWellFormed()) refuse(walk, key, 'has a lone surrogate in its key, which UTF-8 cannot store.');
    size.least += key.length + 3;
    size.most += key.length * 6 + 4;
    const copied = copyValue(property, key, walk);
    if (copied !== property) copy[key] = copied;
  }
  return absent ? withoutAbsent(copy) : copy;
}

/** A loop over what is there: `delete` would turn the object into a slow one. */
function withoutAbsent(object: Record<string, JsonValue | undefined>): JsonObject {
  const rest: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(object)) if (value !== undefined) rest[key] = value;
  return rest;
}

/** Whether it is an object literal, of this realm or another (a vm context, an iframe), or has no prototype at all. */
function hasPlainPrototype(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // Every realm's Object.prototype ends the chain and brings this method along; nothing else does both.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

/** Ends the copying of what can only be refused in the end, such as small objects that contain each other a million times. */
function checkLeast({ root, size }: Walk): void {
  if (size.least > limits.eventBytes) {
    throw new InvalidInputError(root, `takes more than ${limits.eventBytes} bytes as JSON, which is what an event may take. Store large content elsewhere and refer to it.`);
  }
}

function refuse({ root, keys }: Walk, key: Key, problem: string): never {
  throw new InvalidInputError(shorten(root + [...keys, key].map(step).join('')), problem);
}

const plainName = /^[A-Za-z_$][\w$]*$/;

function step(key: Key): string {
  if (key === undefined) return '';
  if (typeof key === 'number') return `[${key}]`;
  return plainName.test(key) && key !== '__proto__' ? `.${key}` : `[${JSON.stringify(key)}]`;
}

const shorten = (path: string): string => (path.length <= 200 ? path : `${path.slice(0, 120)}…${path.slice(-60)}`.toWellFormed());

/** Names a value for a message, such as `a Date`, `NaN` or `an array`. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'object': {
      const name = classNameOf(value);
      return name === undefined || name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
    }
    case 'function':
      return 'a function';
    case 'bigint':
      return `the BigInt ${brief(String(value))}`;
    case 'symbol':
      return 'a symbol';
    case 'string':
      return value.length <= 60 ? `the string ${JSON.stringify(value)}` : `a string of ${value.length} characters`;
    default:
      return String(value);
  }
}

/** Looks at the prototype, not at the value: that one's `constructor` may be a property of the caller's data. */
function classNameOf(value: object): string | undefined {
  const prototype = Object.getPrototypeOf(value) as { constructor?: unknown } | null;
  const constructor = prototype?.constructor;
  return typeof constructor === 'function' && constructor.name !== '' ? brief(constructor.name) : undefined;
}

const brief = (text: string): string => (text.length <= 40 ? text : `${text.slice(0, 40)}…`);

function hintFor(value: unknown): string {
  if (typeof value === 'bigint') return 'Store it as a string.';
  if (value === undefined) return 'Use null, or leave the property out.';
  if (value instanceof Date) return 'Store value.toISOString().';
  if (value instanceof Map) return 'Store Object.fromEntries(value).';
  if (value instanceof Set) return 'Store [...value].';
  if (value instanceof Promise) return 'Await it first.';
  if (ArrayBuffer.isView(value)) return 'Store it as base64 text.';
  return 'Store plain objects, arrays, strings, numbers, booleans and null.';
}
