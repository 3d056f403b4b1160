import type { EventStore } from '../../src/index.js';

/** The calls of a store as an object of their own, so that some of them can be replaced. */
export function storeCalls(store: EventStore): EventStore {
  return {
    append: (...args) => store.append(...args),
    read: (...args) => store.read(...args),
    subscribe: (...args) => store.subscribe(...args),
    head: () => store.head(),
    state: store.state,
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
