import { checkFields, checkFunction } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import type { Query } from '../core/query.js';
import type { CommonTagKey, EventDefinition, EventOf } from './event-definition.js';
import { definitionsByType } from './parse-events.js';
import { andThen, type Awaitable } from './schema-check.js';
import type { TagOf } from './tag.js';
import { query } from './typed-query.js';

/** A question that a decision asks of the events: a fold over those that its query matches. */
export interface DecisionModel<State> {
  /** For messages; undefined when it has none. */
  readonly name: string | undefined;
  readonly query: Query;
  /** The state before any event, a new one each time. */
  initial(): State;
  /** The state after one more event, which the query must match. Answers at once when the event's schema does. */
  apply(state: State, event: SequencedEvent): Awaitable<State>;
}

export type StateOf<Model extends DecisionModel<unknown>> = ReturnType<Model['initial']>;

export type DecisionModelOptions<State, Definition extends EventDefinition> = {
  /** For messages; what it is called in `decide` when absent. */
  name?: string;
  /** The kinds of events that the answer rests on, at least one. */
  events: readonly Definition[];
  /** Tags that each of these events must carry. All events of these kinds when absent. */
  tags?: readonly TagOf<CommonTagKey<Definition>>[];
  /** The state before any event: plain data (copied for each use), or a function that makes it. */
  initial: State | (() => State);
  /** For each kind of event, by its type: the state after it. Data is of the definition's version. */
  handlers: { readonly [Type in Definition['type']]: (state: NoInfer<State>, event: EventOf<Extract<Definition, { readonly type: Type }>>) => NoInfer<State> };
};

/**
 * Makes a decision model: a small fold over the events of some kinds with some tags. Reads nothing; `decide` does.
 *
 * @example const seatsTaken = (id: string) => decisionModel({ events: [SeatTaken], tags: [tag('course', id)], initial: 0, handlers: { SeatTaken: (taken) => taken + 1 } })
 * @throws InvalidInputError
 */
export function decisionModel<State, const Definition extends EventDefinition>(options: DecisionModelOptions<State, Definition>): DecisionModel<State> {
  const { name, events, tags, initial, handlers } = checkFields(options, 'decision model', optionKeys, 'a decision model') as typeof options;
  const where = name === undefined ? 'decision model' : `decision model ${JSON.stringify(name)}`;
  const definitions = definitionsByType(events, `${where} events`);
  checkHandlers(handlers, definitions, where);
  const handlerOf = handlers as unknown as Record<string, (state: State, event: SequencedEvent) => State>;
  return {
    name,
    query: query<EventDefinition>(tags === undefined ? { events } : { events, tags }),
    initial: makeInitial(initial, where),
    apply(state, event) {
      const definition = definitions.get(event.type);
      if (!definition) throw new InvalidInputError(`event ${event.position}`, `has the type ${describe(event.type)}, which ${where} does not handle.`);
      return andThen(definition['~definition'].parse(event), (parsed) => handlerOf[event.type]!(state, parsed));
    },
  };
}

const optionKeys = new Set(['name', 'events', 'tags', 'initial', 'handlers']);

/** A handler that is never called, or an event that nobody handles, is a slip that the compiler cannot show to users of JavaScript. */
function checkHandlers(handlers: object, definitions: ReadonlyMap<string, EventDefinition>, where: string): void {
  checkFields(handlers, `${where} handlers`, new Set(definitions.keys()), 'the handlers');
  for (const type of definitions.keys()) {
    const handler: unknown = Object.hasOwn(handlers, type) ? (handlers as Record<string, unknown>)[type] : undefined;
    checkFunction(handler, `${where} handlers[${JSON.stringify(type)}]`);
  }
}

/** A handler may change the state that it is given: a second attempt must not begin with what the first one left. */
export function makeInitial<State>(initial: State | (() => State), where: string): () => State {
  if (typeof initial === 'function') return initial as () => State;
  if (typeof initial !== 'object' || initial === null) return () => initial;
  const copied = copyOf(initial, where);
  if (Object.getPrototypeOf(copied) !== Object.getPrototypeOf(initial)) throw uncopiable(initial, where);
  return () => structuredClone(copied);
}

function copyOf<State>(initial: State, where: string): State {
  try {
    return structuredClone(initial);
  } catch (error) {
    throw uncopiable(initial, where, error);
  }
}

function uncopiable(initial: unknown, where: string, cause?: unknown): InvalidInputError {
  return new InvalidInputError(`${where} initial`, `is ${describe(initial)} that cannot be copied. Give a function that makes a new one.`, cause);
}
