import { openStore, type SequencedEvent } from '../../src/index.js';

/** All events of a store, read without touching anything. */
export async function eventsIn(directory: string): Promise<SequencedEvent[]> {
  const store = await openStore({ directory, readOnly: true });
  try {
    return await store.read().toArray();
  } finally {
    await store.close();
  }
}
