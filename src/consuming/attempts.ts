import type { SequencedEvent } from '../core/event.js';
import { traced, traces } from '../core/traces.js';
import { retryOnConflict } from '../modelling/retry.js';
import { CallerError, callHook } from './caller-error.js';
import type { Setup } from './check-options.js';
import type { HandleContext } from './consumer-options.js';
import type { Failure } from './dead-letters.js';

/** What became of events that were handed to the handler. `'dropped'`: nothing for sure, because the consumer is to end. */
export type HandleOutcome = 'handled' | 'dropped' | Failure;

/**
 * Calls the handler until it succeeds or its attempts are used up. `ending` ends the waiting between two calls, never a call.
 *
 * @throws CallerError when a hook throws.
 */
export async function handleWithRetries(setup: Setup, events: readonly SequencedEvent[], ending: AbortSignal, signal: AbortSignal): Promise<HandleOutcome> {
  const { onRetry } = setup.hooks;
  const positions = events.map(({ position }) => position);
  let failed: Failure | undefined;
  try {
    await retryOnConflict(
      async (attempt) => {
        failed = undefined;
        try {
          await callHandler(setup, events, { attempt, signal });
        } catch (error) {
          // Noted here: an error is the handler's by where it comes from, not by what it looks like.
          failed = { error, attempts: attempt };
          throw error;
        }
      },
      {
        ...setup.retry,
        signal: ending,
        isConflict: () => failed !== undefined,
        onRetry: (info) => {
          failed = undefined;
          callHook(() => onRetry?.({ ...info, positions }));
        },
      },
    );
    return 'handled';
  } catch (error) {
    if (ending.aborted) return 'dropped';
    if (failed) return failed;
    // A hook, or the caller's own `sleep` or `random`.
    throw error instanceof CallerError ? error : new CallerError(error);
  }
}

/** One call. */
export function callHandler(setup: Pick<Setup, 'name' | 'handle'>, events: readonly SequencedEvent[], context: HandleContext): Promise<void> {
  const message = (): { consumer: string; positions: number[]; type: string; metadata: SequencedEvent['metadata']; attempt: number } => ({
    consumer: setup.name,
    positions: events.map(({ position }) => position),
    type: events[0]!.type,
    metadata: events[0]!.metadata,
    attempt: context.attempt,
  });
  return traced(traces.consume, message, async () => void (await setup.handle(events, context)));
}
