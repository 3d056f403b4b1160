/*
 * How far a consumer has come, durably. Promises: a checkpoint is saved only by whoever took it over last, so that one who lost
 * its lease cannot move it; and it is believed only if the store still has the event that it names.
 */
import { checkFields, checkPosition } from '../core/check-values.js';
import { systemDefaults } from '../core/defaults.js';
import { CheckpointMismatchError, isOpossumError, PositionAheadError, StateDamagedError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { JsonValue, SequencedEvent } from '../core/event.js';
import { checkName } from '../core/names.js';
import type { Setup } from './check-options.js';
import { loadState } from './load-state.js';

/** A position and the id of the event that lies there; no id before the first event. */
export type Place = { readonly position: number; readonly id: string | null };

export const leaseName = (consumer: string): string => `consumers/${consumer}`;
const checkpointName = (consumer: string): string => `consumers/${consumer}/checkpoint`;

/** The checkpoint of the one who holds the lease. */
export class Checkpoint {
  readonly #store: EventStore;
  readonly #consumer: string;
  readonly #now: () => number;
  #place: Place;
  #version: number;
  #savedAtMs: number;

  constructor(store: EventStore, consumer: string, now: () => number, place: Place, version: number) {
    this.#store = store;
    this.#consumer = consumer;
    this.#now = now;
    this.#place = place;
    this.#version = version;
    this.#savedAtMs = now();
  }

  /** What is saved. */
  get place(): Place {
    return this.#place;
  }

  get ageMs(): number {
    return this.#now() - this.#savedAtMs;
  }

  /** @throws StateConflictError when another process took over. */
  async save(place: Place): Promise<void> {
    const atMs = this.#now();
    this.#version = await this.#store.state.save(checkpointName(this.#consumer), toValue(place, atMs), { expected: this.#version });
    this.#place = place;
    this.#savedAtMs = atMs;
  }
}

/**
 * Takes the checkpoint over, or makes it where the consumer starts. It is saved in any case: whoever had it before can no longer
 * save it, and a start at the end must not lie further on after a crash.
 *
 * @throws CheckpointMismatchError
 */
export async function takeCheckpoint(store: EventStore, { name, startAt, now }: Pick<Setup, 'name' | 'startAt' | 'now'>): Promise<Checkpoint> {
  // Each turn but the last lost to a save of another process.
  for (;;) {
    const saved = await loadCheckpoint(store, name);
    const place = saved === undefined ? await placeToStart(store, startAt) : saved.place;
    if (saved !== undefined) await checkPlace(store, name, place);
    const checkpoint = new Checkpoint(store, name, now, place, saved?.version ?? 0);
    try {
      await checkpoint.save(place);
      return checkpoint;
    } catch (error) {
      if (!isOpossumError(error, 'STATE_CONFLICT')) throw error;
    }
  }
}

/** @throws StateDamagedError when something else than a checkpoint is saved there. */
export async function loadCheckpoint(store: EventStore, consumer: string): Promise<{ place: Place; version: number } | undefined> {
  const saved = await loadState(store, checkpointName(consumer), nextStep(consumer));
  if (saved === undefined) return undefined;
  const { position, id } = (saved.value ?? {}) as { position?: unknown; id?: unknown };
  const isPlace = Number.isSafeInteger(position) && (position as number) >= 0 && (position === 0 ? id === null : typeof id === 'string');
  if (!isPlace) throw new StateDamagedError(checkpointName(consumer), 'it holds no checkpoint of a consumer', {}, undefined, nextStep(consumer));
  return { place: { position: position as number, id: id as string | null }, version: saved.version };
}

/** The event at `position`; undefined when there is none. */
export async function eventAt(store: EventStore, position: number): Promise<SequencedEvent | undefined> {
  try {
    return await store.read('all', { after: position - 1, limit: 1 }).first();
  } catch (error) {
    if (isOpossumError(error, 'POSITION_AHEAD')) return undefined;
    throw error;
  }
}

/** @throws PositionAheadError when the store has no event there. */
export async function placeAt(store: EventStore, position: number): Promise<Place> {
  if (position === 0) return { position, id: null };
  const event = await eventAt(store, position);
  if (event === undefined) throw new PositionAheadError(position, await store.head());
  return { position, id: event.id };
}

export type ResetOptions = {
  /** The consumer goes on with the first event behind this position (exclusive, at least 0). */
  after: number;
  /** Milliseconds to wait while a consumer of that name is running; 2,000 when absent. Stop it first. */
  timeoutMs?: number;
};

/**
 * Says from where the consumer of that name goes on, in whatever process it runs next: to handle events once more, to pass over
 * some for good, or after its checkpoint did not fit the store. Dead letters stay; those of events that are then handled well go.
 * Durable when the promise resolves.
 *
 * @example await resetConsumer(store, 'mailer', { after: await store.head() })
 * @throws LockTimeoutError when a consumer of that name is running; PositionAheadError when the store has no event at `after`;
 *   InvalidInputError, StorageFailedError, StoreClosedError
 */
export async function resetConsumer(store: EventStore, name: string, options: ResetOptions): Promise<void> {
  checkName(name, 'name');
  const { after, timeoutMs = 2000 } = checkFields(options, 'options', resetKeys, 'the options of resetConsumer') as ResetOptions;
  checkPosition(after ?? null, 'options.after', 0);
  const lease = await store.state.lease(leaseName(name), { timeoutMs });
  try {
    const place = await placeAt(store, after);
    // Whatever is there goes, even if it is damaged.
    await store.state.save(checkpointName(name), toValue(place, systemDefaults.now()));
  } finally {
    await lease.release();
  }
}

const resetKeys = new Set(['after', 'timeoutMs']);

async function placeToStart(store: EventStore, startAt: Setup['startAt']): Promise<Place> {
  if (startAt === 'beginning') return placeAt(store, 0);
  return placeAt(store, startAt === 'end' ? await store.head() : startAt.after);
}

async function checkPlace(store: EventStore, consumer: string, { position, id }: Place): Promise<void> {
  if (position === 0) return;
  // Not `store.head()`: for a position that may only not be mended yet, a read says that the storage failed.
  const head = await store.read('all', { after: position }).head().catch(headIfAhead);
  const event = position <= head ? await eventAt(store, position) : undefined;
  if (event?.id === id) return;
  const found =
    event === undefined
      ? `but the last event of this store has position ${head}`
      : `the last of them ${JSON.stringify(id)}, but the event at that position is ${JSON.stringify(event.id)} (${JSON.stringify(event.type)})`;
  const safe = Math.min(head, position);
  throw new CheckpointMismatchError(
    `Consumer ${JSON.stringify(consumer)} has handled events up to position ${position}, ${found}. Nothing was handled now. The store was put back ` +
      'without its folder "state", or that folder belongs to another store. Restore both from one backup, or say from where to go on: ' +
      `resetConsumer(store, ${JSON.stringify(consumer)}, { after: ${safe} }) passes over what is stored up to ${safe}.`,
    { consumer, position, id, head, found: event?.id },
  );
}

function headIfAhead(error: unknown): number {
  if (isOpossumError(error, 'POSITION_AHEAD')) return (error as PositionAheadError).details['head'] as number;
  throw error;
}

const nextStep = (consumer: string): string =>
  `Restore it from a backup, or say from where the consumer goes on: resetConsumer(store, ${JSON.stringify(consumer)}, { after }). Nothing was handled now.`;

function toValue({ position, id }: Place, atMs: number): JsonValue {
  return { position, id, at: new Date(atMs).toISOString() };
}
