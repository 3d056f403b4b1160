/* Handling what was given up once more, under the consumer's lease: no event is handled there meanwhile. */
import { isOpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { matchesQuery } from '../core/query.js';
import { callHandler } from './attempts.js';
import type { Setup } from './check-options.js';
import { letterPositions, loadLetter, removeLetter, saveLetter, type DeadLetter } from './dead-letters.js';

export type ReplayResult = {
  /** Positions of events that are handled now, and no dead letters any more. */
  readonly handled: readonly number[];
  /** Those that failed again, with the new error and one attempt more. */
  readonly failed: readonly DeadLetter[];
};

/** Who replays what; `positions` undefined is all of them. */
export type ReplayPlan = {
  readonly store: EventStore;
  readonly setup: Pick<Setup, 'name' | 'query' | 'handle' | 'parse' | 'now'>;
  readonly positions: readonly number[] | undefined;
  /** Aborts when the lease is lost; the handler gets it. */
  readonly lost: AbortSignal;
  /** Aborts when the consumer is asked to stop: the event in hand is the last one. */
  readonly stopping?: AbortSignal;
  /** Ends the replay before the next event. */
  readonly signal: AbortSignal | undefined;
};

/** Calls the handler once for each dead letter, by position. Ends early when the lease is lost or the consumer is to stop. */
export async function replayLetters({ store, setup, positions, lost, stopping, signal }: ReplayPlan): Promise<ReplayResult> {
  const result = { handled: [] as number[], failed: [] as DeadLetter[] };
  for (const position of positions ?? (await letterPositions(store, setup.name))) {
    signal?.throwIfAborted();
    if (lost.aborted || stopping?.aborted) break;
    const loaded = await loadLetter(store, setup.name, position);
    if (loaded === undefined) continue;
    const { letter, version } = loaded;
    const stored = await letter.readEvent();
    // The handler is not made for it: its letter stays as it is.
    if (stored !== undefined && !matchesQuery(setup.query, stored)) continue;
    let { attempts } = letter;
    try {
      if (stored === undefined) throw new Error(`Event ${JSON.stringify(letter.id)} is not at position ${position} of this store. Discard its dead letter.`);
      const event = await setup.parse(stored);
      attempts++;
      await callHandler(setup, [event], { attempt: attempts, signal: lost });
    } catch (error) {
      if (lost.aborted) break;
      try {
        result.failed.push(await saveLetter(store, setup.name, letter, { error, attempts }, setup.now(), { expected: version }));
      } catch (conflict) {
        // Somebody discarded it meanwhile: it must not come back.
        if (!isOpossumError(conflict, 'STATE_CONFLICT')) throw conflict;
      }
      continue;
    }
    await removeLetter(store, setup.name, position);
    result.handled.push(position);
  }
  return result;
}
