/* Events that a consumer could not handle: a state for each, below the consumer's name, kept until somebody decides. */
import { checkFields, checkList, checkPosition } from '../core/check-values.js';
import { StateDamagedError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { JsonObject, SequencedEvent } from '../core/event.js';
import { checkName } from '../core/names.js';
import type { SaveOptions } from '../core/state-store.js';
import { eventAt } from './checkpoint.js';
import { loadState } from './load-state.js';

/** An event that a consumer gave up. */
export interface DeadLetter {
  readonly position: number;
  /** The event's. */
  readonly id: string;
  /** The event's. */
  readonly type: string;
  /** How often the handler was called for it; 0 when it never was, because the event's definition could not take it, or `partitionBy` failed. */
  readonly attempts: number;
  /** Name and message of the last error and of its cause; at most 4,000 characters. */
  readonly error: string;
  /** When it failed last, RFC 3339 in UTC. */
  readonly parkedAt: string;
  /** The event itself; undefined when the store has another one at that position, or none. */
  readEvent(): Promise<SequencedEvent | undefined>;
}

/** Which dead letters: those of these positions, or all when absent. */
export type DeadLetterSelection = { positions?: readonly number[] };

/**
 * The dead letters of the consumer of that name, by position. Looks at what is saved, whichever process runs the consumer.
 *
 * @example for (const { position, type, error } of await deadLetters(store, 'mailer')) console.log(position, type, error)
 * @throws InvalidInputError, StateDamagedError, StorageFailedError, StoreClosedError
 */
export async function deadLetters(store: EventStore, name: string): Promise<DeadLetter[]> {
  checkName(name, 'name');
  const letters: DeadLetter[] = [];
  for (const position of await letterPositions(store, name)) {
    const loaded = await loadLetter(store, name, position);
    if (loaded) letters.push(loaded.letter);
  }
  return letters;
}

/**
 * Removes dead letters for good: their events count as settled, and this consumer never handles them again.
 *
 * @param positions Of the events; `'all'` for all that are there.
 * @returns How many there were.
 * @throws InvalidInputError, StorageFailedError, StoreClosedError
 */
export async function discardDeadLetters(store: EventStore, name: string, positions: readonly number[] | 'all'): Promise<number> {
  checkName(name, 'name');
  const wanted = positions === 'all' ? await letterPositions(store, name) : checkPositions(positions, 'positions');
  let discarded = 0;
  for (const position of wanted) if (await removeLetter(store, name, position)) discarded++;
  return discarded;
}

export function checkSelection(selection: DeadLetterSelection): readonly number[] | undefined {
  const { positions } = checkFields(selection, 'options', selectionKeys, 'the options of replayDeadLetters') as DeadLetterSelection;
  return positions === undefined ? undefined : checkPositions(positions, 'options.positions');
}

const selectionKeys = new Set(['positions', 'signal']);

function checkPositions(positions: unknown, path: string): number[] {
  checkList(positions, path).forEach((position, i) => checkPosition(position ?? null, `${path}[${i}]`, 1));
  return [...new Set(positions as number[])].sort((a, b) => a - b);
}

/** Sorted as numbers. */
export async function letterPositions(store: EventStore, consumer: string): Promise<number[]> {
  const names = await store.state.list(`consumers/${consumer}/dead`);
  return names.map((name) => Number(name.slice(name.lastIndexOf('/') + 1))).sort((a, b) => a - b);
}

export async function loadLetter(store: EventStore, consumer: string, position: number): Promise<{ letter: DeadLetter; version: number } | undefined> {
  const nextStep =
    `Restore it from a backup, or look after the event at position ${position} yourself, and then: ` +
    `discardDeadLetters(store, ${JSON.stringify(consumer)}, [${position}]).`;
  const saved = await loadState(store, letterName(consumer, position), nextStep);
  if (saved === undefined) return undefined;
  const { id, type, attempts, error, parkedAt } = (saved.value ?? {}) as JsonObject;
  if (typeof id !== 'string' || typeof type !== 'string' || typeof attempts !== 'number' || typeof error !== 'string' || typeof parkedAt !== 'string') {
    throw new StateDamagedError(letterName(consumer, position), 'it holds no dead letter', {}, undefined, nextStep);
  }
  return { letter: makeLetter(store, { position, id, type, attempts, error, parkedAt }), version: saved.version };
}

/**
 * Saves a dead letter, durably. When an event is parked no version is expected: that two processes park it costs a repetition at
 * the most, and not to park it would lose it.
 */
export async function saveLetter(
  store: EventStore,
  consumer: string,
  event: LetterEvent,
  failure: Failure,
  atMs: number,
  options: SaveOptions = {},
): Promise<DeadLetter> {
  const { position, id, type } = event;
  const fields = { id, type, attempts: failure.attempts, error: errorText(failure.error), parkedAt: new Date(atMs).toISOString() };
  await store.state.save(letterName(consumer, position), { position, ...fields }, options);
  return makeLetter(store, { position, ...fields });
}

export function removeLetter(store: EventStore, consumer: string, position: number): Promise<boolean> {
  return store.state.remove(letterName(consumer, position));
}

/** What a letter keeps of its event. */
export type LetterEvent = Pick<SequencedEvent, 'position' | 'id' | 'type'>;
export type Failure = { readonly error: unknown; readonly attempts: number };

const letterName = (consumer: string, position: number): string => `consumers/${consumer}/dead/${position}`;

function makeLetter(store: EventStore, fields: Omit<DeadLetter, 'readEvent'>): DeadLetter {
  return {
    ...fields,
    async readEvent() {
      const event = await eventAt(store, fields.position);
      return event?.id === fields.id ? event : undefined;
    },
  };
}

const longestText = 4000;

/** Text of whatever was thrown. A handler's errors are not under our control: their text must never be what fails the saving. */
function errorText(error: unknown): string {
  let text: string;
  try {
    // Why is often told by the cause alone, as with "fetch failed".
    const cause = error instanceof Error && error.cause instanceof Error ? ` (cause: ${lineOf(error.cause)})` : '';
    text = error instanceof Error ? lineOf(error) + cause : String(error);
  } catch {
    text = 'an error without text';
  }
  return text.slice(0, longestText).toWellFormed();
}

const lineOf = ({ name, message }: Error): string => `${name}: ${message}`;
