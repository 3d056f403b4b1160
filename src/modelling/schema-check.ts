/* Puts values through a Standard Schema. A schema may answer at once or later: what is built on it stays synchronous as long as it can. */
import { InvalidInputError } from '../core/errors.js';
import { describe } from '../core/json.js';
import type { StandardSchemaV1 } from './standard-schema.js';

export type Awaitable<T> = T | Promise<T>;

export function isPromise<T>(value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Goes on with `next` at once when `value` is there already. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** @throws InvalidInputError unless it is a Standard Schema. */
export function checkSchema(schema: unknown, path: string): void {
  const isSchema = (typeof schema === 'object' || typeof schema === 'function') && schema !== null && '~standard' in schema;
  if (!isSchema) throw new InvalidInputError(path, `is ${schema === undefined ? 'missing' : describe(schema)}; it must be a schema of zod, valibot, arktype, or another library that implements Standard Schema.`);
}

/** The schema's output. @throws InvalidInputError whose path is what `where` gives, and the path within the value. */
export function applySchema<Output>(schema: StandardSchemaV1<unknown, Output>, value: unknown, where: () => string): Awaitable<Output> {
  const result = schema['~standard'].validate(value);
  return isPromise(result) ? result.then((later) => outputOf(later, where)) : outputOf(result, where);
}

function outputOf<Output>(result: StandardSchemaV1.Result<Output>, where: () => string): Output {
  if (result.issues) throw toInputError(result.issues, where());
  return result.value;
}

/** @throws InvalidInputError when the answer is not there yet; `hint` says what to call instead. */
export function expectSync<T>(value: Awaitable<T>, where: string, hint: string): T {
  if (!isPromise(value)) return value;
  // Nobody will look at the answer; if it is a failure, the process must not die of it.
  value.catch(() => undefined);
  throw new InvalidInputError(where, `has a schema that answers asynchronously. ${hint}`);
}

function toInputError(issues: readonly StandardSchemaV1.Issue[], where: string): InvalidInputError {
  const [issue] = issues;
  const keys = (issue?.path ?? []).map((step) => (typeof step === 'object' ? step.key : step));
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more; "cause" has them all)` : '';
  return new InvalidInputError(where + keys.map(step).join(''), `does not fit the schema: ${issue?.message ?? 'refused without a reason'}${more}`, issues);
}

function step(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`;
  return typeof key === 'string' && !/^[A-Za-z_$][\w$]*$/.test(key) ? `[${JSON.stringify(key)}]` : `.${String(key)}`;
}
