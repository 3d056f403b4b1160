/*
 * Typed events. Data is validated when an event is made and again when it is read, since other programs and older versions of
 * this one write to the same store. Promises that what is stored is never changed: versions are brought up to date on reading.
 */
import { checkFields, isText, refuseText } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { JsonValue, SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { limits } from '../core/limits.js';
import { sameJson } from '../core/same-content.js';
import type { EventDefinition, EventOptions, TypedEvent, TypedNewEvent } from './event-definition.js';
import { andThen, applySchema, checkSchema, expectSync, type Awaitable } from './schema-check.js';
import { versionKey, versionOf, withVersion } from './schema-version.js';
import type { StandardSchemaV1 } from './standard-schema.js';
import { derivedTags, type DerivedTags, type TagKeysIn } from './tag.js';
import { applyUpcasts, checkVersions, type Upcasts } from './upcast.js';

export type DefineEventOptions<Data, Tags extends DerivedTags> = {
  /** Derives the tags from the data: a list, or an object of keys and values. None when absent. */
  tags?: (data: Data) => Tags;
  /** Version of the data's shape, at least 1; 1 when absent. Raise it when older data no longer fits the schema. */
  version?: number;
  /** A step for each older version, by the version that it starts from. */
  upcasts?: Upcasts;
};

/** What is stored is validated again on reading, so a schema that turns text into a number, say, could not read its own events. */
type AcceptsItsOutput<Schema extends StandardSchemaV1> =
  StandardSchemaV1.InferOutput<Schema> extends StandardSchemaV1.InferInput<Schema> ? unknown : { 'the schema must accept its own output': never };

/**
 * Defines a kind of event by its type, a schema for its data (zod, valibot, arktype or any other Standard Schema) and its tags.
 *
 * @param type What happened, 1 to 1,024 UTF-8 bytes.
 * @param schema Its output is what is stored: JSON, and accepted unchanged by the schema itself.
 * @example const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), seats: z.int() }), { tags: (data) => ({ course: data.courseId }) })
 * @throws InvalidInputError
 */
export function defineEvent<const Type extends string, Schema extends StandardSchemaV1<unknown, JsonValue>, Tags extends DerivedTags = Record<never, never>>(
  type: Type,
  schema: Schema & AcceptsItsOutput<Schema>,
  options: DefineEventOptions<StandardSchemaV1.InferOutput<Schema>, Tags> = {},
): EventDefinition<Type, StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>, TagKeysIn<Tags>> {
  type Data = StandardSchemaV1.InferOutput<Schema>;
  type Input = StandardSchemaV1.InferInput<Schema>;
  if (!isText(type, limits.typeBytes)) refuseText(type, 'type', limits.typeBytes);
  checkSchema(schema, `schema of ${type}`);
  checkFields(options, `${type} options`, optionKeys, 'the options of an event definition');
  const { tags = () => [], version = 1, upcasts = {} } = options;
  checkVersions(version, upcasts, type);
  const outputSchema = schema as StandardSchemaV1<unknown, Data>;

  const make = (input: Input, given: EventOptions = {}): Awaitable<TypedNewEvent<Type, Data>> => {
    checkFields(given, `${type} options`, eventOptionKeys, "an event's options");
    return andThen(stableOutput(outputSchema, input, () => `${type}.data`), (data) => {
      const derived = derivedTags(tags(data), `${type}.tags`);
      return assemble({ type, data, tags: given.tags ? [...new Set([...derived, ...given.tags])] : derived }, version, given);
    });
  };

  const knows = (event: SequencedEvent): 'current' | 'older' | 'newer' | 'other type' => {
    if (event.type !== type) return 'other type';
    const stored = versionOf(event);
    return stored === version ? 'current' : stored < version ? 'older' : 'newer';
  };

  const parse = (event: SequencedEvent): Awaitable<TypedEvent<Type, Data>> => {
    const known = knows(event);
    const where = (): string => `event ${event.position} (${type}).data`;
    // The rule; every event of every decision goes through here.
    if (known === 'current') return andThen(applySchema(outputSchema, event.data, where), (data) => withData(event, type, data));
    if (known === 'other type') throw new InvalidInputError(`event ${event.position}`, `has the type ${describe(event.type)}, not ${describe(type)}.`);
    const stored = versionOf(event);
    if (known === 'newer') throw new InvalidInputError(where(), `has version ${stored}; this program knows it up to version ${version}. Update the program.`);
    const upToDate = andThen(applyUpcasts(upcasts, stored, version, event.data, where), (data) => applySchema(outputSchema, data, where));
    return andThen(upToDate, (data) => ({ ...event, type, data, metadata: withVersion(event.metadata, version) }));
  };

  const create = (data: Input, given?: EventOptions): TypedNewEvent<Type, Data> => expectSync(make(data, given), type, 'Use createAsync.');
  return Object.assign(create, {
    type,
    version,
    is: (event: SequencedEvent): event is TypedEvent<Type, Data> => isCurrent(event, knows(event), version),
    parse: (event: SequencedEvent) => expectSync(parse(event), type, 'Use parseAsync.'),
    createAsync: async (data: Input, given?: EventOptions) => make(data, given),
    parseAsync: async (event: SequencedEvent) => parse(event),
    '~definition': { parse, knows },
  });
}

/** The rule is an event without more than its fields: spreading takes ten times as long, and every event of every decision goes through here. */
function withData<Type extends string, Data extends JsonValue>(event: SequencedEvent, type: Type, data: Data): TypedEvent<Type, Data> {
  if (Object.keys(event).length !== eventFieldCount) return { ...event, type, data };
  const { position, tags, id, metadata, timestamp } = event;
  return { position, type, data, tags, id, metadata, timestamp };
}

const eventFieldCount = 7;
const optionKeys = new Set(['tags', 'version', 'upcasts']);
const eventOptionKeys = new Set(['id', 'metadata', 'timestamp', 'tags']);

/** The schema's output; if it differs from the input, the schema must leave it alone when it is read again. */
function stableOutput<Data extends JsonValue>(schema: StandardSchemaV1<unknown, Data>, input: unknown, where: () => string): Awaitable<Data> {
  return andThen(applySchema(schema, input, where), (data) => {
    if (sameJson(data, input as JsonValue)) return data;
    return andThen(applySchema(schema, data, () => `${where()} (read again)`), (again) => {
      if (sameJson(again, data)) return data;
      throw new InvalidInputError(where(), 'is changed by its schema each time it passes through it, so reading would not give what was stored. Change the data before creating the event.');
    });
  });
}

function assemble<Type extends string, Data extends JsonValue>(
  event: TypedNewEvent<Type, Data>,
  version: number,
  { id, metadata, timestamp }: EventOptions,
): TypedNewEvent<Type, Data> {
  if (metadata && versionKey in metadata) {
    throw new InvalidInputError(`${event.type}.metadata.${versionKey}`, 'is kept by the event definition. Use another key.');
  }
  if (id !== undefined) event.id = id;
  if (timestamp !== undefined) event.timestamp = timestamp;
  if (metadata !== undefined) event.metadata = metadata;
  // Version 1 goes without saying, so that plain events and typed ones look the same.
  if (version > 1) event.metadata = withVersion(metadata, version);
  return event;
}

function isCurrent(event: SequencedEvent, known: 'current' | 'older' | 'newer' | 'other type', version: number): boolean {
  if (known !== 'older') return known === 'current';
  throw new InvalidInputError(
    `event ${event.position} (${event.type})`,
    `is stored in version ${versionOf(event)} of its data, which is at version ${version} now. Bring it up to date first, with parse() or parseEvents().`,
  );
}
