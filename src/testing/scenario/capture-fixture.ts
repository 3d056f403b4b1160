import type { EventStore } from '../../core/event-store.js';
import type { NewEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';

/**
 * Takes events out of a store for a scenario's `given`: with their ids and time stamps, without positions. They are plain JSON, so
 * `JSON.stringify(events, null, 2)` makes a file of them. Mind what is in them before you keep it.
 *
 * @param query All events when absent.
 * @example const events = await captureFixture(store, { items: [{ tags: ['course:c1'] }] })
 */
export async function captureFixture(store: EventStore, query: Query = 'all'): Promise<NewEvent[]> {
  const events: NewEvent[] = [];
  for await (const { position: _, ...event } of store.read(query)) events.push(event);
  return events;
}
