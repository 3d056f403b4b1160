import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { defineEvent, InvalidInputError, openMemoryStore, openStore, parseEvents, tag, upcast, type JsonObject, type SequencedEvent, type StandardSchemaV1 } from '../../src/index.js';
import { fastFolder } from '../support/folder.js';

const course = z.object({ courseId: z.string(), seats: z.int().positive() });
const CourseDefined = defineEvent('CourseDefined', course, { tags: ({ courseId }) => ({ course: courseId }) });

const stored = (type: string, data: JsonObject, metadata: JsonObject = {}, position = 1): SequencedEvent => ({ type, data, tags: [], id: `e${position}`, metadata, timestamp: '2026-01-31T12:00:00Z', position });

/** A schema written by hand, as small as the standard allows: text of a minimal length, answering at once or later. */
function textSchema(later: boolean): StandardSchemaV1<string, string> {
  const check = (value: unknown): StandardSchemaV1.Result<string> =>
    typeof value === 'string' && value.length >= 3 ? { value } : { issues: [{ message: 'too short', path: [{ key: 'text' }, 0, 'a b'] }] };
  return { '~standard': { version: 1, vendor: 'test', validate: later ? async (value) => check(value) : check } };
}

function inputError(act: () => unknown): InvalidInputError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    return error as InvalidInputError;
  }
  throw new Error('nothing was thrown');
}

describe('creating', () => {
  test('gives the output of the schema, the derived tags, and nothing that was not given', () => {
    expect(CourseDefined({ courseId: 'c1', seats: 10 })).toStrictEqual({ type: 'CourseDefined', data: { courseId: 'c1', seats: 10 }, tags: ['course:c1'] });
    const Named = defineEvent('Named', z.object({ name: z.string().trim().default('nobody') }));
    expect(Named({ name: ' Ada ' })).toStrictEqual({ type: 'Named', data: { name: 'Ada' }, tags: [] });
    expect(Named({})).toStrictEqual({ type: 'Named', data: { name: 'nobody' }, tags: [] });
  });

  test('takes id, metadata, time stamp and further tags', () => {
    const options = { id: 'e1', metadata: { user: 'u1' }, timestamp: '2026-01-31T12:00:00Z' };
    expect(CourseDefined({ courseId: 'c1', seats: 10 }, { ...options, tags: ['term:1', 'course:c1'] })).toStrictEqual({
      type: 'CourseDefined',
      data: { courseId: 'c1', seats: 10 },
      tags: ['course:c1', 'term:1'],
      ...options,
    });
  });

  test('names event type and path when the data does not fit', () => {
    const Listed = defineEvent('Listed', z.object({ items: z.array(z.object({ count: z.number() })) }));
    // The type checker is not asked here: data may come from anywhere.
    const data: never = JSON.parse('{"items":[{"count":1},{"count":"2"},{}]}') as never;
    const error = inputError(() => Listed(data));
    expect(error.path).toBe('Listed.data.items[1].count');
    expect(error.message).toContain('(and 1 more;');
    expect(error.cause).toHaveLength(2);
  });

  test('refuses unknown options, and the metadata key that is its own', () => {
    const data = { courseId: 'c1', seats: 1 };
    expect(inputError(() => CourseDefined(data, { idd: 'x' } as object)).path).toBe('CourseDefined options.idd');
    expect(inputError(() => CourseDefined(data, { metadata: { schemaVersion: 2 } })).path).toBe('CourseDefined.metadata.schemaVersion');
  });

  test('refuses data that its schema changes each time', () => {
    const Growing = defineEvent('Growing', z.object({ text: z.string().transform((text) => `${text}!`) }));
    expect(inputError(() => Growing({ text: 'a' })).path).toBe('Growing.data');
  });
});

