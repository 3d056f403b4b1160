import type { AppendCondition } from './condition.js';
import type { NewEvent, SequencedEvent } from './event.js';
import type { Query } from './query.js';
import type { StateStore } from './state-store.js';

/** An append-only sequence of events with Dynamic Consistency Boundaries (dcb.events). */
export interface EventStore extends AsyncDisposable {
  /**
   * Appends one event or a batch, all or nothing. When the promise resolves the events are durable
   * (see the store's `durability`) and every later read, in any process, returns them.
   *
   * The same batch again (same ids and content) returns the original positions with `duplicate: true`.
   *
   * @example await store.append({ type: 'CourseDefined', tags: ['course:c1'], data: { seats: 10 } })
   * @throws AppendConditionFailedError, EventIdConflictError, InvalidInputError, LockTimeoutError, PositionAheadError,
   *   StorageFailedError, StoreClosedError; `options.signal.reason` when aborted before the events were written.
   */
  append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult>;

  /**
   * Reads the events that match `query` (all when absent) in order of position: a snapshot, fixed when the stream
   * is first used. Never waits for appends.
   *
   * @example for await (const event of store.read({ items: [{ tags: ['course:c1'] }] })) console.log(event.type)
   * @throws InvalidInputError at once; LedgerCorruptError, PositionAheadError, StorageFailedError, StoreClosedError while iterating.
   */
  read(query?: Query, options?: ReadOptions): EventStream;

  /**
   * Reads like `read`, then goes on with every new matching event, whichever process appends it: each once, in order.
   * Ends quietly when `signal` aborts or the store closes.
   */
  subscribe(query?: Query, options?: SubscribeOptions): EventStream;

  /** Position of the last durable event, 0 when there is none. */
  head(): Promise<number>;

  /** Where consumers and projections of this store keep their checkpoints and results. */
  readonly state: StateStore;

  /** Lets queued appends finish, ends subscriptions and frees what the store holds. Safe to call twice. */
  close(): Promise<void>;
}

/** Events of one read or subscription. Iterating it again reads the same snapshot again. */
export interface EventStream extends AsyncIterable<SequencedEvent> {
  /** All events; they must fit into memory. */
  toArray(): Promise<SequencedEvent[]>;
  /** The first event, and nothing is read beyond it. */
  first(): Promise<SequencedEvent | undefined>;
  /**
   * A position H such that everything that matches up to H is in this read: the value for a condition's `after`.
   * For a read cut short by `limit`, use the position of its last event instead.
   */
  head(): Promise<number>;
}

export type AppendOptions = { signal?: AbortSignal };

export type ReadOptions = {
  /** Exclusive lower bound. */
  after?: number;
  /** Exclusive upper bound. */
  before?: number;
  /** At most so many events; at least 1. */
  limit?: number;
  /** From the highest position to the lowest. */
  backwards?: boolean;
  /** Aborting rejects the read with `signal.reason`. */
  signal?: AbortSignal;
};

export type SubscribeOptions = {
  /** Exclusive lower bound; 0 when absent. */
  after?: number;
  /** Aborting ends the subscription quietly. */
  signal?: AbortSignal;
  /** Called once, when every event up to `head` was handed out and the subscription goes on live. */
  onCaughtUp?: (head: number) => void;
};

export type AppendResult = {
  /** Position of the batch's first event. */
  first: number;
  /** Position of the batch's last event, inclusive. */
  last: number;
  /** True when the batch was stored by an earlier call: nothing was appended now. */
  duplicate: boolean;
};
