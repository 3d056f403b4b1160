import type { EventStore } from '../../core/event-store.js';

/** A store to test, alone on fresh data. */
export type StoreUnderTest = {
  readonly store: EventStore;
  /** Closes `store`, and opens its data again. */
  reopen?(): Promise<EventStore>;
  /** Opens a second store on the same data, beside `store`. */
  another?(): Promise<EventStore>;
  /** Closes every store that was handed out, and removes the data. */
  dispose(): Promise<void>;
};

/** What a store can do beyond the minimum; each adds cases. */
export type Supports = {
  reopen?: boolean;
  another?: boolean;
  /** Batches of 100,000 events and events of 16 MiB: takes seconds and some hundred MB of memory. */
  largeBatches?: boolean;
  /** States of 16 MiB; without it a megabyte must do. */
  largeStates?: boolean;
};

export type SuiteCase = { readonly name: string; run(): Promise<void> };

/** What a case gets; `reopen` and `another` only in groups that need them. */
export type Subject = { readonly store: EventStore; reopen(): Promise<EventStore>; another(): Promise<EventStore> };

export type CaseGroup = {
  readonly name: string;
  readonly needs: keyof Supports | undefined;
  readonly cases: Readonly<Record<string, (subject: Subject) => Promise<void>>>;
};

export function group(name: string, cases: CaseGroup['cases'], needs?: keyof Supports): CaseGroup {
  return { name, needs, cases };
}

export function toCases({ name, cases }: CaseGroup, make: () => StoreUnderTest | Promise<StoreUnderTest>): SuiteCase[] {
  return Object.entries(cases).map(([title, body]) => ({ name: `${name}: ${title}`, run: () => runCase(body, make) }));
}

async function runCase(body: (subject: Subject) => Promise<void>, make: () => StoreUnderTest | Promise<StoreUnderTest>): Promise<void> {
  const made = await make();
  try {
    await body({
      store: made.store,
      reopen: () => made.reopen?.() ?? missing('reopen'),
      another: () => made.another?.() ?? missing('another'),
    });
  } finally {
    await made.dispose();
  }
}

function missing(what: string): never {
  throw new Error(`The suite was told that this store supports "${what}", but make() gave no ${what}().`);
}
