/*
 * Aggregates on streams: load, decide, save, and again when somebody else saved meanwhile. Promises: a decision rested on all
 * events of its stream, and none came between its load and its save.
 */
import { checkFields, checkFunction } from '../core/check-values.js';
import { isOpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { NewEvent } from '../core/event.js';
import { isRejection } from './decision.js';
import type { EventDefinition, EventOf, TypedNewEvent } from './event-definition.js';
import { makeFold, type Loaded } from './repository-fold.js';
import type { DomainEvent, NewEventOf, UpdateContext, UpdateOptions, UpdateOutcome, UpdateResult } from './repository-update.js';
import { retryOnConflict, type RetryOptions } from './retry.js';
import { stream } from './stream.js';

type CommonOptions<State> = {
  store: EventStore;
  /** The id of the stream that holds an aggregate's events. Two aggregates must not have one stream. */
  streamOf: (id: string) => string;
  /** The state before any event: plain data (copied for each load), or a function that makes it. */
  initial: State | (() => State);
  /** How `update` retries; its own options go first. */
  retry?: Omit<RetryOptions, 'isConflict' | 'signal'>;
};

export type RepositoryOptions<State, Event extends DomainEvent> = CommonOptions<State> & {
  /** The state after one more event. Gets every event of the stream: for a type that it does not know it must return the state as it is. */
  evolve: (state: NoInfer<State>, event: Event) => NoInfer<State>;
};

export type TypedRepositoryOptions<State, Definition extends EventDefinition> = CommonOptions<State> & {
  /** The kinds of events that the state is made of, at least one. Events of other types count as versions and are passed over. */
  events: readonly Definition[];
  /** The state after one more event, its data brought up to date. */
  evolve: (state: NoInfer<State>, event: EventOf<Definition>) => NoInfer<State>;
};

export interface Repository<State, Event> {
  /**
   * Reads an aggregate. One without events has the initial state and version 0.
   *
   * @throws InvalidInputError when a stored event does not fit its definition; what `EventStore.read` throws.
   */
  load(id: string, options?: { signal?: AbortSignal }): Promise<Loaded<State>>;

  /**
   * Loads an aggregate, decides and saves. When others appended to its stream meanwhile, it does so again, after a delay.
   * What is decided is appended as one batch, durable as `EventStore.append` says.
   *
   * @param decide Returns an event, a batch, nothing (undefined or an empty batch), or `reject(reason)`. It may be called several
   *   times, so it must do nothing but decide. What it throws comes out as it is, and nothing is appended.
   * @example await courses.update('c1', (course) => (course.seats > 0 ? SeatTaken({ courseId: 'c1' }) : reject('full')))
   * @throws WrongExpectedVersionError when all attempts lost a race; what `load` and `EventStore.append` throw (after a
   *   StorageFailedError with the outcome `'unknown'`, update again: a fresh load tells whether it was stored); `signal.reason`.
   */
  update<const Returned extends UpdateOutcome<Event>>(
    id: string,
    decide: (state: State, context: UpdateContext) => Returned | Promise<Returned>,
    options?: UpdateOptions,
  ): Promise<UpdateResult<State, Returned>>;
}

/**
 * Makes a repository of aggregates, each with a stream of its own. Types come from `events`, or else from what `evolve` says that it takes.
 *
 * @example
 * const courses = repository({
 *   store, streamOf: (id) => `course-${id}`, events: [CourseDefined, SeatTaken], initial: { seats: 0 },
 *   evolve: (course, event) => (event.type === 'CourseDefined' ? { seats: event.data.seats } : { seats: course.seats - 1 }),
 * })
 * @throws InvalidInputError
 */
export function repository<State, const Definition extends EventDefinition>(
  options: TypedRepositoryOptions<State, Definition>,
): Repository<State, Definition extends EventDefinition<infer Type, infer Data> ? TypedNewEvent<Type, Data> : never>;
export function repository<State, Event extends DomainEvent>(options: RepositoryOptions<State, Event>): Repository<State, NewEventOf<Event>>;
export function repository<State>(
  options: CommonOptions<State> & { events?: readonly EventDefinition[]; evolve: (state: State, event: never) => State },
): Repository<State, NewEvent> {
  const { store, streamOf, retry, ...folding } = checkFields(options, 'repository', optionKeys, 'a repository') as typeof options;
  checkFunction(streamOf, 'repository.streamOf');
  const fold = makeFold(folding);

  const load = async (id: string, { signal }: { signal?: AbortSignal } = {}): Promise<Loaded<State>> => {
    const events = stream(store, streamOf(id)).read(signal && { signal });
    return fold(events);
  };

  return {
    load,

    async update(id, decide, updateOptions = {}) {
      checkFields(updateOptions, 'options', updateKeys, 'the options of update');
      const target = stream(store, streamOf(id));
      const { signal } = updateOptions;
      let lost: unknown;

      const attempt = async (number: number): Promise<UpdateResult<State, UpdateOutcome<NewEvent>>> => {
        const { state, version } = await fold(target.read(signal && { signal }));
        const decided = await decide(state, { version, attempt: number, signal });
        const done = { state, version, attempts: number };
        if (isRejection(decided)) return { ...done, outcome: 'rejected', rejected: decided.rejected, events: [] };
        const events = toBatch(decided);
        if (events.length === 0) return { ...done, outcome: 'nothing', events: [] };
        try {
          const appended = await target.append(events, { expectedVersion: version, ...(signal && { signal }) });
          return { ...done, outcome: 'appended', events, ...appended };
        } catch (error) {
          // Noted here: what the decision itself throws may look like a conflict, and must come out as it is.
          if (isOpossumError(error, 'WRONG_EXPECTED_VERSION')) lost = error;
          throw error;
        }
      };

      const result = await retryOnConflict(attempt, { ...retry, ...updateOptions, isConflict: (error) => lost !== undefined && error === lost });
      return result as UpdateResult<State, never>;
    },
  };
}

const optionKeys = new Set(['store', 'streamOf', 'initial', 'events', 'evolve', 'retry']);
const updateKeys = new Set(['maxAttempts', 'baseDelayMs', 'maxDelayMs', 'signal', 'sleep', 'random', 'onRetry']);

function toBatch(decided: NewEvent | readonly NewEvent[] | undefined | void): readonly NewEvent[] {
  if (decided === undefined) return [];
  return isBatch(decided) ? decided : [decided];
}

function isBatch(decided: NewEvent | readonly NewEvent[]): decided is readonly NewEvent[] {
  return Array.isArray(decided);
}
