import { DecisionConflictError, type AppendConditionFailedError, type ConflictingEvent } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { matchesQuery, type Query } from '../core/query.js';
import type { Part } from './decision.js';

/** An attempt whose append failed, because of an event after the position that it had read up to. */
export type LostRace = { readonly error: AppendConditionFailedError; readonly attempts: number; readonly after: number };

/** The error for a decision that lost its last attempt: who was in the way, and which model looks at it. */
export async function explainConflict(store: EventStore, parts: readonly Part[], boundary: Query, lost: LostRace): Promise<DecisionConflictError> {
  const conflicts = (await conflictingEvents(store, boundary, lost)).map(({ position, type, tags, timestamp }) => ({
    position,
    type,
    tags,
    timestamp,
    models: parts.filter(({ model }) => matchesQuery(model.query, { type, tags })).map(({ name }) => name),
  }));
  return new DecisionConflictError(lost.attempts, lost.after, conflicts, lost.error);
}

const mostConflicts = 10;

async function conflictingEvents(store: EventStore, boundary: Query, { error, after }: LostRace): Promise<Omit<ConflictingEvent, 'models'>[]> {
  try {
    return await store.read(boundary, { after, limit: mostConflicts }).toArray();
  } catch {
    // A store that was closed meanwhile must not hide the conflict: this much the failed append has told.
    const { position, type, tags } = error;
    return [{ position, type, tags, timestamp: undefined }];
  }
}
