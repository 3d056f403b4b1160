/*
 * goal: the checker of histories passes what a right store does under load, and finds what a wrong one does, in the right words.
 * method: random calls by several callers at once, on the memory store, on files, and on a store that is wrong in one way at a
 * time, each under several seeds; then small histories made by hand, for what is rare.
 */
import { describe, expect, test } from 'vitest';
import { openMemoryStore, openStore, StorageFailedError, type EventStore } from '../../src/index.js';
import { checkHistory, HistoryContradictionError, mergeHistories, parseHistory, recordHistory, type BrokenRule, type History, type RecordedOperation as Operation } from '../../src/testing/index.js';
import { eventStoreSuite } from '../../src/testing/index.js';
import { openBrokenStore, type Flaw } from '../support/broken-store.js';
import { fastFolder } from '../support/folder.js';
import { runLoad } from '../support/history-load.js';

const seeds = [1, 2, 3, 4, 5];

function contradictionIn(history: History, finalEvents?: Parameters<typeof checkHistory>[1]): HistoryContradictionError {
  try {
    checkHistory(history, finalEvents);
  } catch (error) {
    if (error instanceof HistoryContradictionError) return error;
    throw error;
  }
  return expect.unreachable('no contradiction was found');
}

describe('a right store under load', () => {
  test.each(seeds)('in memory is explained by one order of commits (seed %i)', async (seed) => {
    const inner = openMemoryStore();
    const { store, history } = recordHistory(inner);
    await runLoad(store, { seed });
    const finalEvents = await inner.read().toArray();
    expect(checkHistory(history, finalEvents)).toEqual({ operations: history.operations.length, events: finalEvents.length, foundLater: 0, neverSeen: 0 });
    expect(checkHistory(history).events).toBe(finalEvents.length);
    expect(history.operations.length).toBeGreaterThan(200);
  });

  test('on files too, through two stores on one folder', async () => {
    const directory = fastFolder();
    const inner = await openStore({ directory, durability: 'os' });
    const other = await openStore({ directory, durability: 'os' });
    const recorded = [inner, other].map((store) => recordHistory(store));
    await Promise.all(recorded.map(({ store }, i) => runLoad(store, { seed: 10 + i, callers: 3 })));
    const history = mergeHistories(...recorded.map((one) => one.history));
    const finalEvents = await inner.read().toArray();
    expect(checkHistory(history, finalEvents).events).toBe(finalEvents.length);
    await Promise.all([inner.close(), other.close()]);
  });

  test('that held events before is explained too', async () => {
    const inner = openMemoryStore();
    await inner.append([{ type: 'A', tags: ['t:1'], data: 1, id: 'x' }, { type: 'B', data: 2 }]);
    const { store, history } = recordHistory(inner);
    await store.append({ type: 'A', tags: ['t:1'], data: 1, id: 'x' }, { failIfEventsMatch: 'all' }).catch(() => undefined);
    await runLoad(store, { seed: 1, callers: 2, calls: 20 });
    checkHistory(history, await inner.read().toArray());
    checkHistory(history);
  });
});

const wrong: [flaw: Flaw, rules: BrokenRule[], words: RegExp][] = [
  ['condition ignored', ['accepted conditions held'], /append \S+ counts at position \d+, but event \d+, .* matches its failIfEventsMatch after position \d+/],
  ['refused without a conflict', ['refused conditions had a conflict'], /append \S+ was refused/],
  ['stale index', ['reads are up to date', 'batches are whole'], /left out event \d+/],
  ['torn multi-index read', ['reads have no holes', 'reads are snapshots', 'batches are whole'], /gave event \d+ and left out event \d+|but its snapshot was fixed before/],
  ['read is no snapshot', ['reads are snapshots'], /gave event \d+, but its snapshot was fixed before append \S+, which stored event \d+, was called/],
  ['dirty read', ['nothing is seen that is not stored'], /saw .* at position \d+, but append \S+, which was to store it, was refused/],
  ['half a batch', ['batches are whole'], /gave event \d+ and left out event \d+: that is a part of append \S+, which stored positions \d+ to \d+ at once|which lies within append/],
  ['late event', ['reads have no holes', 'reads are up to date', 'positions follow real time'], /left out event \d+/],
  ['position reuse', ['one event per position'], /Position \d+ was given twice: to .* of append \S+, and to .* of append \S+\./],
  ['order against real time', ['positions follow real time', 'reads have no holes', 'no gaps'], /though .* known|though .* had been told|left out event|position \d+ is where/],
  ['wrong duplicate', ['one position per event'], /Event id \S+ lies at two positions/],
  // Its position is given to the next one: that shows first.
  ['lost append', ['nothing is lost', 'one event per position'], /Position \d+ was given twice|append \S+ was told that it stored .* at position \d+, but in the end|In the end .* but append \S+ was told that it stored/],
  ['content changes', ['content never changes'], /saw .* at position \d+, but .* there/],
  ['gap', ['no gaps'], /position \d+ is where \d+ belongs/],
];

