/*
 * Where consumers, projections and applications keep small things beside the events: values by name. Promises: a value is
 * replaced whole or not at all; a save that expects a version never writes over another's. The lease keeps a second process
 * from doing the same work; safety comes from the expected version, so a lease that was lost costs work and never data.
 */
import type { JsonValue } from './event.js';

/**
 * Values by name. A name has one to eight parts separated by `/`, each as a context's name: `consumers/mailer`.
 * A value may take 16 MiB as JSON; keep it below 1 MiB if it is to fit every backend.
 */
export interface StateStore {
  /**
   * The value saved last under `name`, by any process; undefined when there is none. Each call gives a copy. It may be of a save that has
   * not resolved yet: such a one a power cut can take back.
   *
   * @throws InvalidInputError, StateDamagedError, StorageFailedError, StoreClosedError
   */
  load(name: string): Promise<SavedState | undefined>;

  /**
   * Replaces the value under `name`. When the promise resolves it is as durable as the store's events, and every later `load`,
   * in any process, returns it; a crash leaves the old value or the new one, whole.
   *
   * @returns The version that it got.
   * @throws StateConflictError when `expected` is not the version saved last; InvalidInputError, StorageFailedError, StoreClosedError
   */
  save(name: string, value: JsonValue, options?: SaveOptions): Promise<number>;

  /**
   * Removes what is saved under `name`: false when there was nothing. Versions of a name may begin anew afterwards, so
   * give a name that others may still save to a value that says "empty" instead.
   *
   * @throws StateConflictError when `expected` is given and not the version saved last; InvalidInputError, StorageFailedError, StoreClosedError
   */
  remove(name: string, options?: SaveOptions): Promise<boolean>;

  /**
   * The names that begin with the parts of `prefix` (all when absent), sorted: `list('consumers')` has `consumers/mailer`, not
   * `consumers` itself.
   */
  list(prefix?: string): Promise<string[]>;

  /**
   * Waits until this caller alone, of all processes, holds the lease of that name, and keeps it until it is released or the store is closed.
   * One whose process dies is taken over. Leases and values of one name have nothing to do with each other.
   *
   * @throws LockTimeoutError after `options.timeoutMs`; `options.signal.reason`; InvalidInputError, StorageFailedError, StoreClosedError
   */
  lease(name: string, options?: LeaseOptions): Promise<StateLease>;
}

export type SavedState = {
  readonly value: JsonValue;
  /** A whole number from 1 that rises with each save; not always by one. */
  readonly version: number;
};

export type SaveOptions = {
  /** The version that is to be replaced, 0 for none. Whatever is there when absent. */
  expected?: number;
};

export type LeaseOptions = {
  /** Aborting rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Milliseconds; waits for ever when absent, asks once when 0. */
  timeoutMs?: number;
};

export interface StateLease extends AsyncDisposable {
  /** Aborts when the lease was lost (another process may hold it) or released. Stop what it protects; what is saved with `expected` is safe. */
  readonly signal: AbortSignal;
  /** Lets the next one have it. Safe to call twice; never throws. */
  release(): Promise<void>;
}
