/* Commands by name, for those who like one door for everything that may be asked. A record of functions is all there is to it. */
import { checkStore } from '../core/check-values.js';
import { checkFields, checkFunction, isText, refuseText } from '../core/check-values.js';
import { systemDefaults } from '../core/defaults.js';
import { InvalidInputError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { JsonObject } from '../core/event.js';
import { checkJsonObject, describe } from '../core/json.js';
import { limits } from '../core/limits.js';
import { withContext } from './context.js';
import { applySchema, checkSchema, type Awaitable } from './schema-check.js';
import type { StandardSchemaV1 } from './standard-schema.js';

/** What a handler learns about the command besides its payload. */
export type CommandContext = {
  /** The name under which the command was dispatched. */
  readonly name: string;
  /** Id of this command: `causationId` of its events. */
  readonly id: string;
  /** The same for everything that one request set off. */
  readonly correlationId: string;
  /** As given to `dispatch`; without keys when none was given. */
  readonly metadata: JsonObject;
  readonly signal: AbortSignal | undefined;
};

/** Does what a command asks. Every event appended through its `store` says where it comes from. */
export type CommandHandler<Payload = never, Result = unknown> = (store: EventStore, payload: Payload, context: CommandContext) => Awaitable<Result>;

export type CommandHandlers = { readonly [name: string]: CommandHandler };

/** What a handler is called with. */
export type CommandPayload<Handler extends CommandHandler> = [Handler] extends [CommandHandler<infer Payload>] ? Payload : never;

/** What a handler answers. */
export type CommandResult<Handler extends CommandHandler> = Awaited<ReturnType<Handler>>;

export type CommandOptions = {
  /** Id of the command, 1 to 255 UTF-8 bytes; a fresh one when absent. Its events carry it as `causationId`. */
  id?: string | undefined;
  /** 1 to 255 UTF-8 bytes; the command's id when absent. Its events carry it. */
  correlationId?: string | undefined;
  /** More metadata for its events, such as who asked. */
  metadata?: JsonObject | undefined;
  /** Handed on to the handler. Aborted already, nothing is begun. */
  signal?: AbortSignal | undefined;
};

export type CommandsOptions = {
  /** Makes the ids of commands that come without; UUIDs when absent. */
  newId?: () => string;
};

/**
 * Has the handler of this name do what it is for, and answers what it answers.
 *
 * @throws InvalidInputError for a name that has no handler, for options that break a rule, and for a payload that does not fit
 *   the command's schema; whatever the handler throws; `signal.reason`.
 */
export type Dispatch<Handlers extends CommandHandlers> = <Name extends keyof Handlers & string>(
  name: Name,
  ...rest: ArgumentsFor<CommandPayload<Handlers[Name]>>
) => Promise<CommandResult<Handlers[Name]>>;

/** A handler that needs no payload is dispatched without. */
type ArgumentsFor<Payload> = undefined extends Payload ? [payload?: Payload, options?: CommandOptions] : [payload: Payload, options?: CommandOptions];

/**
 * Makes a dispatcher: a function that takes the name of a command and its payload. Types of payload and result come from the
 * handler of that name. Durability and conflicts are the handler's business; `decide` looks after both.
 *
 * @param handlers By the names of their commands, at least one.
 * @example
 * const dispatch = commands(store, { enrol: (store, { courseId }: Enrol) => decide(store, { seats: seatsOf(courseId) }, …) })
 * const result = await dispatch('enrol', { courseId: 'c1' }, { correlationId: request.id })
 * @throws InvalidInputError
 */
export function commands<Handlers extends CommandHandlers>(store: EventStore, handlers: Handlers, options: CommandsOptions = {}): Dispatch<Handlers> {
  checkStore(store, 'store');
  const { newId = systemDefaults.newId } = checkFields(options, 'options', dispatcherKeys, 'the options of a dispatcher') as CommandsOptions;
  const byName = handlersByName(handlers);

  const dispatch = async (name: string, payload?: unknown, given: CommandOptions = {}): Promise<unknown> => {
    const handler = byName.get(name);
    if (!handler) throw new InvalidInputError('command', `is ${describe(name)}, which has no handler; the commands are ${[...byName.keys()].join(', ')}.`);
    const context = contextOf(name, given, newId);
    context.signal?.throwIfAborted();
    const { id, correlationId, metadata } = context;
    return handler(withContext({ ...metadata, correlationId, causationId: id }, store), payload as never, context);
  };
  return dispatch as Dispatch<Handlers>;
}

/**
 * Makes a handler that checks its payload first. The payload's type comes from the schema (any Standard Schema): the handler gets
 * what the schema gives out, and callers give what it takes.
 *
 * @throws InvalidInputError, when it is called, whose path is the command's name and the path within the payload.
 * @example commands(store, { enrol: command(z.object({ courseId: z.string() }), (store, { courseId }) => …) })
 */
export function command<Schema extends StandardSchemaV1, Result>(
  schema: Schema,
  handle: CommandHandler<StandardSchemaV1.InferOutput<Schema>, Result>,
): (store: EventStore, payload: StandardSchemaV1.InferInput<Schema>, context: CommandContext) => Promise<Result> {
  checkSchema(schema, 'schema');
  checkFunction(handle, 'handle');
  const outputSchema = schema as StandardSchemaV1<unknown, StandardSchemaV1.InferOutput<Schema>>;
  return async (store, payload, context) => handle(store, await applySchema(outputSchema, payload, () => context.name), context);
}

const dispatcherKeys = new Set(['newId']);
const commandKeys = new Set(['id', 'correlationId', 'metadata', 'signal']);

/** A map, so that a name such as "constructor" finds nothing that nobody put there. */
function handlersByName(handlers: CommandHandlers): ReadonlyMap<string, CommandHandler> {
  if (typeof handlers !== 'object' || handlers === null) throw new InvalidInputError('commands', `are ${describe(handlers)}; give an object of names and handlers.`);
  const byName = new Map(Object.entries(handlers));
  if (byName.size === 0) throw new InvalidInputError('commands', 'are none. Give at least one handler.');
  for (const [name, handler] of byName) checkFunction(handler, `commands[${JSON.stringify(name)}]`);
  return byName;
}

function contextOf(name: string, options: CommandOptions, newId: () => string): CommandContext {
  checkFields(options, 'options', commandKeys, 'the options of a command');
  const { id = newId(), signal } = options;
  const { correlationId = id } = options;
  if (!isText(id, limits.idBytes)) refuseText(id, 'options.id', limits.idBytes);
  if (!isText(correlationId, limits.idBytes)) refuseText(correlationId, 'options.correlationId', limits.idBytes);
  const metadata = checkJsonObject(options.metadata ?? {}, 'options.metadata', { least: 0, most: 0 });
  return { name, id, correlationId, metadata, signal };
}