describe('a store', () => {
  test.each(wrong)('with the flaw "%s" is caught', async (flaw, rules, words) => {
    for (const seed of seeds) {
      const { store: inner, events } = openBrokenStore(flaw, seed);
      const { store, history } = recordHistory(inner);
      await runLoad(store, { seed, calls: 80 });
      const { rule, message, operations } = contradictionIn(history, events);
      expect(rules, `seed ${seed}: ${message}`).toContain(rule);
      expect(message).toMatch(words);
      expect(operations.length).toBeGreaterThan(0);
      expect(operations.length).toBeLessThanOrEqual(3);
      for (const { id } of operations) expect(message).toContain(id);
      expect(message.length).toBeLessThan(1500);
    }
  });

  test('without a flaw, made in the same way, is not', async () => {
    for (const seed of seeds) {
      const { store: inner, events } = openBrokenStore('none', seed);
      const { store, history } = recordHistory(inner);
      await runLoad(store, { seed, calls: 80 });
      checkHistory(history, events);
    }
  });
});

/** A history made by hand. One who asks after another is given takes a millisecond. */
function made(...operations: object[]): History {
  const all = operations.map((operation, i) => ({ id: `x-${i + 1}`, process: 'x', start: i, end: i + 0.5, ...operation }) as unknown as Operation);
  return { operations: all, toText: () => '' };
}

const event = (type: string, id?: string) => ({ type, tags: [], data: 'null', ...(id === undefined ? {} : { id }) });
const stored = (first: number, ...types: string[]) => ({ call: 'append', events: types.map((type) => event(type)), answer: { first, last: first + types.length - 1, duplicate: false } });
const saw = (position: number, type: string, id = `id-${position}`) => ({ ...event(type, id), position, sum: position });
const reading = (...seen: ReturnType<typeof saw>[]) => ({ call: 'read', stream: 's', query: 'all', options: {}, positions: seen.map(({ position }) => position), seen, complete: true });

