import { machineDefaults, nextTurn } from '../core/defaults.js';
import type { EventStream } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';

/** Takes events from a subscription as they are wanted, and none before: at most one `next` is under way. */
export class Feed {
  readonly #iterator: AsyncIterator<SequencedEvent, unknown>;
  readonly #onArrival: () => void;
  #pending: Promise<IteratorResult<SequencedEvent, unknown>> | undefined;
  /** A `take` did not find the pending one, and `onArrival` will tell of it. */
  #isAwaited = false;
  #hasEnded = false;
  #turnAtMs = machineDefaults.monotonic();

  /** @param onArrival Called when what a `take` did not find is there: an event, the end, or a failure, which the next `take` throws. */
  constructor(stream: EventStream, onArrival: () => void) {
    this.#iterator = stream[Symbol.asyncIterator]();
    this.#onArrival = onArrival;
  }

  /** Whether the subscription came to its end, and everything that it gave was taken. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** At most `max` events that are there already; none when the next one is still to come, and at the end. */
  async take(max: number): Promise<SequencedEvent[]> {
    const turn = nextTurn();
    // A handler that never waits must not keep the rest of the process from running, nor the lease from being kept.
    if (machineDefaults.monotonic() - this.#turnAtMs >= busyMs) {
      await turn;
      this.#turnAtMs = machineDefaults.monotonic();
    }
    const taken: SequencedEvent[] = [];
    // One that is awaited is not asked again: each time would leave a listener with it, and it may be a month away.
    while (taken.length < max && !this.#hasEnded && !this.#isAwaited) {
      this.#pending ??= this.#iterator.next();
      const step = await Promise.race([this.#pending, turn]);
      if (step === undefined) this.#await(this.#pending);
      else {
        this.#pending = undefined;
        if (step.done) this.#hasEnded = true;
        else taken.push(step.value);
      }
    }
    return taken;
  }

  close(): void {
    this.#pending?.catch(() => undefined);
    Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }

  #await(pending: Promise<unknown>): void {
    this.#isAwaited = true;
    const arrive = (): void => {
      this.#isAwaited = false;
      this.#onArrival();
    };
    pending.then(arrive, arrive);
  }
}

/** Milliseconds that events are taken for, one after another, before the rest of the process has its turn. */
const busyMs = 10;
