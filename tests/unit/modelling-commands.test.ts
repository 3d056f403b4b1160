/* Commands: the dispatcher, what events carry, and its types; the lines marked as errors are checked with those of modelling-types.test.ts. */
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { z } from 'zod';
import {
  command,
  commands,
  decide,
  openMemoryStore,
  reject,
  stream,
  type CommandContext,
  type CommandHandler,
  type EventStore,
  type StandardSchemaV1,
} from '../../src/index.js';
import { freshStores, SeatTaken, takenIn } from '../support/courses.js';

type TakeSeat = { courseId: string; studentId: string };

async function takeSeat(store: EventStore, seat: TakeSeat) {
  return decide(store, { taken: takenIn(seat.courseId) }, ({ taken }) => (taken < 1 ? SeatTaken(seat) : reject('full')));
}

const seat = { courseId: 'c1', studentId: 's1' };
const refused = (path: string, message = '') => expect.objectContaining({ code: 'INVALID_INPUT', path, message: expect.stringContaining(message) });

describe.each(freshStores)('a dispatcher (%s)', (_, open) => {
  test('calls the handler of the name, and answers what it answers', async () => {
    const store = await open();
    const dispatch = commands(store, { takeSeat, count: (inner) => inner.head() });
    await expect(dispatch('takeSeat', seat)).resolves.toMatchObject({ outcome: 'appended', first: 1, attempts: 1 });
    await expect(dispatch('takeSeat', { ...seat, studentId: 's2' })).resolves.toMatchObject({ outcome: 'rejected', rejected: 'full' });
    await expect(dispatch('count')).resolves.toBe(1);
    await store.close();
  });

  test('lets every event say where it comes from, however it is appended', async () => {
    const store = await open();
    const dispatch = commands(
      store,
      {
        takeSeat,
        note: (inner, data: string) => inner.append({ type: 'Noted', data, metadata: { user: 'own' } }),
        log: (inner) => stream(inner, 'log').append({ type: 'Logged', data: null }, { expectedVersion: 'any' }),
      },
      { newId: () => 'made' },
    );
    await dispatch('takeSeat', seat, { id: 'command-1', correlationId: 'request-1', metadata: { user: 'u1' } });
    await dispatch('note', 'text', { id: 'command-2', metadata: { user: 'u1', correlationId: 'ignored' } });
    await dispatch('log');
    expect((await store.read().toArray()).map(({ metadata }) => metadata)).toEqual([
      { user: 'u1', correlationId: 'request-1', causationId: 'command-1' },
      { user: 'own', correlationId: 'command-2', causationId: 'command-2' },
      { correlationId: 'made', causationId: 'made' },
    ]);
    await store.close();
  });
});

test('a handler learns about its command', async () => {
  const seen: CommandContext[] = [];
  const { signal } = new AbortController();
  const look = (_: EventStore, _payload: unknown, context: CommandContext): void => void seen.push(context);
  const dispatch = commands(openMemoryStore(), { look }, { newId: () => 'made' });
  await dispatch('look');
  await dispatch('look', null, { id: 'command-1', correlationId: 'request-1', metadata: { user: 'u1' }, signal });
  expect(seen).toEqual([
    { name: 'look', id: 'made', correlationId: 'made', metadata: {}, signal: undefined },
    { name: 'look', id: 'command-1', correlationId: 'request-1', metadata: { user: 'u1' }, signal },
  ]);
});

