/*
 * The reference for every store: an array and filters, slow where that is clearer. Property tests compare the stores on files
 * with it, so when they disagree this one is right.
 */
import { checkAppendOptions, checkCondition, checkQuery, checkReadOptions, checkSubscribeOptions, prepareEvents, type EventDefaults } from '../core/check-input.js';
import type { AppendCondition } from '../core/condition.js';
import { checkCosmosBatch, checkCosmosState, checkStoreLimits } from '../core/cosmos-limits.js';
import { systemDefaults } from '../core/defaults.js';
import { AppendConditionFailedError, EventIdConflictError, PositionAheadError, StoreClosedError } from '../core/errors.js';
import type { AppendOptions, AppendResult, EventStore, EventStream, ReadOptions, SubscribeOptions } from '../core/event-store.js';
import { makeEventStream, type EventSource } from '../core/event-stream.js';
import type { JsonObject, JsonValue, NewEvent, PreparedEvent, SequencedEvent } from '../core/event.js';
import { matchesQuery, type Query } from '../core/query.js';
import { sameContent } from '../core/same-content.js';
import { traced, traceRead, traces } from '../core/traces.js';
import { MemoryStateStore } from './memory-state-store.js';

export type MemoryStoreOptions = {
  /** Wall clock, milliseconds since 1970. */
  now?: () => number;
  /** Makes the ids of events that have none; each must be new. */
  newId?: () => string;
  /** `'cosmos'`: refuses what `opossum-store/cosmos` would refuse, as the same option of `openStore` does. */
  limits?: 'cosmos';
};

/**
 * Makes an empty store that lives as long as the process: for tests, and to try things out.
 * It behaves like a store on files in everything but durability.
 *
 * @example const store = openMemoryStore()
 */
export function openMemoryStore({ limits, ...defaults }: MemoryStoreOptions = {}): EventStore {
  return new MemoryEventStore({ ...systemDefaults, ...defaults }, { limits: checkStoreLimits(limits) });
}

export class MemoryEventStore implements EventStore {
  readonly state: MemoryStateStore;
  readonly #defaults: EventDefaults;
  readonly #limits: 'cosmos' | undefined;
  /** The event at position p is at index p - 1. */
  readonly #events: SequencedEvent[];
  /** Subscriptions that wait for the next append. */
  readonly #waiting = new Set<() => void>();
  #closed = false;

  /** `origin`: begins with the events of that store, which costs next to nothing, and shares nothing else with it. */
  constructor(defaults: EventDefaults, { origin, limits }: { origin?: MemoryEventStore; limits?: 'cosmos' | undefined } = {}) {
    this.#defaults = defaults;
    this.#limits = limits;
    this.state = new MemoryStateStore(
      () => this.#checkOpen(),
      (name, text) => limits && checkCosmosState(name, text, contextInCloud),
    );
    this.#events = origin ? [...origin.#events] : [];
  }

  append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult> {
    return traced(
      traces.append,
      () => ({ events, condition }),
      () => this.#append(events, condition, options),
    );
  }

