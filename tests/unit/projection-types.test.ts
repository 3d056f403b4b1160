/*
 * goal: the types of a projection are inferred from its events, its initial state and its index; what does not fit does not compile.
 * method: this file is compiled by the type checker in modelling-types.test.ts; each line marked as an error must be one, and no other may.
 */
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { defineEvent, openMemoryStore, openProjection, projection, tag, type Projection, type ProjectionView, type SequencedEvent } from '../../src/index.js';

const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), teacher: z.string() }), { tags: (data) => ({ course: data.courseId }) });
const SeatTaken = defineEvent('SeatTaken', z.object({ courseId: z.string(), student: z.string() }), { tags: (data) => ({ course: data.courseId, student: data.student }) });

const courses = projection({
  name: 'courses',
  events: [CourseDefined, SeatTaken],
  tags: [tag('course', 'c1')],
  key: (event) => event.data.courseId,
  initial: (key) => ({ id: key, teacher: '', students: [] as string[] }),
  related: { events: [CourseDefined], tags: (event) => [tag('course', event.data.courseId)] },
  evolve(state, event, key, related) {
    expectTypeOf(state).toEqualTypeOf<{ id: string; teacher: string; students: string[] }>();
    expectTypeOf(event.type).toEqualTypeOf<'CourseDefined' | 'SeatTaken'>();
    expectTypeOf(key).toEqualTypeOf<string>();
    expectTypeOf(related).items.toHaveProperty('data').toEqualTypeOf<{ courseId: string; teacher: string }>();
    if (event.type === 'CourseDefined') return { ...state, teacher: event.data.teacher };
    expectTypeOf(event.data.student).toEqualTypeOf<string>();
    return event.data.student === 'nobody' ? undefined : { ...state, students: [...state.students, event.data.student] };
  },
  index: (state) => ({ teacher: state.teacher, student: state.students, size: state.students.length }),
});
const counter = projection({ name: 'counter', query: 'all', key: () => 'k', initial: 0, evolve: (count, event) => (expectTypeOf(event).toEqualTypeOf<SequencedEvent>(), count + 1) });

test('what is read has the types of the definition', async () => {
  const store = openMemoryStore();
  const view = await openProjection(store, courses);
  expectTypeOf(view.get).returns.resolves.toEqualTypeOf<{ id: string; teacher: string; students: string[] } | undefined>();
  const last = (await store.append([CourseDefined({ courseId: 'c1', teacher: 't1' }), SeatTaken({ courseId: 'c1', student: 's1' })])).last;
  await view.waitFor(last);
  const course = { id: 'c1', teacher: 't1', students: ['s1'] };
  expect(await view.find('teacher', 't1')).toEqual([['c1', course]]);
  expect(await view.find('student', 's1')).toEqual([['c1', course]]);
  expect(await view.find('size', 1)).toEqual([['c1', course]]);
  // @ts-expect-error there is no such name in the index
  expect(await view.find('room', 'r1')).toEqual([]);
  // @ts-expect-error the index has numbers under this name
  expect(await view.find('size', '1')).toEqual([]);
  // @ts-expect-error a key is text
  await expect(view.get(1)).rejects.toThrow('key');
  for await (const [key, state] of view.entries()) {
    expectTypeOf(key).toEqualTypeOf<string>();
    expectTypeOf(state.students).toEqualTypeOf<string[]>();
  }
  await view.close();

  const counts = await openProjection(store, counter);
  expectTypeOf(counter).toEqualTypeOf<Projection<number, Record<never, never>>>();
  expectTypeOf(counts).toEqualTypeOf<ProjectionView<number, Record<never, never>>>();
  await counts.waitFor(last);
  expect(await counts.get('k')).toBe(2);
  // @ts-expect-error it has no index
  expect(await counts.find('teacher', 't1')).toEqual([]);
  await counts.close();
});

test('what does not fit the events or the state does not compile', () => {
  const common = { name: 'p', events: [SeatTaken], key: () => 'k' } as const;
  // @ts-expect-error evolve gives another state
  projection({ ...common, initial: 0, evolve: () => 'text' });
  // @ts-expect-error these events have no such field
  projection({ ...common, initial: 0, evolve: (n: number, event) => n + event.data.teacher.length });
  // @ts-expect-error there is no event of that type
  projection({ ...common, initial: 0, evolve: (n: number, event) => (event.type === 'SeatTeken' ? n : n + 1) });
  // @ts-expect-error a key is text
  projection({ ...common, key: () => 1, initial: 0, evolve: (n: number) => n + 1 });
  // @ts-expect-error these events carry no such tag
  projection({ ...common, tags: [tag('room', 'r1')], initial: 0, evolve: (n: number) => n + 1 });
  // @ts-expect-error an index gives values by name
  projection({ ...common, initial: 0, evolve: (n: number) => n + 1, index: () => ({ at: new Date() }) });
  // @ts-expect-error without a name
  expect(() => projection({ query: 'all', key: () => 'k', initial: 0, evolve: (n: number) => n })).toThrow('projection.name');
  // @ts-expect-error without events
  expect(() => projection({ name: 'p', key: () => 'k', initial: 0, evolve: (n: number) => n })).toThrow('one of the two');
  expect(() => projection({ ...common, name: 'No Name', initial: 0, evolve: (n) => n })).toThrow('a name has 1 to 64 characters');
  expect(() => projection({ ...common, version: 0, initial: 0, evolve: (n) => n })).toThrow('version');
});
