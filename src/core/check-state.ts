/* Checks what callers hand to a `StateStore`, so that all backends refuse the same things with the same words. */
import { checkFields, checkPosition } from './check-values.js';
import { InvalidInputError, StateConflictError } from './errors.js';
import type { JsonValue } from './event.js';
import { checkJson, describe } from './json.js';
import { limits } from './limits.js';
import { checkName, isName } from './names.js';
import type { LeaseOptions, SaveOptions } from './state-store.js';

const maxParts = 8;

/** @throws InvalidInputError when `name` is not one to eight names with `/` between them. */
export function checkStateName(name: unknown, path = 'name'): string {
  if (typeof name !== 'string') return checkName(name, path);
  const parts = name.split('/');
  if (parts.length > maxParts) throw new InvalidInputError(path, `is ${describe(name)}, which has ${parts.length} parts; it may have ${maxParts}.`);
  for (const part of parts) if (!isName(part)) checkName(part, parts.length === 1 ? path : `${path} part`);
  return name;
}

/** The JSON text of a value that may be saved. */
export function checkStateValue(value: unknown): string {
  const size = { least: 0, most: 0 };
  const text = JSON.stringify(checkJson(value as JsonValue, 'value', size));
  if (size.most <= limits.stateBytes) return text;
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.stateBytes) throw new InvalidInputError('value', `takes ${bytes} bytes as JSON; a state may take ${limits.stateBytes}. Split it.`);
  return text;
}

export function checkSaveOptions(options: SaveOptions | undefined): SaveOptions {
  if (options === undefined) return {};
  const { expected } = checkFields(options, 'options', saveKeys, 'save options') as SaveOptions;
  checkPosition(expected, 'options.expected', 0);
  return expected === undefined ? {} : { expected };
}

const saveKeys = new Set(['expected']);

export function checkLeaseOptions(options: LeaseOptions | undefined): LeaseOptions {
  if (options === undefined) return {};
  const checked = checkFields(options, 'options', leaseKeys, 'lease options') as LeaseOptions;
  const { timeoutMs } = checked;
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new InvalidInputError('options.timeoutMs', `is ${describe(timeoutMs)}; it must be a number of milliseconds from 0.`);
  }
  return checked;
}

const leaseKeys = new Set(['signal', 'timeoutMs']);

/** @throws StateConflictError when `expected` is given and is not `actual`. */
export function checkExpected(name: string, expected: number | undefined, actual: number): void {
  if (expected !== undefined && expected !== actual) throw new StateConflictError(name, expected, actual);
}

/** Whether `name` lies below `prefix`. */
export function isBelow(name: string, prefix: string | undefined): boolean {
  return prefix === undefined || name.startsWith(`${prefix}/`);
}
