/* What a program sees of an open projection. */
import type { IndexValueOf, IndexValues } from './definition.js';

export type WaitOptions = {
  /** Aborting rejects with `signal.reason`; for a bound in time use `AbortSignal.timeout(ms)`. */
  signal?: AbortSignal;
};

/**
 * An open projection. Reads show the state of all keys after the same event, `status().position`, or a later one. In the process that
 * applies this is what is applied so far; in others what that process saved, at most about 20 milliseconds ago. What is handed out
 * is a copy.
 */
export interface ProjectionView<State, Index extends IndexValues> extends AsyncDisposable {
  readonly name: string;

  /**
   * The state of a key; undefined when it has none.
   *
   * @throws InvalidInputError also when a newer program keeps the projection by now; StateDamagedError, StorageFailedError, StoreClosedError
   */
  get(key: string): Promise<State | undefined>;

  /** The states of those of the keys that have one, in the order of `keys`. Throws as `get` does. */
  getMany(keys: readonly string[]): Promise<Map<string, State>>;

  /**
   * Keys and states that have the value under that name of `index`, sorted by key. The first call reads all states once and keeps
   * their keys and values in memory; later ones cost as much as what they find. A state that begins to have the value during the call may
   * be missing. Throws as `get` does.
   *
   * @example await view.find('teacher', 't1')
   */
  find<Name extends keyof Index & string>(index: Name, value: IndexValueOf<NonNullable<Index[Name]>>): Promise<[string, State][]>;

  /**
   * All keys and states, each key once, in no meaningful order, read piece by piece: of what changes meanwhile it may show either.
   * Throws as `get` does.
   */
  entries(): AsyncIterableIterator<[string, State]>;

  /**
   * Resolves when reads of this view show everything up to that position, and never before a rebuild that is going on has ended:
   * so one reads one's own writes. In the process that applies it may be applied and not yet saved; if that process dies, the next
   * one applies it again. A position that the store does not have yet is waited for.
   *
   * @example await view.waitFor((await store.append(event)).last)
   * @throws ProjectionFailedError when the projection stopped before it; what `get` throws; `options.signal.reason`
   */
  waitFor(position: number, options?: WaitOptions): Promise<void>;

  /** `waitFor` the last event that the store has at this moment. */
  ready(options?: WaitOptions): Promise<void>;

  status(): ProjectionStatus;

  /** Saves what is applied, and lets another process apply. Safe to call twice; never throws. Close it before the store. */
  close(): Promise<void>;
}

export type ProjectionStatus = {
  readonly name: string;
  /** Of the definition that was opened. */
  readonly version: number;
  /**
   * `catching-up`, `live`: this process applies. `reading`: another one does, or nobody. `failed`: it stopped, `error` says why, and
   * reads go on. `closed`: by `close()`, the signal, or with the store.
   */
  readonly phase: 'catching-up' | 'live' | 'reading' | 'failed' | 'closed';
  /** Of the definition that made what reads show; lower than `version` until a rebuild has ended. */
  readonly servedVersion: number;
  /** Position of the last event that is in what reads show, 0 when there is none. */
  readonly position: number;
  /** While it is built anew beside what reads show. */
  readonly rebuilding?: ProjectionProgress;
  /** What stopped it, or what went wrong last and is tried again. */
  readonly error?: unknown;
};

export type ProjectionProgress = {
  /** Of the last event applied. */
  readonly position: number;
  /** Of the store's last event when this process began. */
  readonly head: number;
  /** From 0 to 1. */
  readonly ratio: number;
};
