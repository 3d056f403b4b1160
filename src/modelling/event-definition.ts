/* The types of typed events: what a definition makes, reads and knows. */
import type { JsonObject, JsonValue, SequencedEvent } from '../core/event.js';
import type { Awaitable } from './schema-check.js';

/** An event to append, of a known type. */
export type TypedNewEvent<Type extends string = string, Data extends JsonValue = JsonValue> = {
  type: Type;
  data: Data;
  tags: readonly string[];
  id?: string;
  metadata?: JsonObject;
  timestamp?: string;
};

/** A stored event of a known type, its data in the shape of the definition's version. */
export type TypedEvent<Type extends string = string, Data extends JsonValue = JsonValue> = {
  type: Type;
  data: Data;
  tags: readonly string[];
  id: string;
  metadata: JsonObject;
  timestamp: string;
  position: number;
};

/** What a creator takes besides the data. An absent field is left to the store. */
export type EventOptions = {
  /** Idempotency key, 1 to 255 UTF-8 bytes. */
  id?: string | undefined;
  /** Anything that is not part of the fact itself. The key `schemaVersion` is taken. */
  metadata?: JsonObject | undefined;
  /** RFC 3339 in UTC. */
  timestamp?: string | undefined;
  /** Tags besides those that the definition derives. */
  tags?: readonly string[] | undefined;
};

/** A kind of event: call it to make one. */
export interface EventDefinition<Type extends string = string, Data extends JsonValue = JsonValue, Input = never, TagKey extends string = string> {
  /**
   * Makes an event: the data is validated and is what the schema gives out, the tags are derived from it. Stores nothing.
   * @throws InvalidInputError whose path is the event type and the path within the data.
   */
  (data: Input, options?: EventOptions): TypedNewEvent<Type, Data>;

  readonly type: Type;

  /** Version of the data's shape, at least 1. */
  readonly version: number;

  /**
   * Whether the event is of this type and its data has the shape of this version; false for an event of a newer version.
   * Looks at type and version only; `parse` validates the data too.
   * @throws InvalidInputError for an event of an older version: it must go through `parse` first, and false would skip it silently.
   */
  is(event: SequencedEvent): event is TypedEvent<Type, Data>;

  /**
   * The event with its data brought up to date and validated. What is stored stays as it is.
   * @throws InvalidInputError when the event is of another type or of a newer version, or its data does not fit.
   */
  parse(event: SequencedEvent): TypedEvent<Type, Data>;

  /** Makes an event like a call, also with a schema that answers asynchronously. */
  createAsync(data: Input, options?: EventOptions): Promise<TypedNewEvent<Type, Data>>;

  /** Like `parse`, also with a schema that answers asynchronously. */
  parseAsync(event: SequencedEvent): Promise<TypedEvent<Type, Data>>;

  /** For the library itself: what it reads, and what the compiler has to remember. */
  readonly '~definition': DefinitionInternals<Type, Data, TagKey>;
}

export type DefinitionInternals<Type extends string, Data extends JsonValue, TagKey extends string> = {
  /** Answers at once when the schema does. */
  parse(event: SequencedEvent): Awaitable<TypedEvent<Type, Data>>;
  /** What this definition can make of a stored event; `'newer'` is of a version yet unknown. */
  knows(event: SequencedEvent): 'current' | 'older' | 'newer' | 'other type';
  /** For inference; absent when the program runs. */
  readonly tagKey?: TagKey;
};

/** The stored event that a definition describes. @example type Defined = EventOf<typeof CourseDefined> */
export type EventOf<Definition extends EventDefinition> = Definition extends EventDefinition<infer Type, infer Data> ? TypedEvent<Type, Data> : never;

/** The tag keys that events of every one of these definitions carry: an item's tags must all be there to match. */
export type CommonTagKey<Definition extends EventDefinition> = (
  Definition extends EventDefinition<string, JsonValue, never, infer Key> ? (key: Key) => void : never
) extends (key: infer Common extends string) => void
  ? Common
  : never;
