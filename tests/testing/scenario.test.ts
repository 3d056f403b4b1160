import { AssertionError } from 'node:assert';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { decide, openMemoryStore, openStore, reject, type EventStore, type SequencedEvent } from '../../src/index.js';
import { captureFixture, scenario, type Expected } from '../../src/testing/index.js';
import { CourseDefined, SeatTaken, seatsOf, takenIn } from '../support/courses.js';
import { fastFolder } from '../support/folder.js';

type TakeSeat = { courseId: string; studentId: string };

const takeSeat = (store: EventStore, command: TakeSeat) =>
  decide(store, { seats: seatsOf(command.courseId), taken: takenIn(command.courseId) }, ({ seats, taken }) => {
    if (seats === 0) throw new RangeError('There is no such course.');
    return taken < seats ? [SeatTaken(command)] : reject({ code: 'full', seats });
  });

const course = CourseDefined({ courseId: 'c1', seats: 1 });
const taking: TakeSeat = { courseId: 'c1', studentId: 's1' };
const taken = SeatTaken(taking);

async function failure(work: PromiseLike<unknown>): Promise<AssertionError> {
  const error = await work.then(
    () => expect.unreachable('it passed'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AssertionError);
  return error as AssertionError;
}

describe('a scenario', () => {
  test('passes when the events, the rejection or the error are those expected', async () => {
    await scenario(takeSeat).given([course]).when(taking).then([taken]);
    await scenario(takeSeat).given(course).when(taking).then(taken);
    await scenario(takeSeat).given([course]).given([taken]).when({ ...taking, studentId: 's2' }).then(reject({ code: 'full', seats: 1 }));
    await scenario(takeSeat).when(taking).then({ throws: RangeError });
    await scenario(takeSeat).when(taking).then({ throws: /no such course/ });
    await scenario(() => undefined).when(null).then([]);
    await scenario((store: EventStore) => store.read({ items: [] }).toArray()).when(null).then({ throws: 'INVALID_INPUT' });
  });

  test('compares tags as a set, and id, metadata and time stamp only where they are given', async () => {
    const append = (store: EventStore) => store.append({ type: 'A', tags: ['x', 'y'], data: { b: 1, a: 2 }, id: 'i', metadata: { by: 'me' }, timestamp: '2026-01-01T00:00:00Z' });
    const good = { type: 'A', tags: ['y', 'x'], data: { a: 2, b: 1 } };
    await scenario(append).when(0).then(good);
    await scenario(append).when(0).then({ ...good, id: 'i', metadata: { by: 'me' }, timestamp: '2026-01-01T00:00:00Z' });
    const wrong: Expected[] = [{ ...good, type: 'B' }, { ...good, tags: ['x'] }, { ...good, data: { a: 2 } }, { ...good, id: 'j' }, { ...good, metadata: {} }, { ...good, timestamp: '2026-01-01T00:00:01Z' }, [good, good], []];
    for (const expected of wrong) await failure(scenario(append).when(0).then(expected));
  });

  test('shows what differs, for people and for test runners', async () => {
    const error = await failure(scenario(takeSeat).given([course]).when(taking).then([course, SeatTaken({ ...taking, studentId: 's2' })]));
    expect(error.message).toBe(
      [
        'The command {"courseId":"c1","studentId":"s1"} did not append what was expected.',
        '  (- expected, + appended)',
        '- CourseDefined [course:c1] {"courseId":"c1","seats":1}',
        '- SeatTaken [course:c1 student:s2] {"courseId":"c1","studentId":"s2"}',
        '+ SeatTaken [course:c1 student:s1] {"courseId":"c1","studentId":"s1"}',
      ].join('\n'),
    );
    expect(error.actual).toEqual([{ type: 'SeatTaken', tags: ['course:c1', 'student:s1'], data: taking }]);
    expect(error.expected).toHaveLength(2);
    const common = await failure(scenario((store: EventStore) => store.append([course, taken, taken])).when(0).then([course, taken]));
    expect(common.message.split('\n').slice(2).map((line) => line[0])).toEqual([' ', ' ', '+']);
  });

  test('says what happened instead', async () => {
    const given = scenario(takeSeat).given([course]);
    expect((await failure(given.when(taking).then(reject('full')))).message).toContain('was expected to be rejected with "full", but it appended SeatTaken');
    expect((await failure(given.when(taking).then({ throws: RangeError }))).message).toContain('was expected to throw RangeError, but it appended SeatTaken');
    const full = given.given(taken).when(taking);
    expect((await failure(full.then(reject('full')))).message).toContain('for another reason: {"code":"full","seats":1} instead of "full"');
    expect((await failure(full.then([taken]))).message).toContain('It was rejected: {"code":"full","seats":1}.');
    const none = await failure(scenario(takeSeat).when(taking).then([taken]));
    expect(none.message).toContain('threw RangeError: There is no such course.');
    expect(none.cause).toBeInstanceOf(RangeError);
    expect((await failure(scenario(takeSeat).when(taking).then({ throws: 'STORE_CLOSED' }))).message).toContain('expected to throw STORE_CLOSED, but it threw RangeError');
    const both = async (store: EventStore) => (await store.append(taken), reject('no'));
    expect((await failure(scenario(both).when(0).then(reject('no')))).message).toContain('appended all the same');
  });

  test('gives what happened when nothing is expected of it, and each run has a store of its own', async () => {
    const run = scenario(takeSeat).given([course]).when(taking);
    const { events, result, threw } = await run.outcome();
    expectTypeOf(events).toEqualTypeOf<readonly SequencedEvent[]>();
    expect(events).toMatchObject([{ position: 2, type: 'SeatTaken' }]);
    expect(result).toMatchObject({ outcome: 'appended', first: 2 });
    expect(threw).toBe(false);
    expect((await run.outcome()).events).toHaveLength(1);
    expect((await run.then([taken])).result?.outcome).toBe('appended');
  });

  test('cannot be awaited without an expectation: such a test could not fail', async () => {
    const forgetful = async (): Promise<void> => {
      // @ts-expect-error: it is no promise.
      await scenario(takeSeat).given([course]).when(taking);
    };
    await expect(forgetful()).rejects.toThrow('say what the command shall bring about');
  });

  test('runs on any store, and closes it', async () => {
    const opened: EventStore[] = [];
    const store = async () => (opened.push(await openStore({ directory: fastFolder(), durability: 'os' })), opened[0]!);
    await scenario(takeSeat, { store }).given([course]).when(taking).then([taken]);
    await expect(opened[0]!.head()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });

  test('is typed, and refuses what is no option', () => {
    // @ts-expect-error: the command lacks the student.
    void scenario(takeSeat).when({ courseId: 'c1' });
    // @ts-expect-error: a text is no expectation.
    void (() => scenario(takeSeat).when(taking).then('full'));
    expect(() => scenario(takeSeat, { stores: openMemoryStore } as object)).toThrow('options.stores');
    expect(() => scenario(1 as never)).toThrow('handler');
  });
});

describe('captureFixture', () => {
  test('takes events out of a store, as JSON that another store takes in', async () => {
    const store = openMemoryStore();
    await store.append([course, taken, CourseDefined({ courseId: 'c2', seats: 3 })]);
    const fixture = await captureFixture(store, { items: [{ tags: ['course:c1'] }] });
    const again = JSON.parse(JSON.stringify(fixture)) as typeof fixture;
    expect(again).toEqual(fixture);
    const [first] = await store.read().toArray();
    expect(fixture[0]).toMatchObject({ id: first!.id, timestamp: first!.timestamp });
    expect(fixture[0]).not.toHaveProperty('position');
    await scenario(takeSeat).given(again).when({ ...taking, studentId: 's2' }).then(reject({ code: 'full', seats: 1 }));
    expect(await captureFixture(store)).toHaveLength(3);
  });
});