describe('a history made by hand', () => {
  test('may hold appends that were never answered: they are stored whole, or not at all', () => {
    const open = { call: 'append', events: [event('A', 'a1'), event('A', 'a2')], end: undefined };
    expect(checkHistory(made(open, reading()))).toMatchObject({ foundLater: 0, neverSeen: 1 });
    expect(checkHistory(made(open, reading(saw(1, 'A', 'a1'), saw(2, 'A', 'a2'))))).toMatchObject({ foundLater: 1, neverSeen: 0 });
    const half = contradictionIn(made(open, reading(saw(1, 'A', 'a1'), saw(2, 'B', 'b'))));
    expect(half.rule).toBe('batches are whole');
    expect(half.operations.map(({ id }) => id)).toEqual(['x-1', 'x-2']);
    const withoutIds = { ...open, events: [event('A')], error: { code: 'STORAGE_FAILED', outcome: 'unknown' }, end: 0.5 };
    expect(checkHistory(made(stored(1, 'X'), withoutIds, withoutIds, reading(saw(1, 'X'), saw(2, 'A'))))).toMatchObject({ foundLater: 1, neverSeen: 1 });
    const refused = { ...withoutIds, error: { code: 'STORAGE_FAILED', outcome: 'not-committed' } };
    expect(contradictionIn(made(stored(1, 'X'), refused, reading(saw(1, 'X'), saw(2, 'A')))).message).toContain('which was to store it, was refused');
  });

  test('may have positions that only such an append can have taken', () => {
    const open = { call: 'append', events: [event('A')], end: undefined };
    expect(checkHistory(made(stored(1, 'X'), open, stored(3, 'X')))).toMatchObject({ neverSeen: 1 });
    const gap = contradictionIn(made(stored(1, 'X'), stored(3, 'X')));
    expect(gap).toMatchObject({ rule: 'no gaps' });
    expect(gap.message).toContain('Nobody stored anything at position 2');
    expect(checkHistory(made(stored(1, 'X'), stored(3, 'X')), undefined, { othersAppend: true })).toMatchObject({ events: 2 });
  });

  test('must keep what was acknowledged, and its order', () => {
    expect(contradictionIn(made(stored(1, 'A'), stored(1, 'B'))).rule).toBe('one event per position');
    expect(contradictionIn(made(stored(2, 'A'), stored(1, 'B'))).message).toContain('append x-2 got position 1, though append x-1 had been told of position 2 before it was called');
    expect(contradictionIn(made(stored(1, 'A', 'A'), { call: 'head', head: 1 }))).toMatchObject({ rule: 'reads are up to date' });
    expect(contradictionIn(made({ call: 'head', head: 1 }, stored(1, 'A'))).message).toContain('whoever knows a head must never learn of a new event at or below it');
    expect(contradictionIn(made({ ...reading(), head: 1, complete: undefined }, { ...reading(saw(1, 'A')), stream: 't' }, stored(2, 'B'), { ...reading(), stream: 's' })).rule).toBe('reads have no holes');
    expect(contradictionIn(made(stored(1, 'A'), reading(saw(1, 'B')))).rule).toBe('content never changes');
    expect(contradictionIn(made(stored(1, 'A'), reading(saw(1, 'A', 'x')), reading(saw(1, 'A', 'y')))).rule).toBe('content never changes');
    expect(contradictionIn(made(stored(1, 'A'), reading(saw(1, 'A', 'x')), { ...reading({ ...saw(1, 'A', 'x'), sum: 7 }) })).message).toContain('with other metadata or another time stamp');
    expect(contradictionIn(made(stored(1, 'A')), []).rule).toBe('nothing is lost');
    expect(contradictionIn(made(reading(saw(1, 'A'))), []).rule).toBe('nothing is seen that is not stored');
  });

  test('must give what subscriptions asked for, in order and without gaps', () => {
    const following = (positions: number[], more: object = {}) => ({ call: 'subscribe', query: 'all', options: {}, positions, seen: [], ...more });
    const three = stored(1, 'A', 'A', 'A');
    expect(checkHistory(made(three, following([1, 2], { caughtUp: { head: 2, count: 2 } })))).toMatchObject({ events: 3 });
    expect(contradictionIn(made(three, following([1, 3]))).rule).toBe('reads have no holes');
    expect(contradictionIn(made(three, following([2, 1]))).rule).toBe('reads give what was asked for');
    expect(contradictionIn(made(three, following([1], { caughtUp: { head: 2, count: 1 } }))).message).toContain('caught up to position 2, but event 2 had not been handed out');
  });

  test('cannot have a head within a batch', () => {
    checkHistory(made(stored(1, 'A', 'B'), { call: 'head', head: 2 }));
    const { rule, message } = contradictionIn(made({ ...stored(1, 'A', 'B'), end: 9 }, { call: 'head', head: 1, start: 2, end: 3 }));
    expect(rule).toBe('batches are whole');
    expect(message).toContain('answered 1, which lies within');
  });

  test('can repeat only what has ids', () => {
    const repeated = { ...stored(1, 'A'), answer: { first: 1, last: 1, duplicate: true } };
    checkHistory(made({ ...repeated, events: [event('A', 'x')] }));
    expect(contradictionIn(made(repeated)).message).toContain('an event of it has no id');
  });

  test('forgives what lies closer together than clocks of two processes agree', () => {
    const history = (gapMs: number) => made({ ...stored(1, 'A'), end: 0.5 }, { call: 'head', head: 0, process: 'y', start: 0.5 + gapMs });
    checkHistory(history(0.04));
    expect(contradictionIn(history(0.2)).rule).toBe('reads are up to date');
    checkHistory(history(0.2), undefined, { slackMs: 0.3 });
  });
});

