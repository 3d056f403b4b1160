/*
 * A consumer at work, from taking the lease over until it ends or is lost. Promises: the checkpoint passes an event only when the
 * event was handled, or is durably in the dead letters; nothing is saved when the lease is known to be lost; a session is over
 * only when no call of the handler is under way.
 */
import { setMaxListeners } from 'node:events';
import { intervalDefaults } from '../core/defaults.js';
import type { EventStore } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import type { StateLease } from '../core/state-store.js';
import { handleWithRetries } from './attempts.js';
import { Bookkeeper } from './bookkeeper.js';
import { CallerError, callHook } from './caller-error.js';
import type { Setup } from './check-options.js';
import type { Checkpoint } from './checkpoint.js';
import { letterPositions, removeLetter, saveLetter } from './dead-letters.js';
import { Feed } from './feed.js';
import { Lanes } from './lanes.js';
import { Progress } from './progress.js';

export type SessionOptions = {
  readonly store: EventStore;
  readonly setup: Setup;
  readonly lease: StateLease;
  readonly checkpoint: Checkpoint;
  /** Aborts when the consumer is asked to stop. */
  readonly stopping: AbortSignal;
  readonly counts: Counts;
  /** Called when the position moved, or the session went live. */
  readonly onChange: () => void;
};

/** Of the consumer, since it was made. */
export type Counts = { handled: number; parked: number };

/** An event in hand. */
type Piece = { readonly stored: SequencedEvent; readonly finish: () => void } & ({ readonly event: SequencedEvent } | { readonly unfit: unknown });

export class Session {
  readonly #options: SessionOptions;
  readonly #progress: Progress;
  readonly #books: Bookkeeper;
  readonly #lanes: Lanes;
  /** Aborts when no more events are to be taken in hand. */
  readonly #ending = new AbortController();
  /** Work that runs alone, between events. */
  readonly #requests: (() => Promise<void>)[] = [];
  /** Events that have a dead letter although the checkpoint lies before them: a crash came between the two. */
  #parkedBefore = new Set<number>();
  #inHand = 0;
  /** Up to here the store was searched when the subscription went live. */
  #searchedTo: number | undefined;
  /** It is time to look for events that do not match. */
  #isLookDue = false;
  #failure: { readonly error: unknown } | undefined;
  /** Something happened that nobody has looked at yet. */
  #isStirred = false;
  #wakeUp = (): void => undefined;
  #isOver = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#progress = new Progress(options.checkpoint.place);
    this.#books = new Bookkeeper({ ...options, progress: this.#progress });
    const { concurrency } = options.setup;
    this.#lanes = new Lanes(concurrency);
    // Node takes an eleventh listener for a leak; each of the calls at work may have its ten.
    setMaxListeners(10 * (concurrency + 1), this.#ending.signal, options.lease.signal);
  }

  /** Every matching event up to here is handled or parked. */
  get position(): number {
    return this.#progress.place.position;
  }

  get isLive(): boolean {
    return this.#searchedTo !== undefined;
  }

  get inHand(): number {
    return this.#inHand;
  }

  get isLost(): boolean {
    return this.#options.lease.signal.aborted;
  }

