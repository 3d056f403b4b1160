/*
 * goal: a consumer's handler gets the events that it asked for, fully typed, and what cannot work does not compile.
 * method: this file is compiled by the type checker in modelling-types.test.ts; each line marked as an error must be one, and no other may.
 */
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import { consume, defineEvent, openMemoryStore, replayDeadLetters, tag, type Consumer, type EventOf, type ReplayResult, type SequencedEvent } from '../../src/index.js';

const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), seats: z.int() }), { tags: (data) => ({ course: data.courseId }) });
const SeatTaken = defineEvent('SeatTaken', z.object({ courseId: z.string(), studentId: z.string() }), {
  tags: (data) => ({ course: data.courseId, student: data.studentId }),
});

/** Nothing here is called: it is only compiled. */
export function compiled(): void {
  const store = openMemoryStore();

  const consumer = consume(store, {
    name: 'c',
    events: [CourseDefined, SeatTaken],
    tags: [tag('course', 'c1')],
    handle: async (event, { attempt, signal }) => {
      expectTypeOf(event).toEqualTypeOf<EventOf<typeof CourseDefined> | EventOf<typeof SeatTaken>>();
      expectTypeOf(attempt).toEqualTypeOf<number>();
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      if (event.type === 'SeatTaken') expectTypeOf(event.data).toEqualTypeOf<{ courseId: string; studentId: string }>();
      else expectTypeOf(event.data.seats).toEqualTypeOf<number>();
    },
    concurrency: 4,
    partitionBy: (event) => event.data.courseId,
  });
  expectTypeOf(consumer).toEqualTypeOf<Consumer>();

  consume(store, { name: 'c', query: 'all', handle: (event) => expectTypeOf(event).toEqualTypeOf<SequencedEvent>() });
  consume(store, { name: 'c', query: 'all', handle: () => Promise.resolve('whatever comes of it') });
  consume(store, { name: 'c', events: [SeatTaken], batchSize: 10, handleBatch: (events) => expectTypeOf(events).toEqualTypeOf<readonly EventOf<typeof SeatTaken>[]>() });
  consume(store, { name: 'c', query: { items: [{ types: ['A'] }] }, handleBatch: (events) => expectTypeOf(events).toEqualTypeOf<readonly SequencedEvent[]>() });
  expectTypeOf(replayDeadLetters(store, { name: 'c', events: [SeatTaken], handle: ({ data }) => data.studentId })).resolves.toEqualTypeOf<ReplayResult>();

  // @ts-expect-error there is no such field in the data
  consume(store, { name: 'c', events: [CourseDefined], handle: (event) => event.data.title });
  // @ts-expect-error events of this type never come
  consume(store, { name: 'c', events: [CourseDefined], handle: (event) => event.type === 'SeatTaken' });
  // @ts-expect-error courses have no tag with this key
  consume(store, { name: 'c', events: [CourseDefined, SeatTaken], tags: [tag('student', 's1')], handle: () => undefined });
  // @ts-expect-error a partition is text
  consume(store, { name: 'c', events: [CourseDefined], concurrency: 2, partitionBy: (event) => event.data.seats, handle: () => undefined });
  // @ts-expect-error batches are handled one after another
  consume(store, { name: 'c', query: 'all', handleBatch: () => undefined, concurrency: 2 });
  // @ts-expect-error one event at a time is no batch
  consume(store, { name: 'c', query: 'all', handle: () => undefined, batchSize: 2 });
  // @ts-expect-error which events?
  consume(store, { name: 'c', handle: () => undefined });
  // @ts-expect-error both say which events
  consume(store, { name: 'c', query: 'all', events: [CourseDefined], handle: () => undefined });
  // @ts-expect-error nothing is skipped silently
  consume(store, { name: 'c', query: 'all', handle: () => undefined, onFailure: 'skip' });
  // @ts-expect-error no handler
  consume(store, { name: 'c', query: 'all' });
  // @ts-expect-error a query does not tell what is in the data
  consume(store, { name: 'c', query: 'all', handle: (event) => event.data.seats });
}
