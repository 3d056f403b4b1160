/* What a scenario may expect, and how what came is told from it. */
import assert from 'node:assert/strict';
import { isOpossumError, type ErrorCode } from '../../core/errors.js';
import type { JsonValue, NewEvent, SequencedEvent } from '../../core/event.js';
import { sameContent, sameJson } from '../../core/same-content.js';
import type { Rejection } from '../../modelling/decision.js';
import { isRejection } from '../../modelling/decision.js';

/** That the handler throws: an error with this code, with a message that matches, or of this class. */
export type Throwing = { readonly throws: ErrorCode | RegExp | (abstract new (...args: never[]) => Error) };

/**
 * What a command shall bring about: the events that it appends, an empty list for none, `reject(reason)`, or `{ throws }`. Of an
 * event, type, tags and data are compared; id, metadata and time stamp only where they are given.
 */
export type Expected = NewEvent | readonly NewEvent[] | Rejection | Throwing;

/** What a command brought about. */
export type ScenarioOutcome<Result> = {
  /** What it appended. */
  readonly events: readonly SequencedEvent[];
  /** What the handler returned; undefined when it threw. */
  readonly result: Result | undefined;
  /** Why it said no, when it did: its result is `reject(reason)`, or a decision that was rejected. */
  readonly rejection: Rejection | undefined;
  /** What it threw; undefined when it did not. */
  readonly error: unknown;
  readonly threw: boolean;
};

/** @throws AssertionError with `expected` and `actual`, so that test runners can show their difference. */
export function assertOutcome(outcome: ScenarioOutcome<unknown>, expected: Expected, command: string): void {
  if (isThrowing(expected)) return assertThrown(outcome, expected, command);
  if (outcome.threw) {
    fail(`${command} threw ${textOf(outcome.error)}, but ${isRejection(expected) ? 'a rejection' : 'events'} were expected.`, outcome.error, expected, outcome.error);
  }
  if (isRejection(expected)) return assertRejected(outcome, expected, command);
  const wanted: readonly NewEvent[] = Array.isArray(expected) ? (expected as readonly NewEvent[]) : [expected as NewEvent];
  if (wanted.length === outcome.events.length && wanted.every((event, i) => isSame(event, outcome.events[i]!))) return;
  const why = outcome.rejection ? ` It was rejected: ${textOf(outcome.rejection.rejected)}.` : '';
  const actual = outcome.events.map((event, i) => shown(event, wanted[i] ?? {}));
  fail(`${command} did not append what was expected.${why}\n${difference(wanted, outcome.events)}`, actual, wanted.map((event) => shown(event, event)));
}

function assertThrown(outcome: ScenarioOutcome<unknown>, { throws }: Throwing, command: string): void {
  const wanted = typeof throws === 'function' ? throws.name : String(throws);
  if (!outcome.threw) fail(`${command} was expected to throw ${wanted}, but it ${didText(outcome)}.`, didText(outcome), wanted);
  const { error } = outcome;
  const fits =
    typeof throws === 'string' ? isOpossumError(error, throws) : throws instanceof RegExp ? error instanceof Error && throws.test(error.message) : error instanceof throws;
  if (!fits) fail(`${command} was expected to throw ${wanted}, but it threw ${textOf(error)}.`, error, wanted, error);
  if (outcome.events.length > 0) fail(`${command} threw as expected, but appended all the same.\n${difference([], outcome.events)}`, outcome.events, []);
}

function assertRejected(outcome: ScenarioOutcome<unknown>, expected: Rejection, command: string): void {
  const { rejection, events } = outcome;
  if (!rejection) fail(`${command} was expected to be rejected with ${textOf(expected.rejected)}, but it ${didText(outcome)}.`, undefined, expected.rejected);
  if (events.length > 0) fail(`${command} was rejected, but appended all the same.\n${difference([], events)}`, events, []);
  if (sameReason(rejection.rejected, expected.rejected)) return;
  fail(`${command} was rejected for another reason: ${textOf(rejection.rejected)} instead of ${textOf(expected.rejected)}.`, rejection.rejected, expected.rejected);
}

function fail(message: string, actual: unknown, expected: unknown, cause?: unknown): never {
  const error = new assert.AssertionError({ message, actual, expected, operator: 'scenario', stackStartFn: assertOutcome });
  if (cause !== undefined) error.cause = cause;
  throw error;
}

function isThrowing(expected: Expected): expected is Throwing {
  return 'throws' in expected && !('type' in expected);
}

function isSame(expected: NewEvent, actual: SequencedEvent): boolean {
  const { id, metadata, timestamp, tags = [] } = expected;
  return (
    sameContent({ ...expected, tags: [...new Set(tags)] }, actual) &&
    (id === undefined || id === actual.id) &&
    (metadata === undefined || sameJson(metadata, actual.metadata)) &&
    (timestamp === undefined || timestamp === actual.timestamp)
  );
}

/** A reason is mostly plain data, but may be anything. */
function sameReason(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

/** What is compared of it. */
function shown(event: NewEvent | SequencedEvent, like: Partial<NewEvent>): NewEvent {
  return {
    type: event.type,
    tags: [...new Set(event.tags)].sort(),
    data: event.data,
    ...(like.id !== undefined && event.id !== undefined && { id: event.id }),
    ...(like.metadata !== undefined && event.metadata !== undefined && { metadata: event.metadata }),
    ...(like.timestamp !== undefined && event.timestamp !== undefined && { timestamp: event.timestamp }),
  };
}

/** Lines that both have begin with a space, what is missing with `-`, what was not expected with `+`. */
function difference(expected: readonly NewEvent[], actual: readonly SequencedEvent[]): string {
  let same = 0;
  while (same < expected.length && same < actual.length && isSame(expected[same]!, actual[same]!)) same++;
  let sameEnd = 0;
  const lengthLeft = Math.min(expected.length, actual.length) - same;
  while (sameEnd < lengthLeft && isSame(expected.at(-1 - sameEnd)!, actual.at(-1 - sameEnd)!)) sameEnd++;
  const lines = (events: readonly (NewEvent | SequencedEvent)[], mark: string, like: readonly NewEvent[]): string[] => events.map((event, i) => `${mark} ${line(event, like[i] ?? {})}`);
  const missing = expected.slice(same, expected.length - sameEnd);
  return [
    '  (- expected, + appended)',
    ...lines(expected.slice(0, same), ' ', []),
    ...lines(missing, '-', missing),
    ...lines(actual.slice(same, actual.length - sameEnd), '+', missing),
    ...lines(expected.slice(expected.length - sameEnd), ' ', []),
  ].join('\n');
}

function line(event: NewEvent | SequencedEvent, like: Partial<NewEvent>): string {
  const { type, tags = [], data, ...rest } = shown(event, like);
  const others = Object.entries(rest).map(([key, value]) => ` ${key} ${textOf(value)}`);
  return `${type}${tags.length > 0 ? ` [${tags.join(' ')}]` : ''} ${textOf(data)}${others.join('')}`;
}

function didText({ events, rejection, threw, error }: ScenarioOutcome<unknown>): string {
  if (threw) return `threw ${textOf(error)}`;
  if (rejection) return `was rejected: ${textOf(rejection.rejected)}`;
  return events.length === 0 ? 'appended nothing' : `appended ${events.map(({ type }) => type).join(', ')}`;
}

export function textOf(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value as JsonValue) ?? String(value);
  } catch {
    return String(value);
  }
}
