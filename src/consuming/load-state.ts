import { isOpossumError, StateDamagedError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { SavedState } from '../core/state-store.js';

/**
 * What is saved under `name`. `nextStep` is what somebody is told who cannot read it any more: the usual advice, to remove what is
 * damaged, would have a consumer begin anew, or forget an event.
 *
 * @throws StateDamagedError
 */
export async function loadState(store: EventStore, name: string, nextStep: string): Promise<SavedState | undefined> {
  try {
    return await store.state.load(name);
  } catch (error) {
    if (!isOpossumError(error, 'STATE_DAMAGED')) throw error;
    throw new StateDamagedError(name, 'it is not as it was saved', error.details, error, nextStep);
  }
}
