import type { JsonObject, JsonValue } from './event.js';
import { InvalidInputError } from './errors.js';
import { limits } from './limits.js';

/** Adds up how many bytes of JSON the checked values can take at the most, so that exact measuring is needed only near a limit. */
export type SizeBound = { bytes: number };

/**
 * Returns `value` when a JSON round trip gives it back unaltered; a copy without them when properties are `undefined`.
 * @throws InvalidInputError that names the path of the first value that would be altered.
 */
export function checkJson(value: unknown, path: string, size: SizeBound): JsonValue {
  return check(value, path, size, []);
}

export function checkJsonObject(value: unknown, path: string, size: SizeBound): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidInputError(path, `must be an object of JSON values, not ${describe(value)}.`);
  }
  return check(value, path, size, []) as JsonObject;
}

function check(value: unknown, path: string, size: SizeBound, ancestors: object[]): JsonValue {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) {
        throw new InvalidInputError(path, 'holds a lone surrogate, which UTF-8 cannot store. Use value.toWellFormed().');
      }
      size.bytes += value.length * 6 + 2;
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new InvalidInputError(path, `is ${value}, which JSON cannot hold. Use null or a string.`);
      if (Object.is(value, -0)) throw new InvalidInputError(path, 'is -0, which JSON turns into 0. Use 0.');
      size.bytes += 26;
      return value;
    case 'boolean':
      size.bytes += 6;
      return value;
    case 'object':
      if (value === null) {
        size.bytes += 5;
        return null;
      }
      return checkNested(value, path, size, ancestors);
    default:
      throw new InvalidInputError(path, `is ${describe(value)}, which JSON cannot hold. ${hintFor(value)}`);
  }
}

function checkNested(value: object, path: string, size: SizeBound, ancestors: object[]): JsonValue {
  if (ancestors.length >= limits.depth) {
    throw new InvalidInputError(shorten(path), `is nested deeper than ${limits.depth} levels.`);
  }
  // Looking for cycles costs time in proportion to the depth: ordinary data never gets here.
  if (ancestors.length >= 32 && ancestors.includes(value)) {
    throw new InvalidInputError(shorten(path), 'refers back to an object that contains it; JSON has no cycles. Store an id instead.');
  }
  ancestors.push(value);
  size.bytes += 4;
  const checked = Array.isArray(value) ? checkArray(value, path, size, ancestors) : checkObject(value, path, size, ancestors);
  ancestors.pop();
  return checked;
}

function checkArray(value: readonly unknown[], path: string, size: SizeBound, ancestors: object[]): JsonValue {
  let copy: JsonValue[] | undefined;
  for (let i = 0; i < value.length; i++) {
    const before = value[i];
    const after = check(before, `${path}[${i}]`, size, ancestors);
    size.bytes += 1;
    if (after !== before) copy ??= value.slice(0, i) as JsonValue[];
    copy?.push(after);
  }
  if (Object.keys(value).length !== value.length) {
    throw new InvalidInputError(path, 'is an array with named properties, which JSON would drop. Use an object.');
  }
  return copy ?? (value as readonly JsonValue[]);
}

function checkObject(value: object, path: string, size: SizeBound, ancestors: object[]): JsonValue {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new InvalidInputError(path, `is ${describe(value)}, which JSON would not give back as it is. ${hintFor(value)}`);
  }
  if (prototype !== null && prototype !== Object.prototype && value.constructor?.name !== 'Object') {
    throw new InvalidInputError(path, `is ${describe(value)}, which JSON would not give back as it is. ${hintFor(value)}`);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new InvalidInputError(path, 'has a symbol as a key, which JSON would drop. Use a string key.');
  }
  const keys = Object.keys(value);
  let copy: Record<string, JsonValue> | undefined;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const before = (value as Record<string, unknown>)[key];
    if (before === undefined) {
      copy ??= pick(value, keys.slice(0, i));
      continue;
    }
    checkKey(key, path, size);
    const after = check(before, isPlainName(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`, size, ancestors);
    if (after !== before) copy ??= pick(value, keys.slice(0, i));
    if (copy) copy[key] = after;
  }
  return copy ?? (value as JsonObject);
}

function checkKey(key: string, path: string, size: SizeBound): void {
  if (key === '__proto__') {
    throw new InvalidInputError(`${path}["__proto__"]`, 'is a key that JavaScript libraries alter silently. Rename it.');
  }
  if (!key.isWellFormed()) {
    throw new InvalidInputError(`${path}[${JSON.stringify(key)}]`, 'has a lone surrogate in its key, which UTF-8 cannot store.');
  }
  size.bytes += key.length * 6 + 4;
}

function pick(value: object, keys: readonly string[]): Record<string, JsonValue> {
  const copy: Record<string, JsonValue> = {};
  for (const key of keys) {
    const property = (value as Record<string, JsonValue | undefined>)[key];
    if (property !== undefined) copy[key] = property;
  }
  return copy;
}

const plainName = /^[A-Za-z_$][\w$]*$/;
const isPlainName = (key: string): boolean => plainName.test(key);

const shorten = (path: string): string => (path.length <= 200 ? path : `${path.slice(0, 120)}…${path.slice(-60)}`);

/** Names a value for a message, such as `a Date`, `NaN` or `an array`. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'object': {
      const name = value.constructor?.name;
      return name === undefined || name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
    }
    case 'function':
      return 'a function';
    case 'bigint':
      return `the BigInt ${value}`;
    case 'symbol':
      return 'a symbol';
    case 'string':
      return value.length <= 60 ? `the string ${JSON.stringify(value)}` : `a string of ${value.length} characters`;
    default:
      return String(value);
  }
}

function hintFor(value: unknown): string {
  if (typeof value === 'bigint') return 'Store it as a string.';
  if (value === undefined) return 'Use null, or leave the property out.';
  if (value instanceof Date) return 'Store value.toISOString().';
  if (value instanceof Map) return 'Store Object.fromEntries(value).';
  if (value instanceof Set) return 'Store [...value].';
  if (ArrayBuffer.isView(value)) return 'Store it as base64 text.';
  return 'Store plain objects, arrays, strings, numbers, booleans and null.';
}
