import { checkAppendOptions, checkCondition, checkQuery, checkReadOptions, checkSubscribeOptions, prepareEvents } from '../core/check-input.js';
import type { AppendCondition } from '../core/condition.js';
import { checkCosmosBatch } from '../core/cosmos-limits.js';
import { InvalidInputError, StoreClosedError } from '../core/errors.js';
import type { AppendOptions, AppendResult, EventStore, EventStream, ReadOptions, SubscribeOptions } from '../core/event-store.js';
import { makeEventStream } from '../core/event-stream.js';
import type { NewEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import { traced, traceRead, traces, type ReadTrace } from '../core/traces.js';
import type { Clock } from '../disk/clock.js';
import type { Random } from '../disk/random.js';
import { draftFrame } from '../ledger/frame.js';
import type { FileStateStore } from '../state/file-state-store.js';
import type { AppendCall } from './call.js';
import type { Engine } from './engine.js';
import { Gate } from './gate.js';
import type { Durability } from './ledger-view.js';
import { readSource, subscribeSource, type Reader } from './read-source.js';

export type FileEventStoreOptions = {
  readonly engine: Engine;
  readonly state: FileStateStore;
  readonly durability: Durability;
  readonly lockTimeoutMs: number;
  readonly readOnly: boolean;
  /** Given when appends must fit into Cosmos DB, in a context of that name. */
  readonly limits?: { readonly context: string } | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Gives the engine back; others may go on using it. */
  readonly release: () => Promise<void>;
};

/** The store in a folder, as one caller of `openStore` sees it. */
export class FileEventStore implements EventStore {
  readonly state: FileStateStore;
  readonly #options: FileEventStoreOptions;
  readonly #engine: Engine;
  readonly #reader: Reader;
  readonly #closing = new AbortController();
  readonly #appends = new Gate();
  readonly #defaults: { newId(): string; now(): number };
  #closed: Promise<void> | undefined;

  constructor(options: FileEventStoreOptions) {
    this.#options = options;
    this.state = options.state;
    this.#engine = options.engine;
    this.#reader = { engine: options.engine, durability: options.durability, closed: this.#closing.signal };
    this.#defaults = { newId: () => options.random.uuid(), now: () => options.clock.now() };
  }

  append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult> {
    return traced(
      traces.append,
      () => ({ directory: this.#engine.directory, events, condition }),
      () => this.#append(events, condition, options),
    );
  }

  /** One promise for the whole way: what is thrown on it rejects the promise. */
  #append(events: NewEvent | readonly NewEvent[], condition: AppendCondition | undefined, options: AppendOptions | undefined): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new StoreClosedError();
      const { readOnly, limits, durability, lockTimeoutMs, clock } = this.#options;
      if (readOnly) throw new InvalidInputError('options.readOnly', 'is true for this store, so it cannot append. Open it without readOnly.');
      const { signal } = checkAppendOptions(options);
      const prepared = prepareEvents(events, this.#defaults);
      const checked = condition === undefined ? undefined : checkCondition(condition);
      if (limits) checkCosmosBatch(prepared, limits.context);
      signal?.throwIfAborted();
      const draft = draftFrame(prepared, checked);
      // The commit path may reject a call that it has answered: it leaves the gate once.
      let isOpen = true;
      const leave = (): void => {
        if (isOpen) this.#appends.leave();
        isOpen = false;
      };
      const call: AppendCall = {
        events: prepared,
        condition: checked,
        draft,
        durability,
        lockTimeoutMs,
        deadlineMs: clock.monotonic() + lockTimeoutMs,
        resolve(result) {
          leave();
          resolve(result);
        },
        reject(reason) {
          leave();
          reject(reason);
        },
      };
      if (signal) this.#abortWith(signal, call);
      this.#appends.enter();
      this.#engine.commits.submit(call);
    });
  }

  read(query: Query = 'all', options?: ReadOptions): EventStream {
    const checked = checkReadOptions(options);
    const checkedQuery = checkQuery(query);
    const open = readSource(this.#reader, checkedQuery, checked);
    const message = (): ReadTrace => ({ directory: this.#engine.directory, query: checkedQuery, options: checked, events: 0 });
    return makeEventStream(() => traceRead(open(), message), { signal: checked.signal });
  }

  subscribe(query: Query = 'all', options?: SubscribeOptions): EventStream {
    const checked = checkSubscribeOptions(options);
    return makeEventStream(subscribeSource(this.#reader, checkQuery(query), checked), { signal: checked.signal, onAbort: 'end' });
  }

  async head(): Promise<number> {
    if (this.#closed) throw new StoreClosedError();
    return this.#engine.reads.run(() => this.#engine.view.refresh(this.#options.durability));
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#appends.empty(), this.state.close()]);
    await this.#options.release();
  }

  /** Lets `signal` take the call back for as long as it is queued; later an abort changes nothing. */
  #abortWith(signal: AbortSignal, call: AppendCall): void {
    const abort = (): void => {
      if (this.#engine.commits.withdraw(call)) reject(signal.reason);
    };
    const { resolve, reject } = call;
    call.resolve = (result) => {
      signal.removeEventListener('abort', abort);
      resolve(result);
    };
    call.reject = (reason) => {
      signal.removeEventListener('abort', abort);
      reject(reason);
    };
    signal.addEventListener('abort', abort, { once: true });
  }
}
