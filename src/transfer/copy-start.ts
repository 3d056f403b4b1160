/*
 * Where a copy goes on. What `to` holds must be a beginning of what is copied: the same events in the same order. Nothing about
 * a copy is kept anywhere else, so it can be stopped at any time and go on from another process.
 */
import { InvalidInputError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import { sameContent, sameJson } from '../core/same-content.js';

export type CopySource = {
  readonly from: EventStore;
  readonly to: EventStore;
  readonly query: Query;
  /** Exclusive. */
  readonly after: number;
  readonly signal: AbortSignal | undefined;
};

/** `to` holds `present` events, and they are what is copied up to `position` of `from`. */
export type CopyPlace = { readonly position: number; readonly present: number };

/**
 * Without `after` all that `to` holds is compared. With it, and when `to` has come as far, its last event tells.
 * @throws InvalidInputError that names the first event of `to` which is not the one of `from` in its place.
 */
export async function findPlace(source: CopySource): Promise<CopyPlace> {
  const { from, to, query, after, signal } = source;
  if (query === 'all' && after > 0) {
    const present = await to.head();
    const [last, twin] = present < after ? [] : [await eventAt(to, present, signal), await eventAt(from, present, signal)];
    if (last && twin && isSameEvent(last, twin)) return { position: present, present };
  }
  return movePlace(source, { position: after, present: 0 });
}

/** Goes on from `place` over what `to` holds behind it. @throws InvalidInputError as `findPlace` does. */
export async function movePlace({ from, to, query, signal }: CopySource, place: CopyPlace): Promise<CopyPlace> {
  const options = signal ? { signal } : {};
  const twins = from.read(query, { after: place.position, ...options })[Symbol.asyncIterator]();
  let moved = place;
  try {
    for await (const event of to.read('all', { after: place.present, ...options })) {
      const { done, value: twin } = await twins.next();
      if (done) throw refuse(event, 'which is none of those to copy.');
      if (!isSameEvent(event, twin)) throw refuse(event, `but it should be event ${twin.position} of "from", ${nameOf(twin)}${event.id === twin.id ? ' with other content' : ''}.`);
      moved = { position: twin.position, present: event.position };
    }
  } finally {
    await twins.return?.();
  }
  return moved;
}

async function eventAt(store: EventStore, position: number, signal: AbortSignal | undefined): Promise<SequencedEvent | undefined> {
  if (position > (await store.head())) return undefined;
  return store.read('all', { after: position - 1, limit: 1, ...(signal ? { signal } : {}) }).first();
}

function isSameEvent(a: SequencedEvent, b: SequencedEvent): boolean {
  return a.id === b.id && a.timestamp === b.timestamp && sameContent(a, b) && sameJson(a.metadata, b.metadata);
}

function refuse(event: SequencedEvent, problem: string): InvalidInputError {
  return new InvalidInputError(
    'to',
    `is no copy of "from": its event ${event.position} is ${nameOf(event)}, ${problem} Copy into an empty store, or, to go on with a copy, ` +
      'give the same query and after as when it began.',
  );
}

function nameOf({ id, type }: SequencedEvent): string {
  return `${JSON.stringify(id)} (${JSON.stringify(type)})`;
}
