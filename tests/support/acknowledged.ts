import { expect } from 'vitest';
import { openStore, verifyContext } from '../../dist/index.js';
import type { SequencedEvent } from '../../dist/index.js';

/** A batch that the job `append` reported. */
export type Acknowledged = { readonly name: string; readonly i: number; readonly first: number; readonly last: number };

/**
 * Opens the store once more, appends, closes it, and expects: positions without gap, every batch of `batch` events whole and
 * in order, every acknowledged one in its place, event files complete, nothing that `verify` objects to. Returns how many
 * events there are.
 */
export async function expectAllThere(directory: string, batch: number, acknowledged: readonly Acknowledged[]): Promise<number> {
  const events = await reopenAndRead(directory);
  expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => i + 1));
  for (let first = 0; first < events.length; first += batch) expectWhole(events.slice(first, first + batch), batch);
  const lost = acknowledged.filter(({ name, i, first, last }) => last - first + 1 !== batch || events[first - 1]?.id !== `${name}-${i}-0`);
  expect(lost, `of ${acknowledged.length} acknowledged batches`).toEqual([]);
  expect(await verifyContext({ directory })).toMatchObject({ ok: true, problems: [], pendingEventFiles: 0 });
  return events.length;
}

/** Everything but a last event, whose append makes the store heal what others left. */
async function reopenAndRead(directory: string): Promise<SequencedEvent[]> {
  const store = await openStore({ directory });
  try {
    const events = await store.read().toArray();
    const { first } = await store.append({ type: 'Reopened', data: null });
    expect(first).toBe(events.length + 1);
    // Comparing the files that others left is given up when the store closes; each is compared, and made durable.
    const timeout = 20_000 + events.length * 20;
    await expect.poll(async () => (await verifyContext({ directory })).pendingEventFiles, { timeout, interval: 200 }).toBe(0);
    return events;
  } finally {
    await store.close();
  }
}

function expectWhole(batch: readonly SequencedEvent[], length: number): void {
  const name = batch[0]!.id.slice(0, -2);
  expect(batch.map(({ id }) => id)).toEqual(Array.from({ length }, (_, j) => `${name}-${j}`));
}
