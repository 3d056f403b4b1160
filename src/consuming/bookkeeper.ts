import { isOpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { StateLease } from '../core/state-store.js';
import { retryOnConflict } from '../modelling/retry.js';
import type { Setup } from './check-options.js';
import { placeAt, type Checkpoint } from './checkpoint.js';
import type { Progress } from './progress.js';

export type BookkeeperOptions = {
  readonly store: EventStore;
  readonly setup: Setup;
  readonly lease: StateLease;
  readonly checkpoint: Checkpoint;
  readonly progress: Progress;
};

/** Makes durable what a session has done. Saves nothing once the lease is known to be lost. */
export class Bookkeeper {
  readonly #options: BookkeeperOptions;
  #unsaved = 0;

  constructor(options: BookkeeperOptions) {
    this.#options = options;
  }

  /** Whether the checkpoint should be saved although there is more to do. */
  get isSaveDue(): boolean {
    const { setup, checkpoint } = this.#options;
    return this.#unsaved >= setup.checkpointEvery || (this.#unsaved > 0 && checkpoint.ageMs >= setup.checkpointEveryMs);
  }

  /** Counts an event that was finished. */
  count(): void {
    this.#unsaved++;
  }

  async save(): Promise<void> {
    const { checkpoint, progress } = this.#options;
    const { place } = progress;
    this.#unsaved = 0;
    if (place.position > checkpoint.place.position) await this.persist(() => checkpoint.save(place));
  }

  /** Passes over what is stored up to `position` (inclusive), of which nothing is left that matches. */
  async passOver(position: number): Promise<void> {
    const { store, progress } = this.#options;
    if (position > progress.place.position) progress.passOver(await placeAt(store, position));
  }

  /** Passes over everything that is stored, if none of it matches: a subscription tells nothing of what it passes over while it is live. */
  async passOverRest(): Promise<void> {
    const { store, setup, progress } = this.#options;
    const head = await store.head();
    const after = progress.place.position;
    if (head <= after) return;
    const next = await store.read(setup.query, { after, before: head + 1 }).first();
    if (next === undefined) await this.passOver(head);
  }

  /** A failure that may pass is tried again here, so that what was done need not be done again. */
  persist<T>(save: () => Promise<T>): Promise<T> {
    const { setup, lease } = this.#options;
    const isConflict = (error: unknown): boolean => isOpossumError(error) && error.retryable && error.code !== 'STATE_CONFLICT';
    return retryOnConflict(save, { ...setup.retry, maxAttempts: 10, signal: lease.signal, isConflict });
  }
}
