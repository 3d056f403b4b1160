import { nextTurn } from '../core/defaults.js';
import type { EventStream } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';

/** Takes events from a subscription as they are wanted, and none before: at most one `next` is under way. */
export class Feed {
  readonly #iterator: AsyncIterator<SequencedEvent, unknown>;
  #pending: Promise<IteratorResult<SequencedEvent, unknown>> | undefined;
  #hasEnded = false;
  #takes = 0;

  constructor(stream: EventStream) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** Whether the subscription came to its end, and everything that it gave was taken. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** At most `max` events that are there already; none when the next one is still to come, and at the end. */
  async take(max: number): Promise<SequencedEvent[]> {
    const turn = nextTurn();
    // A handler that never waits must not keep the rest of the process from running.
    if (++this.#takes % turnEvery === 0) await turn;
    const taken: SequencedEvent[] = [];
    while (taken.length < max && !this.#hasEnded) {
      this.#pending ??= this.#iterator.next();
      const step = await Promise.race([this.#pending, turn]);
      if (step === undefined) break;
      this.#pending = undefined;
      if (step.done) this.#hasEnded = true;
      else taken.push(step.value);
    }
    return taken;
  }

  /** Resolves when the event that `take` did not find is there, or the end. Never rejects: `take` does then. */
  async untilNext(): Promise<void> {
    await this.#pending?.catch(() => undefined);
  }

  close(): void {
    this.#pending?.catch(() => undefined);
    Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }
}

const turnEvery = 64;
