/* Where events come from: ids that lead from an event to the request behind it, carried in metadata. */
import { checkStore } from '../core/check-values.js';
import type { JsonObject, JsonValue, NewEvent, SequencedEvent } from '../core/event.js';
import { InvalidInputError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { describe } from '../core/json.js';
import { versionKey } from './schema-version.js';
import { shareMarks } from './stream-marks.js';

/** Metadata for events. Ids of these two names are what others look for; any other keys may stand beside them. */
export type EventContext = {
  /** The same for everything that one request set off, however long the chain. */
  readonly correlationId?: string;
  /** What set this off directly: the id of a command or of an event. */
  readonly causationId?: string;
  readonly [key: string]: JsonValue | undefined;
};

/**
 * The same store, but every event appended through it carries `context` in its metadata: by `decide`, by streams, or directly.
 * What an event says in metadata of its own goes first. Closing it closes the store.
 *
 * @example await decide(withContext({ correlationId: request.id }, store), models, decision)
 * @throws InvalidInputError for the key `schemaVersion`, which belongs to event definitions.
 */
export function withContext(context: EventContext, store: EventStore): EventStore {
  if (!isObject(context)) throw new InvalidInputError('context', `is ${describe(context)}; it must be an object of metadata.`);
  checkStore(store, 'store');
  if (versionKey in context) throw new InvalidInputError(`context.${versionKey}`, 'is kept by event definitions. Use another key.');
  const add = (event: NewEvent): NewEvent => (isObject(event) ? { ...event, metadata: merge(context, event.metadata) } : event);
  const wrapper: EventStore = {
    append: (events, condition, options) => store.append(isList(events) ? events.map(add) : add(events), condition, options),
    read: (query, options) => store.read(query, options),
    subscribe: (query, options) => store.subscribe(query, options),
    head: () => store.head(),
    state: store.state,
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
  shareMarks(wrapper, store);
  return wrapper;
}

/** The context of what is done because of `event`: its correlation goes on, and it is the cause. */
export function causedBy(event: SequencedEvent): { correlationId: string; causationId: string } {
  if (!isObject(event) || !isObject(event.metadata)) throw new InvalidInputError('event', `is ${describe(event)}; it must be an event that a store gave.`);
  const { correlationId } = event.metadata;
  return { correlationId: typeof correlationId === 'string' ? correlationId : event.id, causationId: event.id };
}

/** Metadata that is no object is left for the store to refuse, by its path. */
function merge(context: EventContext, metadata: JsonObject | undefined): JsonObject {
  return metadata === undefined || isObject(metadata) ? { ...context, ...metadata } : metadata;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
