/* What each run of an exploration begins with: a store of its own that holds what is given. */
import { systemDefaults } from '../../core/defaults.js';
import type { EventStore } from '../../core/event-store.js';
import type { NewEvent } from '../../core/event.js';
import { MemoryEventStore } from '../../memory/memory-event-store.js';
import { startMs } from './interleaving.js';
import { completeEvents } from './scheduled-store.js';

/** `ids`: how many were made for what is given; a run's own come after them. */
type Beginning<Store extends EventStore = EventStore> = { readonly store: Store; readonly ids: number };

export class Beginnings {
  readonly #open: (() => EventStore | Promise<EventStore>) | undefined;
  /** Stores in memory, by what they hold: most runs begin with the same list, and appending it is dearer than the race itself. */
  readonly #known = new WeakMap<readonly NewEvent[], Promise<Beginning<MemoryEventStore>>>();

  /** `open` makes an empty store; stores are in memory when it is absent. */
  constructor(open: (() => EventStore | Promise<EventStore>) | undefined) {
    this.#open = open;
  }

  async begin(given: readonly NewEvent[]): Promise<Beginning> {
    if (this.#open) return appendGiven(await this.#open(), given);
    let origin = this.#known.get(given);
    if (!origin) this.#known.set(given, (origin = appendGiven(new MemoryEventStore(systemDefaults), given)));
    const { store, ids } = await origin;
    return { store: new MemoryEventStore(systemDefaults, { origin: store }), ids };
  }
}

/** Ids that a replay makes again: they count on from the first `ids`. */
export function idsAfter(ids: number): () => string {
  let last = ids;
  return () => `00000000-0000-4000-8000-${(++last).toString(16).padStart(12, '0')}`;
}

async function appendGiven<Store extends EventStore>(store: Store, given: readonly NewEvent[]): Promise<Beginning<Store>> {
  let ids = 0;
  const makeId = idsAfter(0);
  const newId = (): string => (ids++, makeId());
  try {
    if (given.length > 0) await store.append(completeEvents(given, { now: () => startMs, newId }));
    return { store, ids };
  } catch (error) {
    await store.close();
    throw error;
  }
}