describe('tags', () => {
  test('are derived from a list, or from keys and values', () => {
    const data = z.object({ students: z.array(z.string()), room: z.int().optional() });
    const Listed = defineEvent('Listed', data, { tags: ({ students }) => students.map((id) => tag('student', id)) });
    const Keyed = defineEvent('Keyed', data, { tags: ({ students, room }) => ({ student: students, room }) });
    expect(Listed({ students: ['s1', 's2', 's1'] }).tags).toEqual(['student:s1', 'student:s2']);
    expect(Keyed({ students: ['s1', 's2', 's1'] }).tags).toEqual(['student:s1', 'student:s2']);
    expect(Keyed({ students: [], room: 0 }).tags).toEqual(['room:0']);
  });

  test.each([
    ['an empty value', '', 'empty|at least one character'],
    ['an absent value', undefined, 'undefined'],
    ['no number', NaN, 'NaN'],
    ['a long value', 'x'.repeat(1100), '1107 bytes'],
    ['a lone surrogate', '\ud800', 'surrogate'],
  ])('refuse %s', (_, value, message) => {
    expect(inputError(() => tag('course', value as string)).message).toMatch(new RegExp(message));
  });

  test('refuse a key with a colon or without a character', () => {
    expect(inputError(() => tag('a:b', 'c')).message).toContain('colon');
    expect(inputError(() => tag('', 'c')).message).toContain('empty');
  });

  test('name the event and the key when a value cannot be one', () => {
    const Odd = defineEvent('Odd', z.object({ id: z.string() }), { tags: ({ id }) => ({ odd: id }) });
    expect(inputError(() => Odd({ id: '' })).path).toBe('Odd.tags.odd');
  });
});

describe('any Standard Schema', () => {
  test.each([
    ['zod', defineEvent('Said', z.object({ text: z.string(), loud: z.boolean() }), { tags: ({ text }) => ({ text }) })],
    ['valibot', defineEvent('Said', v.object({ text: v.string(), loud: v.boolean() }), { tags: ({ text }) => ({ text }) })],
    ['arktype', defineEvent('Said', type({ text: 'string', loud: 'boolean' }), { tags: ({ text }) => ({ text }) })],
  ])('is taken: %s', (_, Said) => {
    const said = Said({ text: 'hello', loud: true });
    expectTypeOf(said.data).toEqualTypeOf<{ text: string; loud: boolean }>();
    expect(said).toStrictEqual({ type: 'Said', data: { text: 'hello', loud: true }, tags: ['text:hello'] });
    // @ts-expect-error: the schema says boolean.
    expect(inputError(() => Said({ text: 'hello', loud: 'very' })).path).toBe('Said.data.loud');
  });

  test('is taken when it answers at once, with paths of any kind', () => {
    const Said = defineEvent('Said', textSchema(false));
    expect(Said('hello')).toStrictEqual({ type: 'Said', data: 'hello', tags: [] });
    expect(inputError(() => Said('no')).path).toBe('Said.data.text[0]["a b"]');
  });

  test('that answers later is refused with a hint, and works through createAsync, parseAsync and parseEvents', async () => {
    const Said = defineEvent('Said', textSchema(true), { tags: (text) => [tag('text', text)] });
    expect(inputError(() => Said('hello')).message).toContain('createAsync');
    expect(inputError(() => Said('no')).message).toContain('createAsync');
    const said = await Said.createAsync('hello');
    expect(said).toStrictEqual({ type: 'Said', data: 'hello', tags: ['text:hello'] });
    await expect(Said.createAsync('no')).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'Said.data.text[0]["a b"]' });

    const store = openMemoryStore();
    await store.append(said);
    const event = (await store.read().first())!;
    expect(inputError(() => Said.parse(event)).message).toContain('parseAsync');
    expect(await Said.parseAsync(event)).toEqual(event);
    for await (const parsed of parseEvents(store.read(), [Said])) expect(parsed).toEqual(event);
  });
});

