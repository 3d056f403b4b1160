import { describe, expect, test } from 'vitest';
import { causedBy, decide, openMemoryStore, withContext, type NewEvent } from '../../src/index.js';
import { freshStores, SeatTaken, takenIn } from '../support/courses.js';

const seat = SeatTaken({ courseId: 'c1', studentId: 's1' });

describe.each(freshStores)('a store with context (%s)', (_, open) => {
  test('adds it to all events of a decision, and of an append; their own metadata goes first', async () => {
    const inner = await open();
    const store = withContext({ correlationId: 'request-1', user: 'u1' }, inner);
    await decide(store, { taken: takenIn('c1') }, () => [seat, { ...seat, metadata: { user: 'u2', device: 'd1' } }]);
    await withContext({ causationId: 'command-1', user: 'u3' }, store).append(seat);
    expect((await store.read().toArray()).map(({ metadata }) => metadata)).toEqual([
      { correlationId: 'request-1', user: 'u1' },
      { correlationId: 'request-1', user: 'u2', device: 'd1' },
      { correlationId: 'request-1', causationId: 'command-1', user: 'u3' },
    ]);
    expect(await store.head()).toBe(3);
    await store.close();
    await expect(inner.head()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });

  test('leads from event to event', async () => {
    const store = await open();
    await store.append({ ...seat, id: 'e1' });
    const first = (await store.read().first())!;
    await withContext(causedBy(first), store).append({ ...seat, id: 'e2' });
    const [second] = await store.read('all', { after: 1 }).toArray();
    await withContext(causedBy(second!), store).append({ ...seat, id: 'e3' });
    const [third] = await store.read('all', { after: 2 }).toArray();
    expect(second!.metadata).toEqual({ correlationId: 'e1', causationId: 'e1' });
    expect(third!.metadata).toEqual({ correlationId: 'e1', causationId: 'e2' });
    await store.close();
  });
});

test('bad events are refused by the store, with the same words as ever', async () => {
  const store = withContext({ user: 'u1' }, openMemoryStore());
  await expect(store.append([null as unknown as NewEvent])).rejects.toMatchObject({ path: 'events[0]' });
  await expect(store.append({ ...seat, metadata: 'text' as unknown as object as never })).rejects.toMatchObject({ path: 'events[0].metadata' });
  await expect(withContext({ user: undefined as never }, openMemoryStore()).append(seat)).resolves.toMatchObject({ first: 1 });
  expect(() => withContext({ schemaVersion: 2 }, openMemoryStore())).toThrow('event definitions');
});
