import type { SequencedEvent } from '../core/event.js';
import type { Place } from './checkpoint.js';

/**
 * Which of the events that were taken in hand are not finished yet. The place up to which everything is finished lies before the
 * lowest of them, in whatever order they finish.
 */
export class Progress {
  /** Those in hand, and the finished ones behind the lowest of them, by position. */
  readonly #open: { readonly place: Place; finished: boolean }[] = [];
  #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Every matching event up to here is finished. */
  get place(): Place {
    return this.#place;
  }

  /** Takes the next event in hand; what is returned finishes it. */
  begin({ position, id }: SequencedEvent): () => void {
    const entry = { place: { position, id }, finished: false };
    this.#open.push(entry);
    return () => {
      entry.finished = true;
      while (this.#open[0]?.finished) this.#place = this.#open.shift()!.place;
    };
  }

  /** Passes over events that do not match; only possible while none is in hand. */
  passOver(place: Place): void {
    if (this.#open.length === 0 && place.position > this.#place.position) this.#place = place;
  }
}
