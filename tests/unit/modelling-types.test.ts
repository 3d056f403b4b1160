/*
 * goal: types are inferred from end to end, and a wrong event type, tag key or handler name does not compile.
 * method: this file is compiled by the type checker within the test; each line marked as an error must be one, and no other may.
 */
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import {
  decide,
  decisionModel,
  defineEvent,
  openMemoryStore,
  query,
  reject,
  tag,
  upcast,
  withContext,
  type DecisionAppended,
  type DecisionRejected,
  type DecisionWithoutEvents,
  type EventOf,
  type JsonObject,
  type SequencedEvent,
  type TypedNewEvent,
} from '../../src/index.js';

test('this file and its like compile, and only the lines marked as errors are errors', () => {
  const root = path.resolve(import.meta.dirname, '../..');
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile) as { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  // One program for all of them: most of the time goes into what they have in common.
  const files = ['modelling-types.test.ts', 'modelling-commands.test.ts', 'consume.types.ts', 'projection-types.test.ts'].map((name) => path.join(import.meta.dirname, name));
  const program = ts.createProgram(files, options);
  const found = files.flatMap((file) => program.getSemanticDiagnostics(program.getSourceFile(file)));
  expect(found.map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n'))).toEqual([]);
}, 60_000);

// The sections below run too, so that what compiles is also seen to work.

const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), seats: z.int() }), { tags: (data) => ({ course: data.courseId }) });
const SeatTaken = defineEvent('SeatTaken', z.object({ courseId: z.string(), studentId: z.string() }), {
  tags: (data) => [tag('course', data.courseId), tag('student', data.studentId)],
});
const Noted = defineEvent('Noted', z.object({ text: z.string().default('nothing') }));

const courseExists = (id: string) =>
  decisionModel({ events: [CourseDefined], tags: [tag('course', id)], initial: false, handlers: { CourseDefined: () => true } });
const seats = (id: string) =>
  decisionModel({
    events: [CourseDefined, SeatTaken],
    tags: [tag('course', id)],
    initial: { seats: 0, taken: 0 },
    handlers: {
      CourseDefined: (state, { data }) => ({ ...state, seats: data.seats }),
      SeatTaken: (state) => ({ ...state, taken: state.taken + 1 }),
    },
  });

describe('event definitions', () => {
  test('infer type, data and input from the schema', () => {
    const defined = CourseDefined({ courseId: 'c1', seats: 10 });
    expectTypeOf(defined).toEqualTypeOf<TypedNewEvent<'CourseDefined', { courseId: string; seats: number }>>();
    expectTypeOf<EventOf<typeof CourseDefined>['data']>().toEqualTypeOf<{ courseId: string; seats: number }>();
    expectTypeOf(CourseDefined.type).toEqualTypeOf<'CourseDefined'>();
    expectTypeOf(Noted).parameter(0).toEqualTypeOf<{ text?: string | undefined }>();
    expectTypeOf<EventOf<typeof Noted>['data']>().toEqualTypeOf<{ text: string }>();
    // @ts-expect-error seats is missing
    expect(() => CourseDefined({ courseId: 'c1' })).toThrow('seats');
    // @ts-expect-error a number is no course id
    expect(() => CourseDefined({ courseId: 1, seats: 1 })).toThrow('courseId');
  });

  test('narrow stored events', () => {
    const stored = { ...SeatTaken({ courseId: 'c1', studentId: 's1' }), id: 'e1', metadata: {}, timestamp: '2026-01-31T12:00:00Z', position: 1 };
    const event: SequencedEvent = stored;
    expect(SeatTaken.is(event)).toBe(true);
    if (SeatTaken.is(event)) {
      expectTypeOf(event).toEqualTypeOf<EventOf<typeof SeatTaken>>();
      expectTypeOf(event.data.studentId).toEqualTypeOf<string>();
    }
    expectTypeOf([event].filter(SeatTaken.is)).toEqualTypeOf<EventOf<typeof SeatTaken>[]>();
    expectTypeOf(SeatTaken.parse(event)).toEqualTypeOf<EventOf<typeof SeatTaken>>();
  });

  test('refuse schemas whose output is no JSON, or is not accepted by themselves', () => {
    // @ts-expect-error a Date is no JSON
    defineEvent('Dated', z.object({ at: z.date() }));
    // @ts-expect-error text goes in and a number comes out, which could not be read again
    defineEvent('Counted', z.object({ count: z.string().transform(Number) }));
    defineEvent('Trimmed', z.object({ name: z.string().trim(), tags: z.array(z.string()).optional(), rest: z.json() }));
    defineEvent('Chosen', z.discriminatedUnion('kind', [z.object({ kind: z.literal('a'), n: z.number() }), z.object({ kind: z.literal('b') })]));
    defineEvent('Branded', z.object({ id: z.string().brand('CourseId') }));
  });

  test('type the data of older versions', () => {
    const step = upcast(z.object({ name: z.string() }), (old) => {
      expectTypeOf(old).toEqualTypeOf<{ name: string }>();
      return { title: old.name };
    });
    defineEvent('Renamed', z.object({ title: z.string() }), { version: 2, upcasts: { 1: step } });
  });
});

