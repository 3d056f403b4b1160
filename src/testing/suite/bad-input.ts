import assert from 'node:assert/strict';
import type { InvalidInputError } from '../../core/errors.js';
import { group, type CaseGroup } from './case.js';
import { event, refusal, thrown } from './tools.js';

/** What is handed in, and the path of the value that the error must name. */
type Rows = readonly (readonly [input: unknown, path: string])[];

class Money {
  readonly cents = 5;
}

const text = (length: number): string => 'x'.repeat(length);
const cycle: Record<string, unknown> = { name: 'cycle' };
cycle.self = cycle;
const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

const badData: Rows = [
  [undefined, ''],
  [() => 1, ''],
  [Symbol('s'), ''],
  [5n, ''],
  [NaN, ''],
  [{ total: Infinity }, '.total'],
  [[1, -Infinity], '[1]'],
  [{ a: { b: [-0] } }, '.a.b[0]'],
  [{ when: new Date(0) }, '.when'],
  [new Map([[1, 2]]), ''],
  [{ list: [new Set()] }, '.list[0]'],
  [{ price: new Money() }, '.price'],
  [{ bytes: new Uint8Array(2) }, '.bytes'],
  [{ late: Promise.resolve() }, '.late'],
  [{ boxed: Object(1) as unknown }, '.boxed'],
  [Object.create({ inherited: 1 }), ''],
  [{ list: [1, undefined] }, '.list[1]'],
  [[1, , 3], '[1]'],
  [{ call() {} }, '.call'],
  [{ [Symbol('key')]: 1 }, ''],
  [{ match: 'ab'.match(/b/) }, '.match'],
  [JSON.parse('{"a":{"__proto__":{"admin":true}}}'), '.a["__proto__"]'],
  ['\ud800', ''],
  [{ text: 'a\udc00b' }, '.text'],
  [{ 'a b': { '\ud800': 1 } }, '["a b"]["\\ud800"]'],
  [{ '': [{ 'a.b': NaN }] }, '[""][0]["a.b"]'],
];

const badEvents: Rows = [
  [[], 'events'],
  [undefined, 'events[0]'],
  [null, 'events[0]'],
  ['event', 'events[0]'],
  [[[event('A')]], 'events[0]'],
  [[event('A'), null], 'events[1]'],
  [{ data: 1 }, 'events[0].type'],
  [{ type: '', data: 1 }, 'events[0].type'],
  [{ type: 5, data: 1 }, 'events[0].type'],
  [{ type: '\udfff', data: 1 }, 'events[0].type'],
  [{ type: text(1025), data: 1 }, 'events[0].type'],
  [{ type: '€'.repeat(342), data: 1 }, 'events[0].type'],
  [{ type: 'A' }, 'events[0].data'],
  [{ type: 'A', data: 1, Tags: [] }, 'events[0].Tags'],
  [{ type: 'A', data: 1, position: 5 }, 'events[0].position'],
  [[event('A'), { type: 'A', data: 1, extra: undefined }], 'events[1].extra'],
  [{ type: 'A', data: 1, tags: 'x' }, 'events[0].tags'],
  [{ type: 'A', data: 1, tags: null }, 'events[0].tags'],
  [{ type: 'A', data: 1, tags: new Set(['x']) }, 'events[0].tags'],
  [{ type: 'A', data: 1, tags: ['x', 5] }, 'events[0].tags[1]'],
  [{ type: 'A', data: 1, tags: ['x', undefined] }, 'events[0].tags[1]'],
  [{ type: 'A', data: 1, tags: [''] }, 'events[0].tags[0]'],
  [{ type: 'A', data: 1, tags: ['a', 'b\ud800'] }, 'events[0].tags[1]'],
  [{ type: 'A', data: 1, tags: [text(1025)] }, 'events[0].tags[0]'],
  [{ type: 'A', data: 1, tags: Array.from({ length: 256 }, (_, i) => `t${i}`) }, 'events[0].tags'],
  [{ type: 'A', data: 1, id: '' }, 'events[0].id'],
  [{ type: 'A', data: 1, id: null }, 'events[0].id'],
  [{ type: 'A', data: 1, id: 7 }, 'events[0].id'],
  [{ type: 'A', data: 1, id: text(256) }, 'events[0].id'],
  [{ type: 'A', data: 1, id: '\ud800' }, 'events[0].id'],
  [[{ ...event('A'), id: 'same' }, event('B'), { ...event('A'), id: 'same' }], 'events[2].id'],
  [{ type: 'A', data: 1, metadata: null }, 'events[0].metadata'],
  [{ type: 'A', data: 1, metadata: [] }, 'events[0].metadata'],
  [{ type: 'A', data: 1, metadata: 'user' }, 'events[0].metadata'],
  [{ type: 'A', data: 1, metadata: { at: new Date(0) } }, 'events[0].metadata.at'],
  ...['yesterday', '2026-01-01', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T00:00:00+01:00', '2026-01-01T00:00:00', '', 0, null, new Date(0)].map(
    (timestamp) => [{ type: 'A', data: 1, timestamp }, 'events[0].timestamp'] as const,
  ),
  [Array.from({ length: 100_001 }, () => event('A')), 'events'],
  ...badData.map(([data, path]) => [{ type: 'A', data }, `events[0].data${path}`] as const),
];

const badPositions = [-1, 1.5, NaN, Infinity, 2 ** 53, '1', null, 1n];

