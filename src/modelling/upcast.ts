import { checkFunction } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { JsonValue } from '../core/event.js';
import { describe } from '../core/json.js';
import { andThen, applySchema, checkSchema, type Awaitable } from './schema-check.js';
import type { StandardSchemaV1 } from './standard-schema.js';

/** Brings data of one version to the next. Made by `upcast`. */
export type Upcast = { apply(data: JsonValue, where: () => string): Awaitable<JsonValue> };

/** The steps by the version that each starts from: `{ 1: …, 2: … }` lead to version 3. */
export type Upcasts = { readonly [fromVersion: number]: Upcast };

/**
 * A step from one version of an event's data to the next.
 *
 * @param schema What the older version looks like.
 * @param change Makes the next version's data of it. It must give the same each time: it runs on every reading.
 * @example defineEvent('CourseDefined', courseV2, { version: 2, upcasts: { 1: upcast(courseV1, (old) => ({ ...old, seats: 10 })) } })
 */
export function upcast<Output>(schema: StandardSchemaV1<unknown, Output>, change: (old: Output) => JsonValue): Upcast {
  checkSchema(schema, 'schema');
  checkFunction(change, 'change');
  return { apply: (data, where) => andThen(applySchema(schema, data, where), change) };
}

/** @throws InvalidInputError unless there is exactly one step from each version below `version`. */
export function checkVersions(version: number, upcasts: Upcasts, where: string): void {
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new InvalidInputError(`${where}.version`, `is ${describe(version)}; it must be a whole number of at least 1.`);
  }
  const steps = Object.keys(upcasts).map(Number);
  const stray = steps.find((from) => !Number.isSafeInteger(from) || from < 1 || from >= version);
  if (stray !== undefined) {
    throw new InvalidInputError(`${where}.upcasts[${stray}]`, `leads nowhere: the version is ${version}, so steps start from 1 to ${version - 1}. Raise the version.`);
  }
  for (let from = 1; from < version; from++) {
    if (typeof upcasts[from]?.apply !== 'function') {
      throw new InvalidInputError(`${where}.upcasts[${from}]`, `is missing: events of version ${from} may be stored. Give the step to version ${from + 1}, made by upcast().`);
    }
  }
}

/** The data after the steps from version `from` (inclusive) to `to`. */
export function applyUpcasts(upcasts: Upcasts, from: number, to: number, data: JsonValue, where: () => string): Awaitable<JsonValue> {
  const step = upcasts[from];
  if (from >= to || step === undefined) return data;
  return andThen(step.apply(data, () => `${where()} of version ${from}`), (next) => applyUpcasts(upcasts, from + 1, to, next, where));
}