test('ids are made anew for each command', async () => {
  const dispatch = commands(openMemoryStore(), { id: (_, _payload: unknown, context) => context.id });
  expect(await dispatch('id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(await dispatch('id')).not.toBe(await dispatch('id'));
});

test('what a handler throws comes out as it is, also at once', async () => {
  const problem = new Error('no');
  const fail = (): never => {
    throw problem;
  };
  await expect(commands(openMemoryStore(), { fail })('fail')).rejects.toBe(problem);
});

test('an aborted command is not begun', async () => {
  const handler = vi.fn();
  const dispatch = commands(openMemoryStore(), { handler });
  await expect(dispatch('handler', null, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
  expect(handler).not.toHaveBeenCalled();
});

describe('a schema', () => {
  const schema = z.object({ courseId: z.string().trim(), students: z.array(z.string()).default([]) });

  test('checks the payload, and the handler gets what it gives out', async () => {
    const store = openMemoryStore();
    const dispatch = commands(store, { enrol: command(schema, (_, payload) => payload), takeSeat });
    expect(await dispatch('enrol', { courseId: ' c1 ' })).toEqual({ courseId: 'c1', students: [] });
    // @ts-expect-error a number is no student
    await expect(dispatch('enrol', { courseId: 'c1', students: ['s1', 2] })).rejects.toEqual(refused('enrol.students[1]', 'does not fit the schema'));
    // @ts-expect-error the payload is missing
    await expect(dispatch('enrol')).rejects.toEqual(refused('enrol'));
    expect(await store.head()).toBe(0);
  });

  test('may answer later, and be of any library', async () => {
    const later: StandardSchemaV1<string, number> = {
      '~standard': { version: 1, vendor: 'own', validate: async (value) => (typeof value === 'string' ? { value: value.length } : { issues: [{ message: 'no text' }] }) },
    };
    const dispatch = commands(openMemoryStore(), { measure: command(later, (_, length, { name }) => `${name} ${length}`) });
    expectTypeOf(dispatch('measure', 'text')).toEqualTypeOf<Promise<string>>();
    await expect(dispatch('measure', 'text')).resolves.toBe('measure 4');
    // @ts-expect-error a number is no text
    await expect(dispatch('measure', 4)).rejects.toEqual(refused('measure', 'no text'));
  });
});

describe('bad input', () => {
  const dispatch = commands(openMemoryStore(), { takeSeat, cancel: () => undefined });

  test('unknown names are told the known ones', async () => {
    // @ts-expect-error there is no such command
    await expect(dispatch('takeSeats', seat)).rejects.toEqual(refused('command', 'is the string "takeSeats", which has no handler; the commands are takeSeat, cancel.'));
    // @ts-expect-error every object has one, but it is no command
    await expect(dispatch('constructor')).rejects.toEqual(refused('command'));
  });

  test('options are checked', async () => {
    await expect(dispatch('cancel', null, { id: '' })).rejects.toEqual(refused('options.id'));
    await expect(dispatch('cancel', null, { correlationId: 'x'.repeat(256) })).rejects.toEqual(refused('options.correlationId'));
    await expect(dispatch('cancel', null, { metadata: { schemaVersion: 2 } })).rejects.toEqual(refused('context.schemaVersion'));
    // @ts-expect-error text is no object
    await expect(dispatch('cancel', null, { metadata: 'u1' })).rejects.toEqual(refused('options.metadata'));
    // @ts-expect-error there is no such option
    await expect(dispatch('cancel', null, { correlation: 'x' })).rejects.toEqual(refused('options.correlation'));
  });

  test('handlers are checked', () => {
    const store = openMemoryStore();
    expect(() => commands(store, {})).toThrow('commands are none');
    // @ts-expect-error a text is no handler
    expect(() => commands(store, { enrol: 'later' })).toThrow('commands["enrol"] is the string "later"; it must be a function.');
    // @ts-expect-error null holds no handlers
    expect(() => commands(store, null)).toThrow('give an object of names and handlers');
    // @ts-expect-error there is no such option
    expect(() => commands(store, { takeSeat }, { schemas: {} })).toThrow('options.schemas');
  });
});

test('types of payload and result come from the handler of the name', async () => {
  const store = openMemoryStore();
  const dispatch = commands(store, {
    takeSeat,
    rename: command(z.object({ title: z.string(), seats: z.string().transform(Number) }), (_, { seats }) => {
      expectTypeOf(seats).toEqualTypeOf<number>();
      return seats;
    }),
    later: async (inner, { days }: { days: number }, context) => {
      expectTypeOf(inner).toEqualTypeOf<EventStore>();
      expectTypeOf(context).toEqualTypeOf<CommandContext>();
      return days;
    },
    maybe: (_, reason?: string) => reason,
    cancel: () => 'cancelled' as const,
  });
  expectTypeOf(dispatch('takeSeat', seat)).toEqualTypeOf<ReturnType<typeof takeSeat>>();
  expectTypeOf(dispatch('rename', { title: 't', seats: '2' })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(dispatch('later', { days: 1 })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(dispatch('maybe')).toEqualTypeOf<Promise<string | undefined>>();
  expectTypeOf(dispatch('cancel')).toEqualTypeOf<Promise<'cancelled'>>();
  expect(await dispatch('rename', { title: 't', seats: '2' })).toBe(2);

  const wrong = [
    // @ts-expect-error the student is missing
    () => dispatch('takeSeat', { courseId: 'c1' }),
    // @ts-expect-error the payload is missing
    () => dispatch('later'),
    // @ts-expect-error the schema takes text
    () => dispatch('rename', { title: 't', seats: 2 }),
    // @ts-expect-error a number is no reason
    () => dispatch('maybe', 7),
    // @ts-expect-error one of two names needs another payload
    (name: 'takeSeat' | 'later') => dispatch(name, { days: 1 }),
    // @ts-expect-error a dispatcher has a context of its own to give
    () => commands(store, { wrong: (_: EventStore, _payload: null, rules: { now: () => number }) => rules.now() }),
    // @ts-expect-error without a type or a schema, nothing can be given as payload
    () => commands(store, { wrong: (_, { courseId }) => courseId })('wrong', { courseId: 'c1' }),
  ];
  expect(wrong).toHaveLength(7);

  const handler: CommandHandler<TakeSeat, Awaited<ReturnType<typeof takeSeat>>> = takeSeat;
  expectTypeOf(commands(store, { handler })('handler', seat)).toEqualTypeOf<ReturnType<typeof takeSeat>>();
});
