/*
 * What the streams of every store have in common: iteration, toArray, first, head and aborting. A store brings a source that
 * gives events in chunks; within a chunk nothing is waited for.
 */
import type { EventStream } from './event-store.js';
import type { SequencedEvent } from './event.js';

/** Where a stream's events come from: one pass through them. Calls never overlap, but `close` may come while one is under way. */
export type EventSource = {
  /** The snapshot's head; the same for all sources of one stream. */
  head(): number | Promise<number>;
  /** The next events: at least one and at most `max`, fewer when they are large; none at the end, and only there. */
  next(max: number): readonly SequencedEvent[] | Promise<readonly SequencedEvent[]>;
  /** Called once, when no more is wanted. A call still under way should end soon; what it gives is dropped. */
  close(): void;
};

export type EventStreamOptions = {
  signal?: AbortSignal | undefined;
  /** What an abort does to whoever waits or asks next: `'reject'` (default) with the signal's reason, or `'end'` quietly. */
  onAbort?: 'reject' | 'end';
};

/** Makes a stream that opens a source of its own for each pass. */
export function makeEventStream(open: () => EventSource, options: EventStreamOptions = {}): EventStream {
  return new SourcedStream(open, options);
}

/** A class: a list of functions made anew for each read takes longer than reading an event. */
class SourcedStream implements EventStream {
  readonly #open: () => EventSource;
  readonly #options: EventStreamOptions;

  constructor(open: () => EventSource, options: EventStreamOptions) {
    this.#open = open;
    this.#options = options;
  }

  [Symbol.asyncIterator](): EventPass {
    const { signal, onAbort = 'reject' } = this.#options;
    return new EventPass(this.#open(), signal, onAbort);
  }

  async toArray(): Promise<SequencedEvent[]> {
    const pass = this[Symbol.asyncIterator]();
    const events: SequencedEvent[] = [];
    for (;;) {
      const next = pass.nextChunk(largestChunk);
      const chunk = 'length' in next ? next : await next;
      if (chunk.length === 0) return events;
      // One by one: flat() and spreading are slower.
      for (const event of chunk) events.push(event);
    }
  }

  async first(): Promise<SequencedEvent | undefined> {
    const pass = this[Symbol.asyncIterator]();
    const next = pass.nextChunk(1);
    const chunk = 'length' in next ? next : await next;
    pass.close();
    return chunk[0];
  }

  async head(): Promise<number> {
    const pass = this[Symbol.asyncIterator]();
    try {
      const head = pass.head();
      return typeof head === 'number' ? head : await head;
    } finally {
      pass.close();
    }
  }
}

/**
 * Hands each event to `visit`, in order, as `for await` would: but waits only for what is not there yet, where iterating waits
 * for each event. What `visit` returns is waited for.
 */
export async function forEachEvent(events: AsyncIterable<SequencedEvent>, visit: (event: SequencedEvent) => void | Promise<void>): Promise<void> {
  if (!(events instanceof SourcedStream)) {
    for await (const event of events) await visit(event);
    return;
  }
  const pass = events[Symbol.asyncIterator]();
  try {
    for (let max = firstChunk; ; max = Math.min(max * 4, largestChunk)) {
      const next = pass.nextChunk(max);
      const chunk = 'length' in next ? next : await next;
      if (chunk.length === 0) return;
      for (const event of chunk) {
        const visiting = visit(event);
        if (visiting) await visiting;
        if (pass.isOver()) return;
      }
    }
  } finally {
    pass.close();
  }
}

/** Iteration asks for few events first, so that the first comes soon, and for more and more, so that the rest comes fast. */
const firstChunk = 64;
const largestChunk = 1024;

type Step = IteratorResult<SequencedEvent, undefined>;

/** Goes through one source. Whatever ends it, be it the last event, a failure, an abort or `return`, closes the source once. */
class EventPass implements AsyncIterableIterator<SequencedEvent, undefined> {
  readonly #source: EventSource;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: 'reject' | 'end';
  #chunk: readonly SequencedEvent[] = [];
  #at = 0;
  #max = firstChunk;
  #closed = false;
  /** Nobody waited when the abort came: who asks next gets its reason. */
  #abortUntold = false;
  /** Settles the call that waits for the source. */
  #waiting: { resolve(chunk: readonly SequencedEvent[]): void; reject(reason: unknown): void } | undefined;
  /** The last of the `next` calls under way, for callers who make another before the last one is answered. */
  #turn: Promise<Step> | undefined;

