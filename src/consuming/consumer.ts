/* One consumer object: stands by for the lease, works while it has it, and stands by again when it lost it. */
import { checkGiven } from '../core/check-values.js';
import { checkFields, checkPosition } from '../core/check-values.js';
import { retryDefaults } from '../core/defaults.js';
import { isOpossumError, PositionAheadError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { StateLease } from '../core/state-store.js';
import { CallerError } from './caller-error.js';
import type { Setup } from './check-options.js';
import { leaseName, loadCheckpoint, takeCheckpoint } from './checkpoint.js';
import type { Consumer, ConsumerStatus } from './consume.js';
import { checkSelection, deadLetters, type DeadLetter } from './dead-letters.js';
import { replayLetters, type ReplayResult } from './replay.js';
import { Session, type Counts } from './session.js';

export class StoreConsumer implements Consumer {
  readonly name: string;
  readonly stopped: Promise<void>;
  readonly #store: EventStore;
  readonly #setup: Setup;
  readonly #stop = new AbortController();
  readonly #stopping: AbortSignal;
  readonly #counts: Counts = { handled: 0, parked: 0 };
  /** Those who wait for something to change. */
  readonly #watchers = new Set<() => void>();
  #session: Session | undefined;
  #position = 0;
  #hasStopped = false;
  #error: unknown;

  constructor(store: EventStore, setup: Setup) {
    this.#store = store;
    this.#setup = setup;
    // No listener of ours: many consumers may share one signal, and each would count as a leak of it.
    this.#stopping = setup.signal ? AbortSignal.any([this.#stop.signal, setup.signal]) : this.#stop.signal;
    this.name = setup.name;
    this.stopped = this.#run();
    // Who does not look at it is told by onError; the process must not die of it.
    this.stopped.catch(() => undefined);
  }

  status(): ConsumerStatus {
    const session = this.#session;
    const state = this.#hasStopped ? 'stopped' : session === undefined ? 'waiting' : session.isLive ? 'live' : 'catching-up';
    const error = this.#error === undefined ? {} : { error: this.#error };
    return { state, position: session?.position ?? this.#position, inHand: session?.inHand ?? 0, ...this.#counts, ...error };
  }

  async waitFor(position: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    checkGiven(position, 'position');
    checkPosition(position, 'position', 0);
    const { signal } = checkFields(options, 'options', waitKeys, 'the options of waitFor') as typeof options;
    const head = await this.#store.head();
    if (position > head) throw new PositionAheadError(position, head);
    const last = await this.#store.read(this.#setup.query, { before: position + 1, backwards: true, limit: 1 }).first();
    const wanted = last?.position ?? 0;
    while (!(await this.#hasReached(wanted))) {
      signal?.throwIfAborted();
      if (this.#hasStopped) throw this.#error ?? new DOMException(`Consumer ${JSON.stringify(this.name)} was stopped before it handled event ${wanted}.`, 'AbortError');
      await this.#changed(signal, () => this.#session === undefined || this.#session.position >= wanted);
    }
  }

  deadLetters(): Promise<DeadLetter[]> {
    return deadLetters(this.#store, this.name);
  }

  async replayDeadLetters(options: { positions?: readonly number[]; signal?: AbortSignal } = {}): Promise<ReplayResult> {
    const positions = checkSelection(options);
    const { signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      if (this.#hasStopped) throw this.#error ?? new DOMException(`Consumer ${JSON.stringify(this.name)} is stopped. Use replayDeadLetters(store, …).`, 'AbortError');
      const session = this.#session;
      let result: ReplayResult | undefined;
      const plan = { store: this.#store, setup: this.#setup, positions, signal, stopping: this.#stopping };
      const hasRun = await session?.runAlone(async (lost) => {
        result = await replayLetters({ ...plan, lost });
      });
      if (hasRun && result) return result;
      await this.#changed(signal);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.stopped.catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(): Promise<void> {
    const { hooks } = this.#setup;
    try {
      await this.#workUntilStopped();
    } catch (error) {
      this.#error = error;
      try {
        if (hooks.onError) hooks.onError(error, { willRetry: false });
        else process.emitWarning(`Consumer ${JSON.stringify(this.name)} stopped: ${error instanceof Error ? error.message : String(error)} Give onError to hear of it otherwise.`, 'OpossumWarning');
      } catch {
        // What stopped the consumer is what is told.
      }
      throw error;
    } finally {
      this.#hasStopped = true;
      this.#change();
    }
  }

  async #workUntilStopped(): Promise<void> {
    const { retry, hooks } = this.#setup;
    let failures = 0;
    while (!this.#stopping.aborted) {
      const before = this.#position;
      try {
        await this.#workOnce();
        failures = 0;
      } catch (error) {
        if (error instanceof CallerError) throw error.error;
        if (isOpossumError(error, 'STORE_CLOSED')) return;
        // Another process took over, or this one never had the lease: nothing is left to do here.
        if (this.#stopping.aborted && (error === this.#stopping.reason || isOpossumError(error, 'STATE_CONFLICT'))) return;
        if (!isOpossumError(error) || !error.retryable || this.#stopping.aborted) throw error;
        hooks.onError?.(error, { willRetry: true });
        failures = this.#position > before ? 1 : failures + 1;
        const boundMs = Math.min(retry.maxDelayMs, retry.baseDelayMs * 2 ** Math.min(failures - 1, 31));
        await retry.sleep(retry.random() * boundMs, this.#stopping).catch(this.#unlessStopping);
      }
    }
  }

  /** Waits for the lease, and works until it is lost, the consumer is asked to stop or the store is closed. */
  async #workOnce(): Promise<void> {
    const lease = await this.#store.state.lease(leaseName(this.name), { signal: this.#stopping });
    try {
      await this.#workUnder(lease);
    } finally {
      await lease.release();
    }
  }

  async #workUnder(lease: StateLease): Promise<void> {
    const checkpoint = await takeCheckpoint(this.#store, this.#setup);
    const session = new Session({
      store: this.#store,
      setup: this.#setup,
      lease,
      checkpoint,
      stopping: this.#stopping,
      counts: this.#counts,
      onChange: () => this.#change(),
    });
    this.#session = session;
    this.#change();
    try {
      await session.run();
    } finally {
      this.#session = undefined;
      this.#position = checkpoint.place.position;
      this.#change();
    }
  }

  /** By this consumer, or by another one of its name as far as that has saved it. */
  async #hasReached(position: number): Promise<boolean> {
    if (this.#session && this.#session.position >= position) return true;
    if (this.#session) return false;
    if (this.#hasStopped) return this.#position >= position;
    const saved = await loadCheckpoint(this.#store, this.name);
    return saved !== undefined && saved.place.position >= position;
  }

  /** Resolves when this consumer got on so that `isWorthALook`, or after a while: another process that has the lease tells nobody. */
  async #changed(signal: AbortSignal | undefined, isWorthALook = (): boolean => true): Promise<void> {
    const done = new AbortController();
    const end = (): void => done.abort();
    // Asked for every event: whoever waits for the last of many must not slow the others down.
    const watcher = (): void => {
      if (isWorthALook()) end();
    };
    this.#watchers.add(watcher);
    signal?.addEventListener('abort', end);
    await retryDefaults.sleep(pollMs, done.signal).catch(() => undefined);
    this.#watchers.delete(watcher);
    signal?.removeEventListener('abort', end);
  }

  #change(): void {
    for (const watcher of this.#watchers) watcher();
  }

  readonly #unlessStopping = (error: unknown): void => {
    if (!this.#stopping.aborted) throw error;
  };
}

const pollMs = 50;
const waitKeys = new Set(['signal']);
