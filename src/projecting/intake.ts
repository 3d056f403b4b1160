import { nextTurn } from '../core/defaults.js';
import type { SequencedEvent } from '../core/event.js';
import { bounds } from './bounds.js';

/** Reads ahead in a subscription, so that events come in batches: large ones while catching up, small ones afterwards. */
export class Intake {
  #queue: SequencedEvent[] = [];
  #isCaughtUp = false;
  /** Whoever takes must hear of it once, also when no event comes with it. */
  #isTold = false;
  #hasEnded = false;
  #failure: { error: unknown } | undefined;
  #wake = (): void => undefined;
  #goOn = (): void => undefined;

  /** `subscribe` is given what to call when all events up to the head were handed out. */
  constructor(subscribe: (onCaughtUp: () => void) => AsyncIterable<SequencedEvent>) {
    const events = subscribe(() => {
      this.#isCaughtUp = true;
      this.#wake();
    });
    void this.#readAhead(events);
  }

  /** Whoever takes next gets this error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** The next events, `max` at the most; `isCaughtUp` when no more were waiting and none are missing. Undefined at the end. */
  async take(max: number): Promise<{ events: SequencedEvent[]; isCaughtUp: boolean } | undefined> {
    while (this.#queue.length === 0 && !this.#hasEnded && !this.#failure && this.#isTold === this.#isCaughtUp) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    // A turn of the event loop, in which it can read ahead, and everybody else gets to work.
    await nextTurn();
    if (this.#failure) throw this.#failure.error;
    if (this.#queue.length === 0 && this.#hasEnded) return undefined;
    const events = this.#queue.splice(0, max);
    this.#goOn();
    const isCaughtUp = this.#isCaughtUp && this.#queue.length === 0;
    this.#isTold ||= isCaughtUp;
    return { events, isCaughtUp };
  }

  async #readAhead(events: AsyncIterable<SequencedEvent>): Promise<void> {
    try {
      for await (const event of events) {
        this.#queue.push(event);
        if (this.#queue.length === 1) this.#wake();
        while (this.#queue.length >= bounds.intakeEvents && !this.#failure) await new Promise<void>((resolve) => (this.#goOn = resolve));
      }
    } catch (error) {
      this.fail(error);
    }
    this.#hasEnded = true;
    this.#wake();
  }
}
