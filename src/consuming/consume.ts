/*
 * Doing something for every event, once it is there: at least once, in order, from a durable checkpoint, by one process at a time.
 * Promises: an event that matches is handled, or in the dead letters, before the checkpoint passes it. What is not promised is
 * exactly once: who was handed an event and died before the checkpoint was saved is handed it again, and when a process stalls,
 * two may handle the same event for a moment. `position` and `id` tell a repetition.
 */
import { checkStore } from '../core/check-values.js';
import { checkFields } from '../core/check-values.js';
import { systemDefaults } from '../core/defaults.js';
import { InvalidInputError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { checkName } from '../core/names.js';
import type { EventDefinition, EventOf } from '../modelling/event-definition.js';
import { checkConsumerOptions, checkHandler, type AnyOptions } from './check-options.js';
import { leaseName } from './checkpoint.js';
import { StoreConsumer } from './consumer.js';
import type { ConsumedKinds, ConsumedQuery, ConsumerOptions, HandleBatches, HandleEach, TypedConsumerOptions } from './consumer-options.js';
import { checkSelection, type DeadLetter, type DeadLetterSelection } from './dead-letters.js';
import { replayLetters, type ReplayResult } from './replay.js';

/** A consumer at work, or standing by for another one of its name. */
export interface Consumer extends AsyncDisposable {
  readonly name: string;

  /**
   * Resolves when the consumer has ended because it was asked to, or because the store was closed; rejects with what stopped it
   * otherwise, such as a CheckpointMismatchError or a StorageFailedError. A rejection that nobody looks at does not end the
   * process: `onError` is told of it, or, if it is absent, a process warning.
   */
  readonly stopped: Promise<void>;

  /**
   * Finishes the events in hand (it waits for the handler, however long that takes, but not for the next attempt of one that
   * failed), saves the checkpoint, lets the next one take over. Safe to call twice; never rejects: `stopped` says how it ended.
   * To await it within the handler would wait for ever; abort `signal` there.
   */
  stop(): Promise<void>;

  status(): ConsumerStatus;

  /**
   * Resolves when every matching event up to `position` (inclusive) is handled or parked, by whichever process is active. Of
   * another process it sees only what that has saved.
   *
   * @example await mailer.waitFor((await store.append(event)).last)
   * @throws PositionAheadError when the store has no event there; what stopped the consumer, or an `AbortError` when it was stopped
   *   before; `signal.reason`.
   */
  waitFor(position: number, options?: { signal?: AbortSignal }): Promise<void>;

  /** The dead letters of this name, by position. */
  deadLetters(): Promise<DeadLetter[]>;

  /**
   * Calls the handler once more for dead letters: all, or those of `positions`. Those that it handles are removed; the others stay,
   * with the new error. One whose event this consumer's query does not match is left as it is. No other event is handled meanwhile. While another process is active it waits until this one is.
   * Not to be awaited within the handler.
   *
   * @throws InvalidInputError; `signal.reason`; an `AbortError` when the consumer is stopped; what the storage throws.
   */
  replayDeadLetters(options?: DeadLetterSelection & { signal?: AbortSignal }): Promise<ReplayResult>;
}

export type ConsumerStatus = {
  /** `'waiting'`: another one of its name is active. `'live'`: it has handled what was there when it started, and follows. */
  readonly state: 'waiting' | 'catching-up' | 'live' | 'stopped';
  /** Every matching event up to here (inclusive) is handled or parked; while waiting, as far as this consumer came itself. */
  readonly position: number;
  /** How many calls of the handler are under way or wait for their turn. */
  readonly inHand: number;
  /** Events handled by this consumer since it was made. */
  readonly handled: number;
  /** Events that it parked. */
  readonly parked: number;
  /** What stopped it; absent unless something did. */
  readonly error?: unknown;
};

/**
 * Begins to handle events in the background, and returns at once: first those that are stored, from the checkpoint of that name,
 * then each that comes, whichever process appends it. At least once: see the guide.
 *
 * @example
 * const mailer = consume(store, { name: 'mailer', events: [StudentEnrolled], handle: (event) => sendMail(event.data.studentId) })
 * @throws InvalidInputError
 */
export function consume<const Definition extends EventDefinition>(store: EventStore, options: TypedConsumerOptions<Definition>): Consumer;
export function consume(store: EventStore, options: ConsumerOptions): Consumer;
export function consume(store: EventStore, options: AnyOptions): Consumer {
  checkStore(store, 'store');
  return new StoreConsumer(store, checkConsumerOptions(options));
}

type CommonReplayOptions = DeadLetterSelection & {
  /** Of the consumer whose dead letters they are. */
  name: string;
  /** Milliseconds to wait while a consumer of that name is running; 2,000 when absent. Stop it first, or ask it to replay. */
  timeoutMs?: number;
  /** Aborting ends the replay before the next event. */
  signal?: AbortSignal;
};
type Handler<Event> = Pick<HandleEach<Event>, 'handle' | 'handleBatch'> | Pick<HandleBatches<Event>, 'handle' | 'handleBatch'>;

export type ReplayOptions = CommonReplayOptions & ConsumedQuery & Handler<SequencedEvent>;
export type TypedReplayOptions<Definition extends EventDefinition> = CommonReplayOptions & ConsumedKinds<Definition> & Handler<EventOf<Definition>>;

/**
 * Handles dead letters once more, without a running consumer: as `Consumer.replayDeadLetters` does, in the place of the consumer.
 * Those whose events `query`, or `events` and `tags`, do not match are left as they are.
 *
 * @example await replayDeadLetters(store, { name: 'mailer', query: 'all', handle: (event) => console.log(event.type) })
 * @throws LockTimeoutError when a consumer of that name is running; InvalidInputError; `signal.reason`; what the storage throws.
 */
export function replayDeadLetters<const Definition extends EventDefinition>(store: EventStore, options: TypedReplayOptions<Definition>): Promise<ReplayResult>;
export function replayDeadLetters(store: EventStore, options: ReplayOptions): Promise<ReplayResult>;
export async function replayDeadLetters(store: EventStore, options: AnyOptions & CommonReplayOptions): Promise<ReplayResult> {
  checkFields(options, 'options', replayKeys, 'the options of replayDeadLetters');
  const { name, positions, timeoutMs = 2000, signal } = options;
  checkName(name, 'options.name');
  if (!(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new InvalidInputError('options.timeoutMs', `is ${describe(timeoutMs)}; it must be a number of milliseconds from 0.`);
  }
  const wanted = checkSelection(positions === undefined ? {} : { positions });
  const setup = { ...checkHandler(options), name, now: systemDefaults.now };
  const lease = await store.state.lease(leaseName(name), { timeoutMs, ...(signal && { signal }) });
  try {
    return await replayLetters({ store, setup, positions: wanted, lost: lease.signal, signal });
  } finally {
    await lease.release();
  }
}

const replayKeys = new Set(['name', 'positions', 'timeoutMs', 'signal', 'query', 'events', 'tags', 'handle', 'handleBatch']);
