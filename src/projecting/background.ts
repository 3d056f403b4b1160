import { isOpossumError, type OpossumError } from '../core/errors.js';
import type { StateLease, StateStore } from '../core/state-store.js';
import { folderOf } from './manifest.js';
import { Projector, type ProjectorOptions } from './projector.js';

export type BackgroundOptions = Omit<ProjectorOptions, 'damaged'> & {
  readonly state: StateStore;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly random: () => number;
  /** Whether this process is the one that applies, and then, whom to tell of a generation that is damaged. */
  readonly onRole: (applies: boolean, distrust?: Projector['distrust']) => void;
  /** Something failed, and is tried again. */
  readonly onTrouble: (error: unknown) => void;
};

/**
 * Applies whenever this process has the lease, until `signal` aborts. What can be mended by trying again is tried again; any other
 * error comes out.
 */
export async function applyInBackground(options: BackgroundOptions, signal: AbortSignal): Promise<void> {
  const { state, rules, sleep, random, onRole, onTrouble } = options;
  let damaged: ProjectorOptions['damaged'];
  let failures = 0;
  const onSaved: ProjectorOptions['onSaved'] = (...args) => {
    failures = 0;
    options.onSaved(...args);
  };
  while (!signal.aborted) {
    let lease: StateLease | undefined;
    const projector = new Projector({ ...options, onSaved, damaged });
    try {
      lease = await state.lease(folderOf(rules.name), { signal });
      onRole(true, (id, error) => projector.distrust(id, error));
      await projector.run(signal, lease.signal);
    } catch (error) {
      if (signal.aborted && !isOpossumError(error)) return;
      if (!isMendable(error)) throw error;
      const isOvertaken = error.code === 'STATE_CONFLICT' || (error.code === 'STATE_DAMAGED' && !(await projector.isNewest().catch(() => false)));
      // Another process that applies is no trouble: the lease was lost, and what counts is what that process saves.
      if (!isOvertaken) onTrouble(error);
      const id = projector.generationId;
      if (!isOvertaken && error.code === 'STATE_DAMAGED' && id !== undefined) damaged = { id, message: error.message };
    } finally {
      onRole(false);
      await lease?.release();
    }
    if (signal.aborted) return;
    const delayMs = random() * Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures++, 20));
    await sleep(delayMs, signal).catch(() => undefined);
  }
}

const firstDelayMs = 20;
const longestDelayMs = 5000;

function isMendable(error: unknown): error is OpossumError {
  return isOpossumError(error) && (error.retryable || error.code === 'STORAGE_FAILED' || error.code === 'STATE_DAMAGED');
}
