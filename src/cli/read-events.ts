import { EventListing } from './event-listing.js';
import { toQuery, type QueryOptions } from './queries.js';
import { withReading, type StoreLocation } from './stores.js';
import type { Terminal } from './terminal.js';

export type ReadEventsOptions = StoreLocation & QueryOptions & { after?: number; before?: number; limit?: number; backwards?: boolean; json?: boolean };

/** What `opossum read` does. */
export async function readEvents({ after, before, limit, backwards, json = false, ...options }: ReadEventsOptions, terminal: Terminal): Promise<void> {
  const query = toQuery(options);
  const signal = terminal.interruptible();
  await withReading(options, async (store) => {
    const events = store.read(query, {
      signal,
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
      ...(limit === undefined ? {} : { limit }),
      ...(backwards === undefined ? {} : { backwards }),
    });
    await new EventListing(terminal.out, json).writeAll(events);
  });
}