describe('versions', () => {
  const v1 = z.object({ name: z.string() });
  const v2 = z.object({ title: z.string() });
  const Before = defineEvent('Course', v1);
  const Between = defineEvent('Course', v2, { version: 2, upcasts: { 1: upcast(v1, ({ name }) => ({ title: name })) } });
  const Now = defineEvent('Course', z.object({ title: z.string(), seats: z.number() }), {
    version: 3,
    upcasts: { 1: upcast(v1, ({ name }) => ({ title: name })), 2: upcast(v2, (old) => ({ ...old, seats: old.title.length })) },
  });

  test.each([
    ['memory', () => Promise.resolve(openMemoryStore())],
    ['files', () => openStore({ directory: fastFolder(), durability: 'os' })],
  ])('are brought up to date step by step on reading, and what is stored stays as it was (%s)', async (_, open) => {
    const store = await open();
    await store.append([Before({ name: 'Marsupials' }), Between({ title: 'Bats' }, { metadata: { user: 'u1' } }), Now({ title: 'Cats', seats: 9 }), { type: 'Other', data: 1 }]);
    const before = await store.read().toArray();
    expect(before.map(({ metadata }) => metadata)).toEqual([{}, { user: 'u1', schemaVersion: 2 }, { schemaVersion: 3 }, {}]);

    const parsed: SequencedEvent[] = [];
    for await (const event of parseEvents(store.read(), [Now])) parsed.push(event);
    expect(parsed.filter(Now.is).map(({ data }) => data)).toEqual([{ title: 'Marsupials', seats: 10 }, { title: 'Bats', seats: 4 }, { title: 'Cats', seats: 9 }]);
    expect(parsed[1]).toEqual({ ...before[1], data: { title: 'Bats', seats: 4 }, metadata: { user: 'u1', schemaVersion: 3 } });
    expect(parsed[3]).toEqual(before[3]);
    expect(await store.read().toArray()).toEqual(before);
    await store.close();
  });

  test('that are newer than known pass through a reader, and are no event of this definition', async () => {
    const newer = stored('Course', { title: 'Cats', seats: 9 }, { schemaVersion: 3 });
    expect(Between.is(newer)).toBe(false);
    expect(inputError(() => Between.parse(newer)).message).toContain('up to version 2');
    const store = openMemoryStore();
    await store.append(Now({ title: 'Cats', seats: 9 }));
    for await (const event of parseEvents(store.read(), [Between])) expect(event.data).toEqual({ title: 'Cats', seats: 9 });
  });

  test('that are older must be brought up to date before they are asked for their type', () => {
    expect(inputError(() => Now.is(stored('Course', { name: 'Cats' }, {}, 7))).message).toContain('event 7 (Course) is stored in version 1');
    expect(Now.is(Now.parse(stored('Course', { name: 'Cats' })))).toBe(true);
  });

  test('name event, version and path when stored data does not fit', () => {
    expect(inputError(() => Now.parse(stored('Course', { nam: 'Cats' }, {}, 7))).path).toBe('event 7 (Course).data of version 1.name');
    expect(inputError(() => Now.parse(stored('Course', { title: 'Cats' }, { schemaVersion: 3 }, 7))).path).toBe('event 7 (Course).data.seats');
    expect(inputError(() => Now.parse(stored('Course', {}, { schemaVersion: 'three' }, 7))).path).toBe('event 7 (Course).metadata.schemaVersion');
    expect(inputError(() => Now.parse(stored('Other', {}, {}, 7))).path).toBe('event 7');
  });

  test('need one step from each older version, and none besides', () => {
    const step = upcast(v1, (old) => old);
    expect(inputError(() => defineEvent('Course', v1, { version: 3, upcasts: { 1: step } })).path).toBe('Course.upcasts[2]');
    expect(inputError(() => defineEvent('Course', v1, { version: 2, upcasts: { 1: step, 2: step } })).path).toBe('Course.upcasts[2]');
    expect(inputError(() => defineEvent('Course', v1, { upcasts: { 1: step } })).path).toBe('Course.upcasts[1]');
    expect(inputError(() => defineEvent('Course', v1, { version: 0 })).path).toBe('Course.version');
  });
});

test('a definition needs a type that the store takes, and two of one type cannot be read together', async () => {
  expect(inputError(() => defineEvent('', course)).path).toBe('type');
  expect(inputError(() => parseEvents(openMemoryStore().read(), [CourseDefined, defineEvent('CourseDefined', course)])).message).toContain('twice');
});
