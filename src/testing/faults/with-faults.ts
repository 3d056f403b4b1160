/*
 * A store that does what a bad day does to a program. What is told stays true: an event that was acknowledged is stored, a
 * condition that was accepted held, and reads are snapshots, if old ones. A seed repeats it for the same calls in the same order.
 */
import { retryDefaults } from '../../core/defaults.js';
import { AppendConditionFailedError, InvalidInputError, StorageFailedError } from '../../core/errors.js';
import type { AppendResult, EventStore, EventStream, ReadOptions } from '../../core/event-store.js';
import type { NewEvent } from '../../core/event.js';
import type { AppendCondition } from '../../core/condition.js';
import type { Query } from '../../core/query.js';
import { SeededRandom } from '../simulation/seeded-random.js';
import { SimulatedCrashError, ThrottledError } from './fault-errors.js';
import { checkFaultOptions, type FaultOptions } from './fault-options.js';

/**
 * Wraps a store so that its calls fail now and then: a handler with idempotent event ids, which repeats what failed, survives all of
 * it. Only the wrapper fails; look at the outcome through the store that was given. Subscriptions and `state` are passed on.
 *
 * @example const store = withFaults(openMemoryStore(), { seed: 1, unknownOutcome: 0.2, conflicts: 0.1 })
 * @throws InvalidInputError
 */
export function withFaults(store: EventStore, options: FaultOptions): EventStore {
  checkFaultOptions(options);
  const faults = new Faults(store, options);
  return {
    append: (events, condition, appendOptions) => faults.append(events, condition, () => store.append(events, condition, appendOptions), appendOptions?.signal),
    read: (query, readOptions) => faults.read(store.read(query, readOptions), query, readOptions),
    subscribe: (query, subscribeOptions) => store.subscribe(query, subscribeOptions),
    head: () => faults.head(),
    get state() {
      return store.state;
    },
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** How many of the heads that it was told of a store remembers. */
const rememberedHeads = 8;

class Faults {
  readonly #store: EventStore;
  readonly #options: FaultOptions;
  readonly #random: SeededRandom;
  /** Between batches, each: a read from one of them sees no batch in part. */
  readonly #heads: number[] = [];
  #crashed = false;

  constructor(store: EventStore, options: FaultOptions) {
    this.#store = store;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async append(events: NewEvent | readonly NewEvent[], condition: AppendCondition | undefined, append: () => Promise<AppendResult>, signal: AbortSignal | undefined): Promise<AppendResult> {
    this.#checkSize(events);
    await this.#meetTrouble(signal);
    if (this.#strikes('lostRequest')) throw new StorageFailedError('The request timed out; it was never received. Retry with the same event ids.', 'unknown');
    if (condition && this.#strikes('conflicts')) await this.#refuse(condition);
    const crashes = this.#strikes('crash');
    if (crashes && this.#random.chance(0.5)) return this.#crash();
    const answer = await append();
    if (crashes) return this.#crash();
    this.#remember(answer.last);
    if (this.#strikes('unknownOutcome')) throw new StorageFailedError('The answer was lost: the events may be stored or not. Retry with the same event ids.', 'unknown');
    return answer;
  }

  read(stream: EventStream, query: Query | undefined, options: ReadOptions = {}): EventStream {
    let opened: Promise<EventStream> | undefined;
    const open = (): Promise<EventStream> => (opened ??= this.#open(stream, query, options));
    return {
      toArray: async () => (await open()).toArray(),
      first: async () => (await open()).first(),
      head: async () => (await open()).head(),
      async *[Symbol.asyncIterator]() {
        yield* await open();
      },
    };
  }

  async head(): Promise<number> {
    await this.#meetTrouble(undefined);
    const head = await this.#store.head();
    this.#remember(head);
    return this.#strikes('staleReads') ? this.#staleHead() : head;
  }

  async #open(stream: EventStream, query: Query | undefined, options: ReadOptions): Promise<EventStream> {
    await this.#meetTrouble(options.signal);
    if (!this.#strikes('staleReads')) return stream;
    this.#remember(await this.#store.head());
    // Never before `after`: whoever knows that position cannot be told that it is not there yet.
    const head = Math.max(this.#staleHead(), options.after ?? 0);
    return this.#store.read(query, { ...options, before: Math.min(options.before ?? Infinity, head + 1) });
  }

  /** What can happen to any call: it is slow, or too much. */
  async #meetTrouble(signal: AbortSignal | undefined): Promise<void> {
    const { latencyMs = 50, retryAfterMs = 10, sleep = retryDefaults.sleep } = this.#options;
    this.#checkAlive();
    if (this.#strikes('latency')) await sleep(this.#random.next() * latencyMs, signal);
    this.#checkAlive();
    if (this.#strikes('throttled')) throw new ThrottledError(retryAfterMs);
  }

  /** Names the store's last event, which need not match. */
  async #refuse(condition: AppendCondition): Promise<void> {
    const last = await this.#store.read('all', { backwards: true, limit: 1 }).first();
    if (last) throw new AppendConditionFailedError(last, condition);
  }

  #checkSize(events: NewEvent | readonly NewEvent[]): void {
    const { maxBatchEvents = Infinity, maxBatchBytes = Infinity } = this.#options;
    const count = Array.isArray(events) ? events.length : 1;
    if (count > maxBatchEvents) throw new InvalidInputError('events', `holds ${count} events; a batch of this store may hold ${maxBatchEvents}. Split it.`);
    if (maxBatchBytes === Infinity) return;
    const bytes = Buffer.byteLength(JSON.stringify(events) ?? '');
    if (bytes > maxBatchBytes) throw new InvalidInputError('events', `take ${bytes} bytes as JSON; a batch of this store may take ${maxBatchBytes}. Split it.`);
  }

  #remember(head: number): void {
    if ((this.#heads.at(-1) ?? -1) >= head) return;
    this.#heads.push(head);
    if (this.#heads.length > rememberedHeads) this.#heads.shift();
  }

  #staleHead(): number {
    return this.#heads[this.#random.below(this.#heads.length)]!;
  }

  #strikes(fault: 'unknownOutcome' | 'lostRequest' | 'conflicts' | 'throttled' | 'crash' | 'staleReads' | 'latency'): boolean {
    const chance = this.#options[fault] ?? 0;
    return chance > 0 && this.#random.chance(chance);
  }

  #crash(): never {
    this.#crashed = true;
    throw new SimulatedCrashError();
  }

  #checkAlive(): void {
    if (this.#crashed) throw new SimulatedCrashError();
  }
}
