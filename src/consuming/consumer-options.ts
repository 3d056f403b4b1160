/* What a consumer is told: the types that its caller sees. `check-options.ts` holds users of JavaScript to the same. */
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import type { CommonTagKey, EventDefinition, EventOf } from '../modelling/event-definition.js';
import type { RetryOptions } from '../modelling/retry.js';
import type { TagOf } from '../modelling/tag.js';
import type { DeadLetter } from './dead-letters.js';

export type HandleContext = {
  /** How often the handler was called for this event since it was taken in hand, this call included. */
  readonly attempt: number;
  /**
   * Aborts when another process may have taken over: give up what is under way, the event is handled there. Also aborts when the
   * store is closed. Not when the consumer is asked to stop: the event in hand is finished then.
   */
  readonly signal: AbortSignal;
};

/** Which events: those that a query matches, as they are stored. */
export type ConsumedQuery = { query: Query; events?: never; tags?: never };

/** Which events: those of some kinds, brought up to date, with all of some tags. */
export type ConsumedKinds<Definition extends EventDefinition> = {
  /** At least one. An event that its definition cannot take (by its schema, or of a newer version) is parked without being tried again. */
  events: readonly Definition[];
  /** Tags that each of these events must carry. All events of these kinds when absent. */
  tags?: readonly TagOf<CommonTagKey<Definition>>[];
  query?: never;
};

/** One call for each event. What the handler returns is awaited; that it returns means that the event is handled. */
export type HandleEach<Event> = {
  handle: (event: Event, context: HandleContext) => unknown;
  /** How many calls may be under way at a time, at least 1; 1 when absent: one event after another, in order. */
  concurrency?: number;
  /** With a `concurrency` above 1: events that this gives the same text are handled in order, one at a time. No order at all when absent. An event for which it throws is parked. */
  partitionBy?: (event: Event) => string;
  handleBatch?: never;
  batchSize?: never;
};

/** One call for several events, in order. A batch that fails on all attempts is handled again event by event, so that only those that fail are parked. */
export type HandleBatches<Event> = {
  handleBatch: (events: readonly Event[], context: HandleContext) => unknown;
  /** The most events of a batch, at least 1; 100 when absent. A batch has what is there, and never waits to be full. */
  batchSize?: number;
  handle?: never;
  concurrency?: never;
  partitionBy?: never;
};

export type Handling<Event> = HandleEach<Event> | HandleBatches<Event>;

export type CommonConsumerOptions = {
  /** As a context's name. Consumers of one name, in all processes, share one checkpoint, and one of them is active at a time. */
  name: string;
  /**
   * Where to begin when there is no checkpoint of that name yet: with the store's first event (default), after its last one, or
   * after a position (exclusive, at least 0).
   */
  startAt?: 'beginning' | 'end' | { after: number };
  /** What becomes of an event whose attempts are used up: it is parked in the dead letters (default), or the consumer stops with the handler's error. */
  onFailure?: 'park' | 'stop';
  /** How often to call the handler for an event in all, at least 1; 10 when absent. */
  maxAttempts?: number;
  /** Milliseconds: the first delay is random from 0 (inclusive) to this (exclusive), and the bound doubles with each attempt; 100 when absent. */
  baseDelayMs?: number;
  /** Milliseconds that the doubling bound never exceeds; 30,000 when absent. */
  maxDelayMs?: number;
  /** While busy the checkpoint is saved after so many events, at least 1; 100 when absent. It is always saved when no event is left and on stopping, and about once a minute behind events that do not match. */
  checkpointEvery?: number;
  /** Milliseconds: and also when so long has passed since it was saved; 1,000 when absent. */
  checkpointEveryMs?: number;
  /** Aborting stops the consumer as `stop` does. */
  signal?: AbortSignal;
  /** Waits between attempts; rejects when `signal` aborts. A timer when absent. */
  sleep?: NonNullable<RetryOptions['sleep']>;
  /** From 0 (inclusive) to 1 (exclusive); `Math.random` when absent. */
  random?: () => number;
  /** Milliseconds since 1970, for the time stamps of checkpoints and dead letters; `Date.now` when absent. */
  now?: () => number;
  /** Called before each delay. What it throws stops the consumer, as with the other hooks; none of them is awaited. */
  onRetry?: (info: { attempt: number; delayMs: number; error: unknown; positions: readonly number[] }) => void;
  /** Called when an event is in the dead letters. */
  onParked?: (letter: DeadLetter) => void;
  /**
   * Called when something else than the handler failed, and with what stops the consumer: `willRetry` is false for that, and
   * `stopped` rejects with it, too.
   */
  onError?: (error: unknown, info: { willRetry: boolean }) => void;
};

export type ConsumerOptions = CommonConsumerOptions & ConsumedQuery & Handling<SequencedEvent>;
export type TypedConsumerOptions<Definition extends EventDefinition> = CommonConsumerOptions & ConsumedKinds<Definition> & Handling<EventOf<Definition>>;
