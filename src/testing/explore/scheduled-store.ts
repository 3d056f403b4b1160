/*
 * A store whose every call waits for its turn, for one handler of a run. A call happens as a whole when its turn comes: a store's
 * calls are atomic, so what comes between two calls of a handler is all that other handlers can do to it.
 */
import type { AppendCondition } from '../../core/condition.js';
import type { AppendOptions, AppendResult, EventStore, EventStream, ReadOptions, SubscribeOptions } from '../../core/event-store.js';
import { makeEventStream, type EventSource } from '../../core/event-stream.js';
import type { NewEvent, SequencedEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';
import type { StateStore } from '../../core/state-store.js';
import type { ReadAnswer } from './entry.js';
import type { Interleaving } from './interleaving.js';
import { scheduledState } from './scheduled-state.js';
import type { HandlerWorld } from './virtual-time.js';

export class ScheduledStore implements EventStore {
  readonly state: StateStore;
  readonly #store: EventStore;
  readonly #interleaving: Interleaving;
  readonly #handler: number;
  readonly #world: HandlerWorld;

  constructor(store: EventStore, interleaving: Interleaving, handler: number, world: HandlerWorld) {
    this.#store = store;
    this.#interleaving = interleaving;
    this.#handler = handler;
    this.#world = world;
    this.state = scheduledState(store, interleaving, handler);
  }

  append(events: NewEvent | readonly NewEvent[], condition?: AppendCondition, options?: AppendOptions): Promise<AppendResult> {
    return this.#call({ kind: 'append', events, condition }, () => this.#store.append(completeEvents(events, this.#world), condition, options));
  }

  read(query: Query = 'all', options: ReadOptions = {}): EventStream {
    const stream = this.#store.read(query, options);
    let head: number | undefined;
    const open = (): EventSource => {
      /** Taken as a whole by the first call: the snapshot is the same for later chunks, and no other handler sees when it was read. */
      let rest: SequencedEvent[] | undefined;
      return {
        // The first use fixes the snapshot, and with it the head: asking for it later is no call of its own.
        head: async () => (head ??= await this.#call({ kind: 'read head', query }, () => stream.head())),
        next: (max) => {
          if (rest?.length === 0) return [];
          const read = async (): Promise<ReadAnswer> => {
            head ??= await stream.head();
            rest ??= max === 1 ? await firstOf(stream) : await stream.toArray();
            return { events: rest.splice(0, max), head };
          };
          return this.#call({ kind: 'read', query, options }, read).then((answer) => answer.events);
        },
        close: () => undefined,
      };
    };
    return makeEventStream(open, { signal: options.signal });
  }

  subscribe(query: Query = 'all', options: SubscribeOptions = {}): EventStream {
    // Not used: it is there to check the input.
    this.#store.subscribe(query, options);
    return makeEventStream(() => this.#follow(query, options), { signal: options.signal, onAbort: 'end' });
  }

  head(): Promise<number> {
    return this.#call({ kind: 'head' }, () => this.#store.head());
  }

  /** Does nothing: the other handlers use the same store. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #call<T>(call: Parameters<Interleaving['call']>[1], perform: () => Promise<T>, isReady?: () => boolean): Promise<T> {
    return this.#interleaving.call(this.#handler, call, perform, isReady);
  }

  /** Follows by reading on whenever somebody appended, so that when it learns of it is a matter of the schedule too. */
  #follow(query: Query, { after = 0, onCaughtUp }: SubscribeOptions): EventSource {
    let position = after;
    /** How many commits there were when it had read up to the head; -1 when it has not. */
    let seen = -1;
    let head = 0;
    let isCaughtUp = false;
    let hasEnded = false;
    const readOn = async (max: number): Promise<ReadAnswer> => {
      const stream = this.#store.read(query, { after: position, limit: max });
      head = await stream.head();
      const events = await stream.toArray();
      const isAll = events.length < max;
      position = isAll ? head : events[max - 1]!.position;
      seen = isAll ? this.#interleaving.commits : -1;
      return { events, head };
    };
    return {
      head: () => this.#call({ kind: 'head' }, () => this.#store.head()),
      next: async (max) => {
        for (;;) {
          if (!isCaughtUp && seen >= 0) {
            isCaughtUp = true;
            onCaughtUp?.(head);
          }
          const isReady = (): boolean => !hasEnded && this.#interleaving.commits !== seen;
          const { events } = await this.#call({ kind: 'subscribe', query }, () => readOn(max), isReady);
          if (events.length > 0) return events;
        }
      },
      close: () => {
        hasEnded = true;
      },
    };
  }
}

/** Events with an id and a time of the run's own, so that a replay stores the same. What is no event is left for the store to refuse. */
export function completeEvents(events: NewEvent | readonly NewEvent[], { newId, now }: Pick<HandlerWorld, 'newId' | 'now'>): NewEvent | readonly NewEvent[] {
  const timestamp = timestampOf(now());
  const complete = (event: NewEvent): NewEvent => {
    if (typeof event !== 'object' || event === null || Array.isArray(event)) return event;
    return { ...event, id: event.id === undefined ? newId() : event.id, timestamp: event.timestamp === undefined ? timestamp : event.timestamp };
  };
  return Array.isArray(events) ? (events as readonly NewEvent[]).map(complete) : complete(events as NewEvent);
}

/** Time mostly stands still, and writing it out is dear. */
let lastMs = NaN;
let lastTimestamp = '';

function timestampOf(ms: number): string {
  if (ms !== lastMs) lastTimestamp = new Date(ms).toISOString();
  lastMs = ms;
  return lastTimestamp;
}

async function firstOf(stream: EventStream): Promise<SequencedEvent[]> {
  const first = await stream.first();
  return first ? [first] : [];
}