describe('recordHistory', () => {
  // A recorder reads what it is given too, so a property that gives something else each time is not what the store gets. Large events only take time.
  const suite = eventStoreSuite({ make: () => ({ store: recordHistory(openMemoryStore()).store, dispose: async () => undefined }) }).filter(({ name }) => !name.includes('answers differently') && !name.startsWith('limits') && !name.startsWith('idempotency: thousands'));
  test.each(suite)('changes nothing: $name', ({ run }) => run());

  test('writes lines that say the same, and what a killed process asked for', async () => {
    let text = '';
    const { store, history } = recordHistory(openMemoryStore(), { process: 'p', write: (line) => (text += line) });
    await runLoad(store, { seed: 7, callers: 2, calls: 20 });
    const parsed = parseHistory(text);
    const byId = (one: History) => Object.fromEntries(JSON.parse(JSON.stringify(one.operations.map((operation) => [operation.id, operation]))) as [string, object][]);
    expect(byId(parsed)).toEqual(byId(history));
    expect(byId(parseHistory(history.toText()))).toEqual(byId(history));
    void store.append({ type: 'Late', data: null });
    const called = text.slice(0, text.lastIndexOf('\n') + 1);
    expect(parseHistory(called).operations.at(-1)).toMatchObject({ call: 'append', events: [{ type: 'Late' }] });
    expect(parseHistory(called).operations.at(-1)).not.toHaveProperty('end');
    expect(parseHistory(called + '{"id":"p-9').operations).toHaveLength(parseHistory(called).operations.length);
    expect(() => parseHistory('{"no":"id"}\n')).toThrow('line 1');
    expect(() => parseHistory('nonsense\n')).toThrow('line 1 is no JSON');
    expect(() => mergeHistories(history, parsed)).toThrow('in more than one history');
  });

  test('keeps large data short, and tells it apart all the same', async () => {
    const { store, history } = recordHistory(openMemoryStore());
    const large = (end: string) => ({ type: 'A', data: { text: 'x'.repeat(10_000) + end }, id: 'x' });
    await store.append(large('1'));
    await expect(store.append(large('2'))).rejects.toMatchObject({ code: 'EVENT_ID_CONFLICT' });
    expect(history.toText().length).toBeLessThan(1000);
    const [first, second] = history.operations as [Extract<Operation, { call: 'append' }>, Extract<Operation, { call: 'append' }>];
    expect(first.events[0]!.data).not.toBe(second.events[0]!.data);
    checkHistory(history);
  });

  test('refuses unknown options', () => {
    expect(() => recordHistory(openMemoryStore(), { proces: 'a' } as object)).toThrow('options.proces');
    expect(() => checkHistory(made(), [], { slackMs: -1 })).toThrow('options.slackMs');
  });

  test('notes how calls fail', async () => {
    const failing: EventStore = { ...openMemoryStore(), append: () => Promise.reject(new StorageFailedError('No.', 'unknown')), head: () => Promise.reject(new Error('no')) };
    const { store, history } = recordHistory(failing);
    await expect(store.append({ type: 'A', data: null })).rejects.toThrow('No.');
    await expect(store.head()).rejects.toThrow('no');
    expect(history.operations).toMatchObject([{ error: { code: 'STORAGE_FAILED', outcome: 'unknown' } }, { error: { code: 'OTHER' } }]);
    checkHistory(history);
  });
});

test('checks a hundred thousand operations without trouble', () => {
  expect(checkHistory(longHistory(100_000))).toMatchObject({ operations: 100_000, events: 50_000 });
});

test('finds the one contradiction among thousands of operations', () => {
  const history = longHistory(10_000);
  const { condition } = history.operations[9_999] as { condition: { after: number } };
  condition.after = 2_000;
  expect(contradictionIn(history).operations).toHaveLength(2);
});

describe('takes time in proportion to the history, though', () => {
  const many = 6_000;
  const within = (ms: number, work: () => void) => {
    const began = performance.now();
    work();
    expect(performance.now() - began).toBeLessThan(ms);
  };

  test('each condition is another one and holds an item that matches everything', () => {
    const operations = Array.from({ length: many }, (_, i) => ({
      ...stored(i + 1, 'A'),
      condition: { failIfEventsMatch: { items: [{ types: ['A'] }, { tags: [`student:${i}`] }] }, after: i },
    }));
    within(4000, () => expect(checkHistory(made(...operations)).events).toBe(many));
  });

  test('many batches that are alike got no answer, and none fits what was seen', () => {
    const lost = Array.from({ length: many }, () => ({ call: 'append', events: [event('A'), event('B')], error: { code: 'STORAGE_FAILED', outcome: 'unknown' } }));
    const seen = reading(...Array.from({ length: many }, (_, i) => saw(i + 1, 'A')));
    within(4000, () => expect(contradictionIn(made(...lost, seen)).rule).toBe('batches are whole'));
  });
});

/** Reads and conditional appends in turn, on 2,000 courses. */
function longHistory(count: number): History {
  const operations: Operation[] = [];
  const taken = new Map<string, number[]>();
  let at = 0;
  for (let position = 1; operations.length < count; position++) {
    const course = `course:${position % 2000}`;
    const student = `student:${position % 997}`;
    const positions = taken.get(course) ?? [];
    taken.set(course, positions);
    const query = { items: [{ types: ['Enrolled'], tags: [course] }, { types: ['Enrolled'], tags: [course, student] }] };
    const call = () => ({ id: `x-${operations.length}`, process: 'x', start: at++, end: at++ });
    operations.push({ ...call(), call: 'read', stream: `${position}`, query, options: {}, positions: [...positions], seen: [], complete: true });
    const enrolled = { type: 'Enrolled', tags: [course, student].sort(), data: '{}', id: `e${position}` };
    operations.push({ ...call(), call: 'append', events: [enrolled], condition: { failIfEventsMatch: query, after: position - 1 }, answer: { first: position, last: position, duplicate: false } });
    positions.push(position);
  }
  return { operations, toText: () => '' };
}
