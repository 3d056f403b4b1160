/* What a decision may return, and what comes of it. */
import type { NewEvent } from '../core/event.js';
import type { DecisionModel, StateOf } from './decision-model.js';

/** Why nothing was decided: an expected outcome, hence a value and no error. */
export type Rejection<Reason = unknown> = { readonly rejected: Reason };

/** Says no. @example return reject('full') */
export function reject<const Reason>(reason: Reason): Rejection<Reason> {
  return { rejected: reason };
}

export function isRejection(decided: unknown): decided is Rejection {
  return typeof decided === 'object' && decided !== null && 'rejected' in decided && !('type' in decided);
}

/** What a decision may return: an event, a batch, nothing, or a rejection. */
export type Outcome = NewEvent | readonly NewEvent[] | Rejection | undefined | void;

export type DecisionModels = { readonly [name: string]: DecisionModel<unknown> };

/** A model and the name under which it takes part. */
export type Part = { readonly name: string; readonly model: DecisionModel<unknown> };

/** What the models found, by the same names. */
export type StatesOf<Models extends DecisionModels> = { -readonly [Name in keyof Models]: StateOf<Models[Name]> };

export type DecisionContext = {
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** The position up to which (inclusive) the states hold. */
  readonly head: number;
  readonly signal: AbortSignal | undefined;
};

type Decided<State> = {
  /** What the models found: the states that the decision rests on, without its own events. */
  state: State;
  /** How often it was tried, from 1. */
  attempts: number;
};

export type DecisionAppended<State, Event> = Decided<State> & {
  outcome: 'appended';
  /** The events as the decision returned them. */
  events: readonly Event[];
  /** Position of the first event. */
  first: number;
  /** Position of the last event, inclusive. */
  last: number;
  /** True when events with these ids were stored by an earlier call. */
  duplicate: boolean;
};

export type DecisionWithoutEvents<State> = Decided<State> & { outcome: 'nothing'; events: readonly [] };

export type DecisionRejected<State, Reason> = Decided<State> & { outcome: 'rejected'; rejected: Reason; events: readonly [] };

/** How a decision ended; `outcome` tells which. */
export type DecideResult<State, Returned> =
  | DecisionAppended<State, EventsIn<Returned>>
  | DecisionWithoutEvents<State>
  // A decision that never rejects has no such result to handle.
  | ([ReasonIn<Returned>] extends [never] ? never : DecisionRejected<State, ReasonIn<Returned>>);

type EventsIn<Returned> = Returned extends readonly (infer Event)[] ? Event : Returned extends NewEvent ? Returned : never;

type ReasonIn<Returned> = Returned extends Rejection<infer Reason> ? Reason : never;
