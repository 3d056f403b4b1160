/* What one event makes of the states of its keys: all of it, or an error that names the event and nothing. */
import { InvalidInputError, ProjectionFailedError } from '../core/errors.js';
import type { JsonObject, JsonValue, SequencedEvent } from '../core/event.js';
import { checkJson } from '../core/json.js';
import { isPromise, type Awaitable } from '../modelling/schema-check.js';
import { bounds } from './bounds.js';
import type { ProjectionRules } from './rules.js';
import type { Change, Table } from './table.js';

/** An event, brought up to date, and what it takes to apply it. */
export type Prepared = { readonly event: SequencedEvent; readonly keys: readonly string[]; readonly related: readonly SequencedEvent[] };

export type Changes = readonly (readonly [key: string, change: Change])[];

/** Answers at once when the states are in memory. @throws ProjectionFailedError; what loading a state throws. */
export function evolve(table: Table, rules: ProjectionRules, { event, keys, related }: Prepared): Awaitable<Changes> {
  const states = keys.map((key) => table.lookup(key));
  const finish = (loaded: readonly (JsonValue | undefined)[]): Changes =>
    failAt(rules, event, () => keys.flatMap((key, i) => changeOf(rules, event, key, loaded[i], related)));
  return states.some(isPromise) ? Promise.all(states).then(finish) : finish(states as (JsonValue | undefined)[]);
}

/** Runs what belongs to the definition: what it throws is the event's failure. */
export function failAt<T>(rules: ProjectionRules, event: SequencedEvent, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new ProjectionFailedError(rules.name, event, error);
  }
}

function changeOf(rules: ProjectionRules, event: SequencedEvent, key: string, state: JsonValue | undefined, related: readonly SequencedEvent[]): Changes {
  // It may change what it is given, and fail afterwards.
  const next = rules.evolve(state === undefined ? rules.initial(key) : copyState(state), event, key, related);
  if (next === undefined) return state === undefined ? [] : [[key, { value: undefined, bytes: key.length + 4 }]];
  if (isPromise(next)) {
    next.catch(() => undefined);
    throw new InvalidInputError('evolve', 'gives a promise. It must answer at once: what it needs besides its event comes by "related".');
  }
  const size = { least: 0, most: 0 };
  const where = `state of key ${JSON.stringify(key)}`;
  const value = checkJson(next, where, size);
  if (size.most > bounds.stateBytes) checkSize(value, where);
  rules.termsOf(next, key);
  return [[key, { value, bytes: size.least + key.length + 6 }]];
}

function checkSize(value: JsonValue, where: string): void {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > bounds.stateBytes) throw new InvalidInputError(where, `takes ${bytes} bytes as JSON; it may take ${bounds.stateBytes}. Spread it over several keys.`);
}

/** A copy that its owner may change. */
export function copyState(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(copyState);
  const copy = { ...(value as JsonObject) } as Record<string, JsonValue>;
  for (const key in copy) {
    const property = copy[key]!;
    if (typeof property === 'object' && property !== null) copy[key] = copyState(property);
  }
  return copy;
}