describe('tags', () => {
  test('have typed keys, which queries check against the events', () => {
    expectTypeOf(tag('course', 'c1')).toEqualTypeOf<`course:${string}`>();
    query({ events: [CourseDefined, SeatTaken], tags: [tag('course', 'c1')] });
    query({ events: [SeatTaken], tags: ['student:s1', tag('course', 7)] });
    query({ tags: ['anything'] });
    query({ events: [Noted] });
    // @ts-expect-error no event carries this key
    query({ events: [CourseDefined, SeatTaken], tags: [tag('curse', 'c1')] });
    // @ts-expect-error only one of the two carries it, so the other could never match
    query({ events: [CourseDefined, SeatTaken], tags: [tag('student', 's1')] });
    // @ts-expect-error its events have no tags
    query({ events: [Noted], tags: [tag('course', 'c1')] });
    // @ts-expect-error no key at all
    query({ events: [CourseDefined], tags: ['c1'] });
    // @ts-expect-error an object is no value
    expect(() => tag('course', {})).toThrow('value');
  });

  test('are free where the definition does not tell their keys', () => {
    const Free = defineEvent('Free', z.object({ tags: z.array(z.string()) }), { tags: (data) => data.tags });
    query({ events: [Free], tags: ['anything'] });
    query({ events: [Free, CourseDefined], tags: [tag('course', 'c1')] });
    // @ts-expect-error the other event has only the key "course"
    query({ events: [Free, CourseDefined], tags: [tag('student', 's1')] });
  });
});

describe('decision models', () => {
  test('know the state by its initial value, or by a function that makes it', () => {
    expectTypeOf(courseExists('c1').initial()).toEqualTypeOf<boolean>();
    expectTypeOf(seats('c1').initial()).toEqualTypeOf<{ seats: number; taken: number }>();
    const last = decisionModel({
      events: [SeatTaken],
      initial: (): string | undefined => undefined,
      handlers: {
        SeatTaken: (state, event) => {
          expectTypeOf(state).toEqualTypeOf<string | undefined>();
          expectTypeOf(event).toEqualTypeOf<EventOf<typeof SeatTaken>>();
          return event.data.studentId;
        },
      },
    });
    expectTypeOf(last.initial()).toEqualTypeOf<string | undefined>();
  });

  test('refuse handlers for unknown types, missing ones, wrong states and wrong tag keys', () => {
    const refused = [
      // @ts-expect-error there is no event of this type
      () => decisionModel({ events: [SeatTaken], initial: 0, handlers: { SeatTaken: (n) => n + 1, SeatTakn: (n) => n } }),
      // @ts-expect-error nobody handles SeatTaken
      () => decisionModel({ events: [CourseDefined, SeatTaken], initial: 0, handlers: { CourseDefined: (n) => n } }),
    ];
    for (const make of refused) expect(make).toThrow('handlers');
    // @ts-expect-error the state is a number
    decisionModel({ events: [SeatTaken], initial: 0, handlers: { SeatTaken: () => 'one' } });
    // @ts-expect-error no event carries this key
    decisionModel({ events: [SeatTaken], tags: [tag('teacher', 't1')], initial: 0, handlers: { SeatTaken: (n) => n + 1 } });
    // @ts-expect-error only one of the two carries it
    decisionModel({ events: [CourseDefined, SeatTaken], tags: [tag('student', 's1')], initial: 0, handlers: { CourseDefined: (n) => n, SeatTaken: (n) => n } });
    // @ts-expect-error the data has no such field
    decisionModel({ events: [SeatTaken], initial: '', handlers: { SeatTaken: (_, { data }) => data.teacherId } });
  });
});

describe('decide', () => {
  type State = { course: boolean; room: { seats: number; taken: number } };
  type Taken = TypedNewEvent<'SeatTaken', { courseId: string; studentId: string }>;

  test('knows states by the names of the models, and results by what the decision returns', async () => {
    const store = openMemoryStore();
    const result = await decide(store, { course: courseExists('c1'), room: seats('c1') }, (state) => {
      expectTypeOf(state).toEqualTypeOf<State>();
      if (!state.course) return reject('no such course');
      if (state.room.taken >= state.room.seats) return reject({ full: state.room.seats });
      return [SeatTaken({ courseId: 'c1', studentId: 's1' })];
    });
    expectTypeOf(result).toEqualTypeOf<
      DecisionAppended<State, Taken> | DecisionWithoutEvents<State> | DecisionRejected<State, 'no such course' | { readonly full: number }>
    >();
    expect(result.outcome).toBe('rejected');
    if (result.outcome === 'appended') expectTypeOf(result.first).toEqualTypeOf<number>();
    // @ts-expect-error only an appended decision has positions
    expect(result.first).toBeUndefined();
  });

  test('has no rejection to handle where none is returned, and takes decisions that wait', async () => {
    const store = withContext({ correlationId: 'request-1' }, openMemoryStore());
    const result = await decide(store, { course: courseExists('c1') }, async ({ course }) => (course ? undefined : CourseDefined({ courseId: 'c1', seats: 1 })));
    expectTypeOf(result.outcome).toEqualTypeOf<'appended' | 'nothing'>();
    expectTypeOf<JsonObject>().toMatchTypeOf<NonNullable<Taken['metadata']>>();
    // @ts-expect-error there is no model of this name
    await expect(decide(store, { course: courseExists('c1') }, ({ corse }) => (corse ? [] : undefined))).resolves.toMatchObject({ outcome: 'nothing' });
    // @ts-expect-error a number is no outcome
    await expect(decide(store, { course: courseExists('c1') }, () => 7)).rejects.toThrow('events[0]');
  });
});