  // Nothing is awaited before the events are in, so calls are decided one after another, in the order in which they were made.
  async #append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult> {
    this.#checkOpen();
    const { signal } = checkAppendOptions(options);
    const batch = prepareEvents(events, this.#defaults);
    const checked = condition === undefined ? undefined : checkCondition(condition);
    if (this.#limits) checkCosmosBatch(batch, contextInCloud);
    signal?.throwIfAborted();

    const known = this.#findKnown(batch);
    if (known !== undefined) return { first: known, last: known + batch.length - 1, duplicate: true };
    if (checked) this.#checkCondition(checked);
    const first = this.#events.length + 1;
    for (const { ownId: _, ...event } of batch) this.#events.push({ ...event, position: this.#events.length + 1 });
    this.#wake();
    return { first, last: this.#events.length, duplicate: false };
  }

  read(query: Query = 'all', options?: ReadOptions): EventStream {
    const checkedQuery = checkQuery(query);
    const checkedOptions = checkReadOptions(options);
    const { after = 0, before = Infinity, limit = Infinity, backwards = false, signal } = checkedOptions;
    let snapshot: number | undefined;
    const head = (): number => {
      this.#checkOpen();
      snapshot ??= this.#events.length;
      if (after > snapshot) throw new PositionAheadError(after, snapshot);
      return Math.min(snapshot, before - 1);
    };
    const open = (): EventSource => {
      let [passed, left] = [0, limit];
      return {
        head: async () => head(),
        next: (max) => {
          this.#checkOpen();
          const end = head();
          const chunk: SequencedEvent[] = [];
          for (; passed < end - after && chunk.length < Math.min(max, left); passed++) {
            const event = this.#events[backwards ? end - 1 - passed : after + passed]!;
            if (matchesQuery(checkedQuery, event)) chunk.push(copyOut(event));
          }
          left -= chunk.length;
          return chunk;
        },
        close: () => undefined,
      };
    };
    return makeEventStream(() => traceRead(open(), () => ({ query: checkedQuery, options: checkedOptions, events: 0 })), { signal });
  }

  subscribe(query: Query = 'all', options?: SubscribeOptions): EventStream {
    const checkedQuery = checkQuery(query);
    const checkedOptions = checkSubscribeOptions(options);
    return makeEventStream(() => this.#follow(checkedQuery, checkedOptions), { signal: checkedOptions.signal, onAbort: 'end' });
  }

  async head(): Promise<number> {
    this.#checkOpen();
    return this.#events.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.state.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Position of the first event when the whole batch is stored already; undefined when nothing of it is. */
  #findKnown(batch: readonly PreparedEvent[]): number | undefined {
    const positions = batch.map(({ id, ownId }) => (ownId ? this.#events.findIndex((event) => event.id === id) + 1 : 0));
    const stored = (i: number): SequencedEvent | undefined => this.#events[(positions[i] ?? 0) - 1];
    for (const [i, event] of batch.entries()) {
      const same = stored(i);
      if (same && !sameContent(event, same)) throw new EventIdConflictError('content', same.id, same.position);
    }
    const firstKnown = positions.findIndex((position) => position > 0);
    const known = stored(firstKnown);
    if (!known) return undefined;
    if (!positions.every((position, i) => position === known.position + i)) {
      throw new EventIdConflictError('partial', known.id, known.position);
    }
    return known.position;
  }

  #checkCondition(condition: AppendCondition): void {
    const after = condition.after ?? 0;
    if (after > this.#events.length) throw new PositionAheadError(after, this.#events.length);
    for (let i = after; i < this.#events.length; i++) {
      const event = this.#events[i]!;
      if (matchesQuery(condition.failIfEventsMatch, event)) throw new AppendConditionFailedError(event, condition);
    }
  }

  /** One pass of a subscription. Closing the store ends it quietly; begun on a closed store it fails. */
  #follow(query: Query, { after = 0, onCaughtUp }: SubscribeOptions): EventSource {
    const tooLate = this.#closed;
    let position = after;
    let caughtUp = false;
    let ended = false;
    let wake = (): void => undefined;
    const head = (): number => {
      if (tooLate) throw new StoreClosedError();
      if (after > this.#events.length) throw new PositionAheadError(after, this.#events.length);
      return this.#events.length;
    };
    const take = (max: number): SequencedEvent[] => {
      const chunk: SequencedEvent[] = [];
      for (const end = head(); position < end && chunk.length < max; position++) {
        const event = this.#events[position]!;
        if (matchesQuery(query, event)) chunk.push(copyOut(event));
      }
      return chunk;
    };
    return {
      head: async () => head(),
      next: async (max) => {
        head();
        while (!ended && !this.#closed) {
          const chunk = take(max);
          if (chunk.length > 0) return chunk;
          if (caughtUp) {
            await new Promise<void>((resolve) => this.#waiting.add((wake = resolve)));
            this.#waiting.delete(wake);
          } else {
            caughtUp = true;
            onCaughtUp?.(position);
          }
        }
        return [];
      },
      close() {
        ended = true;
        wake();
      },
    };
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreClosedError();
  }
}

/** A name for what has none here; it is a part of every document's size. */
const contextInCloud = 'default';

/** Readers own what they get, as they own what is decoded from a file. */
function copyOut(event: SequencedEvent): SequencedEvent {
  return { ...event, tags: [...event.tags], data: copyJson(event.data), metadata: copyJson(event.metadata) };
}

/** Spreading is several times faster than building from entries, and explorations read a great deal. */
function copyJson<Value extends JsonValue>(value: Value): Value;
function copyJson(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => copyJson(item));
  const copy: Record<string, JsonValue | undefined> = { ...(value as JsonObject) };
  for (const key of Object.keys(copy)) {
    const property = copy[key];
    if (typeof property === 'object' && property !== null) copy[key] = copyJson(property);
  }
  return copy as JsonObject;
}
