import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import type { CommonTagKey, EventDefinition, EventOf } from '../modelling/event-definition.js';
import type { TagOf } from '../modelling/tag.js';
import { makeRules, type ProjectionRules } from './rules.js';

/** What a state may be looked up by, besides its key. */
export type IndexValue = string | number | boolean;

/** What an `index` function may return: a value (or several, or none) for each name. */
export type IndexValues = { readonly [name: string]: IndexValue | readonly IndexValue[] | null | undefined };

/** The values that a name of an index can have. */
export type IndexValueOf<Value> = Value extends IndexValue ? Value : Value extends readonly (infer Item)[] ? Item : never;

/** Which other events each event needs; those of a whole batch are read at once. */
export type RelatedOptions<Event, Related extends EventDefinition> = {
  /** Kinds of related events, at least one. */
  events: readonly Related[];
  /** Tags that related events of `event` carry, all of them. None are read for it when undefined. */
  tags: (event: Event) => readonly TagOf<CommonTagKey<Related>>[] | undefined;
};

type CommonOptions<Event, State, Index extends IndexValues, Related extends EventDefinition> = {
  /** Under this name it is saved: one to 64 characters of a-z, 0-9, ".", "_" and "-". */
  name: string;
  /** At least 1; 1 when absent. Raise it whenever the results change: the projection is then built anew. */
  version?: number;
  /** The key, or several, whose state the event changes; none when undefined. 1 to 1,024 bytes of UTF-8. */
  key: (event: Event) => string | readonly string[] | undefined;
  /** The state of a key before its first event: plain data (copied for each key), or a function that makes it. */
  initial: State | ((key: string) => State);
  /**
   * The key's state after one more event; undefined removes the key. It must be JSON of at most 1 MiB, and depend on nothing but
   * what it is given. `related` has the earlier events that `related.tags` asks for, lowest position first.
   */
  evolve: (state: NoInfer<State>, event: Event, key: string, related: readonly EventOf<Related>[]) => NoInfer<State> | undefined;
  /** By which values `find` finds a state. Depends on nothing but what it is given. */
  index?: (state: NoInfer<State>, key: string) => Index;
  /** Earlier events that `evolve` needs besides its own. Each event sees only those before it, so building anew gives the same. */
  related?: RelatedOptions<Event, Related>;
};

export type TypedProjectionOptions<Definition extends EventDefinition, State, Index extends IndexValues, Related extends EventDefinition> = CommonOptions<
  EventOf<Definition>,
  State,
  Index,
  Related
> & {
  /** The kinds of events that it is made of, at least one; their data is brought up to date. */
  events: readonly Definition[];
  /** Tags that each of these events must carry. All events of these kinds when absent. */
  tags?: readonly TagOf<CommonTagKey<Definition>>[];
};

export type ProjectionOptions<State, Index extends IndexValues, Related extends EventDefinition> = CommonOptions<SequencedEvent, State, Index, Related> & {
  /** The events that it is made of, as they are stored. */
  query: Query;
};

/** A keyed read model: which events it is made of, and how. */
export interface Projection<State, Index extends IndexValues = IndexValues> {
  readonly name: string;
  readonly version: number;
  readonly query: Query;
  /** For the library itself: what it runs on, and what the compiler has to remember. */
  readonly '~projection': ProjectionRules & { readonly state?: State; readonly index?: Index };
}

/**
 * Defines a keyed read model. Reads nothing; `openProjection` does.
 *
 * @example
 * const courses = projection({
 *   name: 'courses', events: [CourseDefined, SeatTaken], key: (event) => event.data.courseId, initial: { teacher: '', taken: 0 },
 *   evolve: (course, event) => (event.type === 'SeatTaken' ? { ...course, taken: course.taken + 1 } : { ...course, teacher: event.data.teacher }),
 *   index: (course) => ({ teacher: course.teacher }),
 * })
 * @throws InvalidInputError
 */
export function projection<State, const Definition extends EventDefinition, Index extends IndexValues = Record<never, never>, const Related extends EventDefinition = never>(
  options: TypedProjectionOptions<Definition, State, Index, Related>,
): Projection<State, Index>;
export function projection<State, Index extends IndexValues = Record<never, never>, const Related extends EventDefinition = never>(
  options: ProjectionOptions<State, Index, Related>,
): Projection<State, Index>;
export function projection(options: object): Projection<unknown> {
  const rules = makeRules(options);
  const { name, version, query } = rules;
  return { name, version, query, '~projection': rules };
}
