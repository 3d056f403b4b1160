import { checkAppendOptions, checkCondition, checkQuery, checkReadOptions, checkSubscribeOptions, prepareEvents, type EventDefaults } from '../core/check-input.js';
import type { AppendCondition } from '../core/condition.js';
import { checkCosmosBatch } from '../core/cosmos-limits.js';
import { StoreClosedError } from '../core/errors.js';
import type { AppendOptions, AppendResult, EventStore, EventStream, ReadOptions, SubscribeOptions } from '../core/event-store.js';
import { makeEventStream } from '../core/event-stream.js';
import type { NewEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import type { StateStore } from '../core/state-store.js';
import { traced, traceRead, traces } from '../core/traces.js';
import type { AppendCall } from './append-call.js';
import type { Backoff } from './backoff.js';
import { openFollowing, type PollOptions } from './following.js';
import { Partition, type Base } from './partition.js';
import { currentHead, openReading } from './reading.js';
import type { Container } from './sdk.js';
import { Writer } from './writer.js';

export type CosmosEventStoreOptions = {
  readonly container: Container;
  readonly context: string;
  readonly defaults: EventDefaults;
  readonly backoff: Backoff;
  readonly poll: Required<PollOptions>;
  readonly warn: (message: string) => void;
  readonly makeState: (checkOpen: () => void) => ClosableStateStore;
};

type ClosableStateStore = StateStore & { close(): Promise<void> };

export class CosmosEventStore implements EventStore {
  readonly state: ClosableStateStore;
  readonly #options: CosmosEventStoreOptions;
  readonly #partition: Partition;
  readonly #writer: Writer;
  /** Subscriptions that wait for the next commit. */
  readonly #waiting = new Set<() => void>();
  #isClosed = false;
  #hasWarned = false;

  constructor(options: CosmosEventStoreOptions) {
    this.#options = options;
    const { container, context, backoff } = options;
    this.#partition = new Partition(container, context, backoff);
    this.#writer = new Writer(this.#partition, { context, backoff, onCommit: (base) => this.#afterCommit(base) });
    this.state = options.makeState(() => this.#checkOpen());
  }

  append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult> {
    return traced(
      traces.append,
      () => ({ events, condition }),
      () => this.#append(events, condition, options),
    );
  }

  async #append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult> {
    this.#checkOpen();
    const { context, defaults } = this.#options;
    const { signal } = checkAppendOptions(options);
    const batch = prepareEvents(events, defaults);
    const checked = condition === undefined ? undefined : checkCondition(condition);
    const commit = defaults.newId();
    const sizes = checkCosmosBatch(batch, context, commit);
    signal?.throwIfAborted();
    let call: AppendCall | undefined;
    const abort = (): void => {
      if (call) this.#writer.abort(call);
    };
    signal?.addEventListener('abort', abort);
    try {
      return await new Promise<AppendResult>((resolve, reject) => {
        const after = checked?.after ?? 0;
        call = { events: batch, ...sizes, condition: checked, commit, signal, resolve, reject, checked: after, ...untouched };
        this.#writer.add(call);
      });
    } finally {
      // A signal may outlive a million appends.
      signal?.removeEventListener('abort', abort);
    }
  }

  read(query: Query = 'all', options?: ReadOptions): EventStream {
    const checkedQuery = checkQuery(query);
    const checkedOptions = checkReadOptions(options);
    const { backoff } = this.#options;
    const reading = { partition: this.#partition, backoff, query: checkedQuery, options: checkedOptions, checkOpen: () => this.#checkOpen(), snapshot: {} };
    return makeEventStream(() => traceRead(openReading(reading), () => ({ query: checkedQuery, options: checkedOptions, events: 0 })), { signal: checkedOptions.signal });
  }

  subscribe(query: Query = 'all', options?: SubscribeOptions): EventStream {
    const checkedQuery = checkQuery(query);
    const checkedOptions = checkSubscribeOptions(options);
    const { backoff, poll } = this.#options;
    const following = { partition: this.#partition, backoff, poll, query: checkedQuery, options: checkedOptions, isClosed: () => this.#isClosed, waiting: this.#waiting };
    return makeEventStream(() => openFollowing(following), { signal: checkedOptions.signal, onAbort: 'end' });
  }

  async head(): Promise<number> {
    this.#checkOpen();
    const head = await currentHead(this.#partition, this.#options.backoff);
    this.#checkOpen();
    return head;
  }

  /** The client stays open: it belongs to the caller. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#writer.whenIdle();
    await this.state.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #afterCommit({ bytes }: Base): void {
    this.#wake();
    if (bytes <= warnAtBytes || this.#hasWarned) return;
    this.#hasWarned = true;
    const { context, warn } = this.#options;
    warn(
      `Context ${JSON.stringify(context)} holds events of ${(bytes / 2 ** 30).toFixed(1)} GiB as JSON, above 70 % of the 20 GB that one logical partition ` +
        'may have; what Cosmos DB counts is more. Beyond that limit writes fail. Go on in a new context, and keep large content elsewhere.',
    );
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreClosedError();
  }
}

const untouched = { conflict: undefined, isUncertain: false, isSent: false, isSettled: false, failures: 0, losses: 0, timesAhead: 0 } as const;

const warnAtBytes = 0.7 * 20 * 1024 ** 3;
