/* The small checks that all input is made of. */
import { InvalidInputError } from './errors.js';
import { describe } from './json.js';

/** Whether `input` is an object with no other fields than `known`: the quick answer; `checkFields` says what is wrong. */
export function hasOnlyFields(input: unknown, known: ReadonlySet<string>): input is object {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return false;
  for (const key in input) if (!known.has(key)) return false;
  return true;
}

/** Checks that `input` is an object with no other fields than `known`. */
export function checkFields(input: unknown, path: string, known: ReadonlySet<string>, what: string): object {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new InvalidInputError(path, `is ${describe(input)}; it must be ${what}, an object with ${[...known].join(', ')}.`);
  }
  for (const key in input) {
    if (!known.has(key)) {
      throw new InvalidInputError(`${path}.${key}`, `is not a field of ${what}; the fields are ${[...known].join(', ')}.`);
    }
  }
  return input;
}

export function checkList(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidInputError(path, `is ${describe(value)}; it must be an array.`);
  return value as readonly unknown[];
}

/** What must be given: `undefined` is no value of it. */
export function checkGiven(value: unknown, path: string): void {
  if (value === undefined) throw new InvalidInputError(path, 'is missing.');
}

/** Looks no further than a person who mixed up arguments needs. */
export function checkStore(value: unknown, path: string): void {
  if (typeof value === 'object' && value !== null && 'read' in value && 'append' in value) return;
  throw new InvalidInputError(path, `is ${value === undefined ? 'missing' : describe(value)}; it must be an open event store.`);
}

export function checkFunction(value: unknown, path: string): void {
  if (typeof value !== 'function') throw new InvalidInputError(path, `is ${value === undefined ? 'missing' : describe(value)}; it must be a function.`);
}

/** Those of the fields that are there must be functions. */
export function checkFunctions(fields: Readonly<Record<string, unknown>>, path: string): void {
  for (const [field, value] of Object.entries(fields)) if (value !== undefined) checkFunction(value, `${path}.${field}`);
}

export function checkSignal(value: unknown, path: string): void {
  if (value !== undefined && !(typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value)) {
    throw new InvalidInputError(path, `is ${describe(value)}; it must be an AbortSignal.`);
  }
}

/** Whether it is a string of 1 to `bytes` bytes of UTF-8: the quick answer; `refuseText` says what is wrong. */
export function isText(value: unknown, bytes: number): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.isWellFormed() &&
    (value.length * 3 <= bytes || (value.length <= bytes && Buffer.byteLength(value) <= bytes))
  );
}

export function refuseText(value: unknown, path: string, bytes: number): never {
  if (value === undefined) throw new InvalidInputError(path, 'is missing.');
  if (typeof value !== 'string') throw new InvalidInputError(path, `is ${describe(value)}; it must be a string.`);
  if (value === '') throw new InvalidInputError(path, 'is empty; it must have at least one character.');
  if (!value.isWellFormed()) throw new InvalidInputError(path, 'holds a lone surrogate, which UTF-8 cannot store.');
  throw new InvalidInputError(path, `takes ${Buffer.byteLength(value)} bytes of UTF-8; at most ${bytes} are allowed.`);
}

/** `least` is inclusive; undefined passes. */
export function checkPosition(value: unknown, path: string, least: number): void {
  if (value === undefined) return;
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw new InvalidInputError(path, `is ${describe(value)}; it must be a whole number from ${least} to 2^53 - 1.`);
  }
}
