import type { EventStream } from './event-store.js';
import type { SequencedEvent } from './event.js';

/** Where a stream's events come from: one run through them. */
export type EventSource = {
  /** The snapshot's head; the same for all sources of one stream. */
  head(): Promise<number>;
  /** The next events, at least one and at most `max`; none at the end. */
  next(max: number): Promise<readonly SequencedEvent[]>;
  /** Called once when no more is wanted. */
  close(): void;
};

/** Iteration asks for few events first, so that the first comes soon, and for more and more, so that the rest comes fast. */
const firstChunk = 64;
const largestChunk = 1024;

/** Makes a stream whose every iteration opens a source of its own. */
export function makeEventStream(open: () => EventSource): EventStream {
  return {
    head: () => {
      const source = open();
      return source.head().finally(() => source.close());
    },
    async first() {
      const source = open();
      try {
        return (await source.next(1))[0];
      } finally {
        source.close();
      }
    },
    async toArray() {
      const source = open();
      try {
        const chunks: (readonly SequencedEvent[])[] = [];
        for (let chunk = await source.next(largestChunk); chunk.length > 0; chunk = await source.next(largestChunk)) chunks.push(chunk);
        return chunks.flat();
      } finally {
        source.close();
      }
    },
    [Symbol.asyncIterator]: () => new ChunkIterator(open()),
  };
}

/** Hands out the events of a chunk without a promise chain for each. */
class ChunkIterator implements AsyncIterator<SequencedEvent, undefined> {
  readonly #source: EventSource;
  #chunk: readonly SequencedEvent[] = [];
  #at = 0;
  #size = firstChunk;
  #done = false;
  /** The fetch that is going on: calls of `next` that come meanwhile queue behind it. */
  #fetching: Promise<unknown> | undefined;

  constructor(source: EventSource) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<SequencedEvent, undefined>> {
    if (this.#fetching) return this.#queue();
    if (this.#at < this.#chunk.length) return Promise.resolve({ done: false, value: this.#chunk[this.#at++]! });
    return this.#queue();
  }

  return(): Promise<IteratorResult<SequencedEvent, undefined>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  #queue(): Promise<IteratorResult<SequencedEvent, undefined>> {
    const result = (this.#fetching ?? Promise.resolve()).then(() => this.#fetch());
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#fetching = settled;
    void settled.then(() => {
      if (this.#fetching === settled) this.#fetching = undefined;
    });
    return result;
  }

  async #fetch(): Promise<IteratorResult<SequencedEvent, undefined>> {
    if (this.#done) return { done: true, value: undefined };
    if (this.#at === this.#chunk.length) {
      try {
        this.#chunk = await this.#source.next(this.#size);
      } catch (error) {
        this.#finish();
        throw error;
      }
      this.#at = 0;
      this.#size = Math.min(this.#size * 4, largestChunk);
      if (this.#done || this.#chunk.length === 0) {
        this.#finish();
        return { done: true, value: undefined };
      }
    }
    return { done: false, value: this.#chunk[this.#at++]! };
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#chunk = [];
    this.#at = 0;
    this.#source.close();
  }
}
