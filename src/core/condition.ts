import type { Query } from './query.js';

/**
 * Makes an append fail when an event that matches `failIfEventsMatch` exists after position `after` (exclusive).
 * Without `after` any matching event fails it. Events of the batch itself never count.
 */
export type AppendCondition = { failIfEventsMatch: Query; after?: number };
