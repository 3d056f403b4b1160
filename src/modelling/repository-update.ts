/* What a decision on an aggregate may return, and what comes of it. */
import type { JsonValue, NewEvent } from '../core/event.js';
import type { Rejection } from './decision.js';
import type { RetryOptions } from './retry.js';

/** What an aggregate's state is made of: any events with a type and data. */
export type DomainEvent = { readonly type: string; readonly data: JsonValue };

/** An event to append, for each kind of `Event`. */
export type NewEventOf<Event extends DomainEvent> = Event extends DomainEvent
  ? Omit<NewEvent, 'type' | 'data'> & { type: Event['type']; data: Event['data'] }
  : never;

export type UpdateContext = {
  /** Version of the last event that the state is made of, 0 when there is none. */
  readonly version: number;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  readonly signal: AbortSignal | undefined;
};

export type UpdateOptions = Omit<RetryOptions, 'isConflict'>;

/** What a decision on an aggregate may return: an event, a batch, nothing, or `reject(reason)`. */
export type UpdateOutcome<Event> = Event | readonly Event[] | Rejection | undefined | void;

type Updated<State> = {
  /** The state that the decision rests on, without its own events. */
  state: State;
  /** How often it was tried, from 1. */
  attempts: number;
};

export type UpdateAppended<State, Event> = Updated<State> & {
  outcome: 'appended';
  /** The events as the decision returned them. */
  events: readonly Event[];
  /** Version of the last of these events. */
  version: number;
  /** Position of the first event. */
  first: number;
  /** Position of the last event, inclusive. */
  last: number;
  /** True when events with these ids were stored by an earlier call. */
  duplicate: boolean;
};

export type UpdateWithoutEvents<State> = Updated<State> & { outcome: 'nothing'; events: readonly []; version: number };

export type UpdateRejected<State, Reason> = Updated<State> & { outcome: 'rejected'; rejected: Reason; events: readonly []; version: number };

/** How an update ended; `outcome` tells which. */
export type UpdateResult<State, Returned> =
  | UpdateAppended<State, EventsIn<Returned>>
  | UpdateWithoutEvents<State>
  // A decision that never rejects has no such result to handle.
  | ([ReasonIn<Returned>] extends [never] ? never : UpdateRejected<State, ReasonIn<Returned>>);

type EventsIn<Returned> = Returned extends readonly (infer Event)[] ? Event : Returned extends DomainEvent ? Returned : never;
type ReasonIn<Returned> = Returned extends Rejection<infer Reason> ? Reason : never;
