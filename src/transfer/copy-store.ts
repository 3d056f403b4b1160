import { checkQuery, checkReadOptions } from '../core/check-input.js';
import { checkFields, checkFunctions, checkStore } from '../core/check-values.js';
import { cosmosLimits } from '../core/cosmos-limits.js';
import { InvalidInputError, isOpossumError } from '../core/errors.js';
import type { AppendResult, EventStore } from '../core/event-store.js';
import type { NewEvent, SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { limits } from '../core/limits.js';
import type { Query } from '../core/query.js';
import { refuseToSplit, toBatches, toGroups, type EventGroup } from './copy-batches.js';
import { findPlace, movePlace, type CopyPlace, type CopySource } from './copy-start.js';

export type CopyOptions = {
  /** Only events that match; all when absent. Their positions in the copy are not those in `from`. */
  query?: Query;
  /**
   * Exclusive lower bound in `from`: events up to it are left out; 0 when absent. Without a query it may also be the `position` of
   * an earlier copy into `to`: then the copy goes on there, and only the last event of `to` is compared.
   */
  after?: number;
  /** Events per append, 1 to 100,000; 99 when absent, which every store takes. Events of the same time stamp stay together even above it. */
  batchSize?: number;
  /**
   * Whether events of the same time stamp, which one append may have stored, may be copied in several appends; false when
   * absent. It is asked for when `to` does not take them in one.
   */
  splitBatches?: boolean;
  /** Aborting rejects with `signal.reason`; what was appended stays, and the same call goes on behind it. */
  signal?: AbortSignal;
  /** Called after each append, and at the end. */
  onProgress?: (progress: CopyProgress) => void;
};

export type CopyResult = {
  /** Events that this call appended. */
  readonly copied: number;
  /** Events that `to` held already. */
  readonly present: number;
  /** Everything to copy up to here, a position in `from` (inclusive), is in `to`. */
  readonly position: number;
};

export type CopyProgress = CopyResult & {
  /** Position in `from` where this call will end: its last event when the call began to copy. */
  readonly head: number;
  /** How much of the way from `after` to `head` is done, from 0 to 1. */
  readonly ratio: number;
};

/**
 * Copies the events of one store into another, whatever the backends: ids, order, data, tags, metadata and time stamps are kept,
 * and without `query` and `after` positions too. States (`store.state`) and the conditions of appends are not copied.
 *
 * `to` must be empty, or hold a beginning of what is copied: then the copy goes on behind it, so calling again after an
 * interruption, or when `from` has grown, adds what is missing. All that `to` holds is compared first; `after` makes that short.
 * At every moment `to` holds a beginning of what is copied, and each append of the copy is as durable as `to` makes it.
 *
 * Stores do not tell which events were appended together. Events of the same time stamp are copied in one append, which keeps
 * every batch whole whose events brought no time stamps of their own; other batches may be split, so that a copy that is not
 * finished may end within one. A finished copy never does, as it ends where a batch ends.
 *
 * @example await copyStore(await openStore({ directory: './data' }), await openCosmosStore({ container }))
 * @throws InvalidInputError when `to` holds other events (it names the first), when it refuses an event, or when batches must be
 *   split and `splitBatches` is not true. What `from.read` and `to.append` throw; `signal.reason`.
 */
export async function copyStore(from: EventStore, to: EventStore, options: CopyOptions = {}): Promise<CopyResult> {
  return new Copy(from, to, options).run();
}

class Copy {
  readonly #source: CopySource;
  readonly #batchSize: number;
  readonly #splitBatches: boolean;
  readonly #onProgress: CopyOptions['onProgress'];
  #place: CopyPlace;
  #copied = 0;

  constructor(from: EventStore, to: EventStore, options: CopyOptions) {
    checkFields(options, 'options', optionKeys, 'copy options');
    const { query = 'all', after, batchSize = cosmosLimits.events, splitBatches = false, signal, onProgress } = options;
    checkStore(from, 'from');
    checkStore(to, 'to');
    if (from === to) throw new InvalidInputError('to', 'is the store that is copied from. Open another one.');
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > limits.batchEvents) {
      throw new InvalidInputError('options.batchSize', `is ${describe(batchSize)}; it must be a whole number from 1 to ${limits.batchEvents}.`);
    }
    if (typeof splitBatches !== 'boolean') throw new InvalidInputError('options.splitBatches', `is ${describe(splitBatches)}; it must be true or false.`);
    checkFunctions({ onProgress }, 'options');
    checkReadOptions({ ...(after === undefined ? {} : { after }), ...(signal === undefined ? {} : { signal }) });
    this.#source = { from, to, query: checkQuery(query, 'options.query'), after: after ?? 0, signal };
    this.#batchSize = batchSize;
    this.#splitBatches = splitBatches;
    this.#onProgress = onProgress;
    this.#place = { position: this.#source.after, present: 0 };
  }

  async run(): Promise<CopyResult> {
    this.#source.signal?.throwIfAborted();
    this.#place = await findPlace(this.#source);
    for (;;) {
      try {
        await this.#copy();
        return this.#result();
      } catch (error) {
        if (!isOvertaken(error)) throw error;
        // Another copy may be at work on `to`, and got further. Anybody else's events are refused here.
        const place = await movePlace(this.#source, this.#place);
        if (place.present <= this.#place.present) throw error;
        this.#place = place;
      }
    }
  }

  async #copy(): Promise<void> {
    const { from, query, signal } = this.#source;
    const stream = from.read(query, { after: this.#place.position, ...(signal ? { signal } : {}) });
    const head = await stream.head();
    for await (const batch of toBatches(toGroups(stream, this.#splitBatches), this.#batchSize)) {
      await this.#append(batch, head);
    }
    this.#place = { ...this.#place, position: head };
    this.#report(head);
  }

  /** Appends it whole, or half by half where `to` takes less at once. */
  async #append(batch: readonly EventGroup[], head: number): Promise<void> {
    const events = batch.flatMap((group) => group.events);
    let result: AppendResult;
    try {
      result = await this.#appendOnce(events);
    } catch (error) {
      if (!isTooLarge(error)) throw locate(error, events);
      if (events.length === 1) throw error;
      if (batch.length === 1) throw refuseToSplit(events, error);
      const middle = Math.ceil(batch.length / 2);
      await this.#append(batch.slice(0, middle), head);
      return this.#append(batch.slice(middle), head);
    }
    this.#copied += result.duplicate ? 0 : events.length;
    this.#place = { position: events.at(-1)!.position, present: result.last };
    // The end is reported once, when it is known that nothing follows.
    if (this.#place.position < head) this.#report(head);
  }

  async #appendOnce(events: readonly SequencedEvent[]): Promise<AppendResult> {
    const { to, signal } = this.#source;
    const after = this.#place.present;
    // The condition keeps other writers out: between the look at `to` and the append nobody can have come in.
    const result = await to.append(events.map(toNewEvent), { failIfEventsMatch: 'all', after }, signal ? { signal } : undefined);
    if (result.first !== after + 1) {
      throw new InvalidInputError('to', `is no copy of "from": it holds event ${events[0]?.position} of "from" at position ${result.first}, not ${after + 1}. Copy into an empty store.`);
    }
    return result;
  }

  #report(head: number): void {
    const { after } = this.#source;
    const { position } = this.#place;
    this.#onProgress?.({ ...this.#result(), head, ratio: head === after ? 1 : (position - after) / (head - after) });
  }

  #result(): CopyResult {
    return { copied: this.#copied, present: this.#place.present - this.#copied, position: this.#place.position };
  }
}

const optionKeys = new Set(['query', 'after', 'batchSize', 'splitBatches', 'signal', 'onProgress']);

function toNewEvent({ position: _, ...event }: SequencedEvent): NewEvent {
  return event;
}

function isTooLarge(error: unknown): error is InvalidInputError {
  return isOpossumError(error, 'INVALID_INPUT') && error.details['path'] === 'events';
}

/** Somebody else appended to the copy: a part of the batch, or something else. */
function isOvertaken(error: unknown): boolean {
  return isOpossumError(error, 'APPEND_CONDITION_FAILED') || isOpossumError(error, 'EVENT_ID_CONFLICT');
}

/** Says which event of `from` the other store refused. */
function locate(error: unknown, events: readonly SequencedEvent[]): unknown {
  if (!isOpossumError(error, 'INVALID_INPUT')) return error;
  const path = String(error.details['path']);
  const [, index, field] = /^events\[(\d+)\]\.?(.*)$/s.exec(path) ?? [];
  if (index === undefined) return error;
  const where = `event ${events[Number(index)]?.position} of "from"`;
  return new InvalidInputError(field ? `${where}: ${field}` : where, error.message.slice(path.length + 1), error);
}