  /** Ends when the consumer is asked to stop, the lease is lost or the store is closed. Throws what the storage, or the caller's code, threw. */
  async run(): Promise<void> {
    const { store, setup, lease, stopping } = this.#options;
    const end = (): void => this.#ending.abort();
    const signals = [stopping, lease.signal];
    for (const signal of signals) signal.addEventListener('abort', end);
    if (signals.some(({ aborted }) => aborted)) end();
    const onCaughtUp = (head: number): void => {
      this.#searchedTo = head;
      this.#wake();
    };
    const feed = new Feed(store.subscribe(setup.query, { after: this.position, signal: this.#ending.signal, onCaughtUp }), () => this.#wake());
    const stopLooking = intervalDefaults.every(lookEveryMs, () => {
      this.#isLookDue = true;
      this.#wake();
    });
    try {
      const parked = await letterPositions(store, setup.name);
      this.#parkedBefore = new Set(parked.filter((position) => position > this.position));
      await this.#work(feed);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#ending.abort();
      stopLooking();
      feed.close();
      while (this.#inHand > 0) await this.#woken();
      for (const signal of signals) signal.removeEventListener('abort', end);
    }
    if (!this.isLost) await this.#saveLast();
    this.#isOver = true;
    for (const refuse of this.#requests.splice(0)) await refuse();
    // Whatever else failed after the lease was lost is for the next owner to meet.
    if (this.#failure && (!this.isLost || this.#failure.error instanceof CallerError)) throw this.#failure.error;
  }

  /** Runs `work` when no event is in hand, and takes none in hand meanwhile. It gets the lease's signal. False when the session ended before. */
  runAlone(work: (lost: AbortSignal) => Promise<void>): Promise<boolean> {
    if (this.#isOver) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      this.#requests.push(async () => {
        if (this.#ending.signal.aborted) return resolve(false);
        await work(this.#options.lease.signal).then(() => resolve(true), reject);
      });
      this.#wake();
    });
  }

  async #work(feed: Feed): Promise<void> {
    const { batchSize, concurrency } = this.#options.setup;
    // A little more than is handled at a time, so that one busy partition does not keep the others waiting.
    const mostInHand = concurrency === 1 ? 1 : concurrency * 4;
    while (!this.#ending.signal.aborted && !feed.hasEnded) {
      if (this.#books.isSaveDue) await this.#books.save();
      if (this.#requests.length > 0) {
        if (this.#inHand > 0) await this.#woken();
        else await this.#requests.shift()!();
        continue;
      }
      if (this.#inHand >= mostInHand) {
        await this.#woken();
        continue;
      }
      const events = await feed.take(batchSize);
      if (events.length > 0) await this.#takeInHand(events);
      else if (!feed.hasEnded) {
        if (this.#inHand === 0) await this.#saveWhenIdle();
        await this.#woken();
      }
    }
  }

  async #takeInHand(events: readonly SequencedEvent[]): Promise<void> {
    const pieces: Piece[] = [];
    for (const stored of events) pieces.push(await this.#toPiece(stored));
    let partition: string | undefined;
    const [first] = pieces;
    if (first && 'event' in first) {
      try {
        partition = this.#options.setup.partitionOf(first.event);
      } catch (unfit) {
        pieces[0] = { stored: first.stored, finish: first.finish, unfit };
      }
    }
    this.#inHand++;
    const work = (): Promise<void> => this.#handle(pieces).catch((error: unknown) => this.#fail(error));
    void this.#lanes.run(partition, work).then(() => {
      this.#inHand--;
      this.#wake();
    });
  }

  async #toPiece(stored: SequencedEvent): Promise<Piece> {
    const finish = this.#progress.begin(stored);
    try {
      return { stored, finish, event: await this.#options.setup.parse(stored) };
    } catch (unfit) {
      return { stored, finish, unfit };
    }
  }

  async #handle(pieces: readonly Piece[]): Promise<void> {
    const { setup, lease } = this.#options;
    const events: SequencedEvent[] = [];
    const fit: Piece[] = [];
    for (const piece of pieces) {
      // It will not get better by trying again.
      if ('unfit' in piece) await this.#giveUp(piece, { error: piece.unfit, attempts: 0 });
      else {
        events.push(piece.event);
        fit.push(piece);
      }
    }
    if (events.length === 0) return;
    const outcome = await handleWithRetries(setup, events, this.#ending.signal, lease.signal);
    // What was handled after another process took over is handled there, too.
    if (outcome === 'dropped' || this.isLost) return;
    if (outcome === 'handled') for (const piece of fit) await this.#settle(piece);
    else if (fit.length === 1) await this.#giveUp(fit[0]!, outcome);
    else for (const piece of fit) await this.#handle([piece]);
  }

  async #settle({ stored: { position }, finish }: Piece): Promise<void> {
    if (this.#parkedBefore.delete(position)) await this.#books.persist(() => removeLetter(this.#options.store, this.#options.setup.name, position));
    this.#options.counts.handled++;
    this.#finish(finish);
  }

  async #giveUp({ stored, finish }: Piece, failure: { error: unknown; attempts: number }): Promise<void> {
    if (this.#ending.signal.aborted) return;
    const { store, setup, counts } = this.#options;
    if (setup.onFailure === 'stop') throw new CallerError(failure.error);
    const letter = await this.#books.persist(() => saveLetter(store, setup.name, stored, failure, setup.now()));
    this.#parkedBefore.delete(stored.position);
    counts.parked++;
    this.#finish(finish);
    callHook(() => setup.hooks.onParked?.(letter));
  }

  #finish(finish: () => void): void {
    finish();
    this.#books.count();
    this.#options.onChange();
  }

  /** No event is in hand and none is there: whatever was searched so far need not be searched again. */
  async #saveWhenIdle(): Promise<void> {
    if (this.#searchedTo !== undefined) {
      await this.#books.passOver(this.#searchedTo);
      if (this.#isLookDue) await this.#books.passOverRest();
      this.#isLookDue = false;
    }
    this.#options.onChange();
    await this.#books.save();
  }

  async #saveLast(): Promise<void> {
    try {
      // After a failure what was done is saved all the same, if that is possible: it is not to be done again.
      await this.#books.save();
      if (this.#failure) return;
      await this.#books.passOverRest();
      await this.#books.save();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The first failure is the one that is told. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#ending.abort();
    this.#wake();
  }

  #wake(): void {
    this.#isStirred = true;
    this.#wakeUp();
  }

  /** Resolves when an event was finished, a request came, the feed has something, the subscription went live, or something failed. */
  async #woken(): Promise<void> {
    if (!this.#isStirred) await new Promise<void>((resolve) => (this.#wakeUp = resolve));
    this.#isStirred = false;
  }
}

/** Milliseconds: how long an idle consumer's checkpoint may lie behind events that do not match. */
const lookEveryMs = 60_000;