  constructor(source: EventSource, signal: AbortSignal | undefined, onAbort: 'reject' | 'end') {
    this.#source = source;
    this.#signal = signal;
    this.#onAbort = onAbort;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    if (this.#turn === undefined && this.#at < this.#chunk.length) return Promise.resolve(this.#take());
    return this.#inTurn();
  }

  return(): Promise<Step> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  head(): number | Promise<number> {
    this.#signal?.throwIfAborted();
    const head = this.#source.head();
    return typeof head === 'number' ? head : this.#lateHead(head);
  }

  /** The next events of the source; none at the end, and after it. */
  nextChunk(max: number): readonly SequencedEvent[] | Promise<readonly SequencedEvent[]> {
    this.#tellAbort();
    if (this.#closed) return [];
    try {
      const next = this.#source.next(max);
      if (!('length' in next)) return this.#lateChunk(next);
      if (next.length === 0) this.close();
      return next;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #lateHead(pending: Promise<number>): Promise<number> {
    let head = 0;
    await this.#untilClosed(
      pending.then((found) => {
        head = found;
        return [];
      }),
    );
    this.#signal?.throwIfAborted();
    return head;
  }

  async #lateChunk(next: Promise<readonly SequencedEvent[]>): Promise<readonly SequencedEvent[]> {
    try {
      const chunk = await this.#untilClosed(next);
      if (chunk.length === 0) this.close();
      return chunk;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Whether it was closed meanwhile, be it by an abort. @throws the signal's reason. */
  isOver(): boolean {
    this.#tellAbort();
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#chunk = [];
    this.#at = 0;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#waiting?.resolve([]);
    this.#source.close();
  }

  readonly #abort = (): void => {
    if (this.#onAbort === 'reject') {
      if (this.#waiting) this.#waiting.reject(this.#signal?.reason);
      else this.#abortUntold = true;
    }
    this.close();
  };

  #tellAbort(): void {
    if (!this.#abortUntold) return;
    this.#abortUntold = false;
    throw this.#signal?.reason;
  }

  #take(): Step {
    return { done: false, value: this.#chunk[this.#at++] as SequencedEvent };
  }

  #inTurn(): Promise<Step> {
    const advance = (): Promise<Step> => this.#advance();
    const turn = this.#turn === undefined ? advance() : this.#turn.then(advance, advance);
    this.#turn = turn;
    const done = (): void => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    turn.then(done, done);
    return turn;
  }

  async #advance(): Promise<Step> {
    if (this.#at === this.#chunk.length) {
      const next = this.nextChunk(this.#max);
      const chunk = 'length' in next ? next : await next;
      this.#tellAbort();
      // Its end, or the caller gave up meanwhile and wants no more of it.
      if (this.#closed) return { done: true, value: undefined };
      this.#max = Math.min(this.#max * 4, largestChunk);
      this.#chunk = chunk;
      this.#at = 0;
    }
    return this.#take();
  }

  #untilClosed(pending: Promise<readonly SequencedEvent[]>): Promise<readonly SequencedEvent[]> {
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#waiting = waiting;
      const settled = (): void => {
        if (this.#waiting === waiting) this.#waiting = undefined;
      };
      pending.then(settled, settled);
      pending.then(resolve, reject);
    });
  }
}
