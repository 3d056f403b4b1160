/** What tests of consumers share: stores whose state gets into trouble, and a look at what a consumer saved. */
import { afterEach, expect } from 'vitest';
import { consume as consumeOn, type Consumer, type ConsumerOptions, type EventStore, type StateLease, type StateStore } from '../../src/index.js';

const running: Consumer[] = [];
afterEach(stopAll);

/** Stops the consumers that were started with the `consume` of this file. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((consumer) => consumer.stop()));
}

/** As `consume`, but it never waits before it tries again, and is stopped after the test. */
export const consume = ((store: EventStore, options: ConsumerOptions) => {
  const consumer = consumeOn(store, { sleep: async () => undefined, ...options });
  running.push(consumer);
  return consumer;
}) as typeof consumeOn;

/** Waits for it, however slow the machine is. */
export const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 5 });

export const events = (...types: string[]) => types.map((type) => ({ type, data: null }));
export const fail = (): never => {
  throw new Error('no mail today');
};

/** The same store with some calls of its state, or its own, replaced. */
export function withCalls(store: EventStore, { state = {}, ...calls }: Partial<Omit<EventStore, 'state'>> & { state?: Partial<StateStore> }): EventStore {
  const inner = store.state;
  return {
    append: (...args) => store.append(...args),
    read: (...args) => store.read(...args),
    subscribe: (...args) => store.subscribe(...args),
    head: () => store.head(),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
    ...calls,
    state: {
      load: (...args) => inner.load(...args),
      save: (...args) => inner.save(...args),
      remove: (...args) => inner.remove(...args),
      list: (...args) => inner.list(...args),
      lease: (...args) => inner.lease(...args),
      ...state,
    },
  };
}

/** A store whose leases can be lost: the next who waits gets it. The one who had it is told, or else `loseSilently` keeps it from him. */
export function withLosableLeases(store: EventStore): { store: EventStore; lose: () => Promise<void>; loseSilently: () => Promise<void>; losses: () => number } {
  let held: { lost: AbortController; inner: StateLease } | undefined;
  let losses = 0;
  const lease: StateStore['lease'] = async (name, options) => {
    const inner = await store.state.lease(name, options);
    const lost = new AbortController();
    const mine = { lost, inner };
    held = mine;
    const release = async (): Promise<void> => {
      if (held === mine) held = undefined;
      await inner.release();
      lost.abort();
    };
    return { signal: lost.signal, release, [Symbol.asyncDispose]: release };
  };
  const take = async (isTold: boolean): Promise<void> => {
    if (held === undefined) return;
    const { lost, inner } = held;
    held = undefined;
    losses++;
    if (isTold) lost.abort();
    await inner.release();
  };
  return { store: withCalls(store, { state: { lease } }), lose: () => take(true), loseSilently: () => take(false), losses: () => losses };
}

export async function savedPosition(store: EventStore, name: string): Promise<number | undefined> {
  const saved = await store.state.load(`consumers/${name}/checkpoint`);
  return (saved?.value as { position: number } | undefined)?.position;
}

/** A promise, and what settles it. */
export function gate(): { open: () => void; passed: Promise<void> } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}