const badQueries: Rows = [
  [null, ''],
  ['none', ''],
  [[], ''],
  [{}, '.items'],
  [{ items: [] }, '.items'],
  [{ items: { types: ['A'] } }, '.items'],
  [{ items: [{ types: ['A'] }], limit: 1 }, '.limit'],
  [{ items: [{}] }, '.items[0]'],
  [{ items: [{ types: ['A'] }, 'A'] }, '.items[1]'],
  [{ items: [, { types: ['A'] }] }, '.items[0]'],
  [{ items: [{ type: 'A' }] }, '.items[0].type'],
  [{ items: [{ types: [] }] }, '.items[0].types'],
  [{ items: [{ types: ['A'], tags: [] }] }, '.items[0].tags'],
  [{ items: [{ types: 'A' }] }, '.items[0].types'],
  [{ items: [{ types: ['A', null] }] }, '.items[0].types[1]'],
  [{ items: [{ tags: [''] }] }, '.items[0].tags[0]'],
  [{ items: [{ tags: [text(1025)] }] }, '.items[0].tags[0]'],
  [{ items: [{ tags: ['\ud800'] }] }, '.items[0].tags[0]'],
];

const badConditions: Rows = [
  [null, 'condition'],
  ['all', 'condition'],
  [[], 'condition'],
  [{}, 'condition.failIfEventsMatch'],
  [{ failIfEventsMatch: 'all', before: 1 }, 'condition.before'],
  ...badQueries.map(([failIfEventsMatch, path]) => [{ failIfEventsMatch }, `condition.failIfEventsMatch${path}`] as const),
  ...badPositions.map((after) => [{ failIfEventsMatch: 'all', after }, 'condition.after'] as const),
  [{ failIfEventsMatch: { items: Array.from({ length: 1100 }, (_, i) => ({ tags: [`${i}:${text(1000)}`] })) } }, 'condition'],
];

const badSignals: Rows = [null, true, {}, new AbortController()].map((signal) => [{ signal }, 'options.signal'] as const);

const badReadOptions: Rows = [
  [null, 'options'],
  [5, 'options'],
  [{ from: 1 }, 'options.from'],
  ...badPositions.map((after) => [{ after }, 'options.after'] as const),
  ...[0, ...badPositions].map((before) => [{ before }, 'options.before'] as const),
  ...[0, ...badPositions].map((limit) => [{ limit }, 'options.limit'] as const),
  [{ backwards: 1 }, 'options.backwards'],
  ...badSignals,
];

const badSubscribeOptions: Rows = [
  [null, 'options'],
  [{ before: 1 }, 'options.before'],
  [{ limit: 1 }, 'options.limit'],
  ...badPositions.map((after) => [{ after }, 'options.after'] as const),
  [{ onCaughtUp: true }, 'options.onCaughtUp'],
  ...badSignals,
];

const appendCases: CaseGroup['cases'] = {
  'bad events are refused, each with its path': async ({ store }) => {
    for (const [input, path] of badEvents) await assertRefused(store.append(input as never), path);
    assert.equal(await store.head(), 0);
  },

  'bad metadata is refused like bad data': async ({ store }) => {
    for (const [value, path] of badData.slice(1)) {
      await assertRefused(store.append({ type: 'A', data: null, metadata: { value } as never }), `events[0].metadata.value${path}`);
    }
    assert.equal(await store.head(), 0);
  },

  'cycles and too deep values are refused': async ({ store }) => {
    const error = await refusal(store.append({ type: 'A', data: cycle as never }), 'INVALID_INPUT');
    assert.match((error as InvalidInputError).path, /^events\[0\]\.data\.self\.self/);
    assert.match(error.message, /cycle/);
    await refusal(store.append({ type: 'A', data: deep(513) as never }), 'INVALID_INPUT');
    await store.append({ type: 'A', data: deep(512) as never });
    assert.deepEqual((await store.read().first())?.data, deep(512));
  },

  'bad conditions are refused, each with its path': async ({ store }) => {
    await store.append(event('A'));
    for (const [input, path] of badConditions) await assertRefused(store.append(event('A'), input as never), path);
    assert.equal(await store.head(), 1);
  },

  'bad append options are refused, each with its path': async ({ store }) => {
    for (const [input, path] of [[null, 'options'], [{ timeout: 1 }, 'options.timeout'], ...badSignals] as Rows) {
      await assertRefused(store.append(event('A'), undefined, input as never), path);
    }
    assert.equal(await store.head(), 0);
  },
};

const readCases: CaseGroup['cases'] = {
  'bad queries are refused at once, each with its path': async ({ store }) => {
    for (const [input, path] of badQueries) {
      assertThrown(() => store.read(input as never), `query${path}`);
      assertThrown(() => store.subscribe(input as never), `query${path}`);
    }
  },

  'bad read options are refused at once, each with its path': async ({ store }) => {
    for (const [input, path] of badReadOptions) assertThrown(() => store.read('all', input as never), path);
  },

  'bad subscribe options are refused at once, each with its path': async ({ store }) => {
    for (const [input, path] of badSubscribeOptions) assertThrown(() => store.subscribe('all', input as never), path);
  },
};

export const badInputGroup = group('bad input', { ...appendCases, ...readCases });

async function assertRefused(work: Promise<unknown>, path: string): Promise<void> {
  assertNames(await refusal(work, 'INVALID_INPUT'), path);
}

function assertThrown(work: () => unknown, path: string): void {
  assertNames(thrown(work, 'INVALID_INPUT'), path);
}

function assertNames(error: unknown, path: string): void {
  const { path: named, message, details } = error as InvalidInputError;
  assert.equal(named, path, message);
  assert.deepEqual({ ...details }, { path });
  assert.ok(message.startsWith(`${path} `), message);
}
