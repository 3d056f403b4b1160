import { isOpossumError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { LeaseOptions, StateLease, StateStore } from '../../core/state-store.js';
import type { Interleaving } from './interleaving.js';

/** The state of a store, each call of which waits for its turn. Waiting for a lease takes virtual time. */
export function scheduledState(store: EventStore, interleaving: Interleaving, handler: number): StateStore {
  const call = <T>(what: string, perform: () => Promise<T>): Promise<T> => interleaving.call(handler, { kind: 'state', what }, perform);
  return {
    load: (name) => call(`load ${name}`, () => store.state.load(name)),
    save: (name, value, options) => call(`save ${name}`, () => store.state.save(name, value, options)),
    remove: (name, options) => call(`remove ${name}`, () => store.state.remove(name, options)),
    list: (prefix) => call(`list ${prefix ?? 'states'}`, () => store.state.list(prefix)),
    lease: (name, options) => leaseInTurn(store, interleaving, handler, name, options),
  };
}

const pollMs = 100;

async function leaseInTurn(store: EventStore, interleaving: Interleaving, handler: number, name: string, options: LeaseOptions = {}): Promise<StateLease> {
  const { signal, timeoutMs = Infinity } = options;
  const call = <T>(what: string, perform: () => Promise<T>): Promise<T> => interleaving.call(handler, { kind: 'state', what }, perform);
  // Within its turn the store must not wait for another handler, which cannot move meanwhile: so it asks once, again and again.
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    try {
      let lease: StateLease | undefined;
      await call(`lease ${name}`, async () => {
        lease = await store.state.lease(name, { ...options, timeoutMs: 0 });
      });
      return { signal: lease!.signal, release: () => call(`release ${name}`, () => lease!.release()), [Symbol.asyncDispose]: () => call(`release ${name}`, () => lease!.release()) };
    } catch (error) {
      if (!isOpossumError(error, 'LOCK_TIMEOUT') || waitedMs >= timeoutMs) throw error;
      await new Promise<void>((resolve) => interleaving.startTimer(handler, pollMs, resolve));
      signal?.throwIfAborted();
    }
  }
}
