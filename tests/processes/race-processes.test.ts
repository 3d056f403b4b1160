/*
 * goal: races of real processes pass with a handler that is right, killed or not, and name the culprits when something is wrong.
 * method: the built package races the handlers of fixtures/race-handlers.mjs, one of which is right.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, expectTypeOf, test, vi } from 'vitest';
import { isOpossumError, openStore, type SequencedEvent } from '../../src/index.js';
import type * as testing from '../../src/testing/index.js';
import type { ProcessRaceError, RaceHandler, RaceOptions, RaceReport } from '../../src/testing/index.js';
import { fastFolder, fastRoot } from '../support/folder.js';

// The workers' program is only in the built package.
const built = new URL('../../dist/testing/index.js', import.meta.url).href;
const { raceProcesses } = (await import(built)) as typeof testing;

type Enrol = { course: string; student: string; seats: number };

const module = new URL('./fixtures/race-handlers.mjs', import.meta.url);
const students = (count: number, seats: number): Enrol[] => Array.from({ length: count }, (_, i) => ({ course: 'c1', student: `s${i + 1}`, seats }));
const holds = (): boolean => true;
const seatsHold = (events: readonly SequencedEvent[]): string | undefined => {
  const enrolled = new Set(events.map(({ data }) => (data as Enrol).student));
  if (enrolled.size !== events.length) return 'somebody is enrolled twice';
  return events.length <= 10 ? undefined : `${events.length} of 10 seats taken`;
};

function options<Command>(given: Omit<RaceOptions<Command>, 'module'> & { module?: URL | string }): RaceOptions<Command> {
  return { module, storeOptions: { durability: 'os' }, ...given };
}

/** Where the races of this file put what they make, and nobody else does. */
let temporary: string;
beforeAll(() => {
  temporary = fs.realpathSync(fs.mkdtempSync(path.join(fastRoot, 'opossum-')));
  for (const name of ['TMPDIR', 'TEMP', 'TMP']) vi.stubEnv(name, temporary);
});
afterAll(() => {
  vi.unstubAllEnvs();
  fs.rmSync(temporary, { recursive: true, force: true });
});

async function failure(race: RaceOptions<Enrol>): Promise<ProcessRaceError> {
  const error = await raceProcesses(race).then(
    (report) => expect.fail(`nothing was found: ${JSON.stringify(report.checked)}`),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'ProcessRaceError' });
  const { keptIn, message } = error as ProcessRaceError;
  expect(message).toContain(keptIn);
  expect(path.dirname(keptIn)).toBe(temporary);
  expect(fs.readdirSync(keptIn)).toContain('store');
  fs.rmSync(keptIn, { recursive: true });
  return error as ProcessRaceError;
}

test('a right handler in four processes never takes more seats than there are, and leaves nothing behind', async () => {
  const report = await raceProcesses<Enrol, 'appended' | 'rejected' | 'nothing'>({
    module,
    storeOptions: { durability: 'os', context: 'school' },
    given: [{ type: 'Enrolled', tags: ['course:c1', 'student:early'], data: { course: 'c1', student: 'early' } }],
    commands: students(24, 10),
    atOnce: 2,
    invariant: (events, { results }) => seatsHold(events) ?? results.filter((result) => result.status === 'fulfilled' && result.value === 'appended').length === 9,
  });
  expect(report.events).toHaveLength(10);
  expect(report.results.map(({ command }) => command)).toEqual(students(24, 10));
  expect(report.results.map(({ worker, attempts }) => [worker, attempts])).toEqual(students(24, 10).map((_, i) => [(i % 4) + 1, 1]));
  expect(report.checked).toMatchObject({ events: 10, neverSeen: 0 });
  expect(new Set(report.history.operations.map(({ process }) => process))).toEqual(new Set(['given', 'worker-1', 'worker-2', 'worker-3', 'worker-4']));
  expect(report.kills).toBe(0);
  // Nobody acts before all have opened the store.
  const operations = report.history.operations.filter(({ process }) => process !== 'given');
  const opened = operations.filter(({ call }) => call === 'head').map(({ end }) => end!);
  expect(opened).toHaveLength(4);
  expect(Math.max(...opened)).toBeLessThan(Math.min(...operations.filter(({ call }) => call !== 'head').map(({ start }) => start)));
  expect(fs.readdirSync(temporary)).toEqual([]);
});

test('a handler without a condition is found by the invariant, and the message names who appended', async () => {
  const error = await failure(options({ commands: (worker) => students(6, 10).map((one) => ({ ...one, student: `${worker}:${one.student}` })), exportName: 'careless', invariant: seatsHold }));
  expect(error.fault).toBe('invariant');
  expect(error.message).toMatch(/^\d+ of 10 seats taken\n/);
  expect(error.message).toMatch(/append worker-\d-\d+ \(.* ms\): Enrolled \[course:c1 student:\d:s\d+\] .*→ position \d+/);
  expect(error.events!.length).toBeGreaterThan(10);
  expect(error.results).toHaveLength(24);
  expect(error.history!.operations.length).toBeGreaterThan(24);
});

test('killed processes go on where they were, and no acknowledged enrolment is lost or made twice', async () => {
  const directory = fastFolder();
  const race = options({ directory, commands: students(40, 10), workers: 3, kill: { times: 3, seed: 5 }, invariant: seatsHold });
  const report = await raceProcesses(race);
  expect(report.kills).toBe(3);
  expect(report.results).toHaveLength(40);
  expect(report.events).toHaveLength(10);
  const names = report.history.operations.map(({ process }) => process);
  expect(names.some((name) => /^worker-\d\.2$/.test(name))).toBe(true);
  // The folder was given, so the store is kept.
  const store = await openStore({ directory });
  expect(await store.head()).toBe(10);
  await store.close();
});

test('a handler that is not idempotent is found when its process is killed', async () => {
  const twice = (events: readonly SequencedEvent[]) => new Set(events.map(({ tags }) => tags[0])).size === events.length || 'somebody paid twice';
  const error = await failure(options({ commands: students(24, 0), workers: 2, atOnce: 6, exportName: 'forgetful', kill: { times: 2, seed: 10 }, invariant: twice }));
  expect(error.message).toMatch(/^somebody paid twice\n/);
  expect(error.message).toContain('killed by seed 10');
});

test('a handler gets its command, its worker, its attempt and a key of its own', async () => {
  const commands = (worker: number) => [{ worker, at: new Date(worker) }];
  const { results } = await raceProcesses<{ worker: number; at: Date }, { command: unknown; context: { worker: number; attempt: number; key: string } }>(
    options({ workers: 2, commands, exportName: 'told', invariant: holds }) as RaceOptions<{ worker: number; at: Date }, { command: unknown; context: { worker: number; attempt: number; key: string } }>,
  );
  const told = results.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
  expect(told.map((one) => one?.command)).toEqual([commands(1)[0], commands(2)[0]]);
  expect(told.map((one) => [one?.context.worker, one?.context.attempt])).toEqual([[1, 1], [2, 1]]);
  expect(told[0]?.context.key).not.toBe(told[1]?.context.key);
});

test('events that no recorded call stored contradict the history', async () => {
  const directory = fastFolder();
  const commands = (): { directory: string }[] => [{ directory }];
  const race = options({ directory, workers: 2, commands, exportName: 'secret', given: [{ type: 'Begun', data: null }], invariant: holds });
  const error: unknown = await raceProcesses(race).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ fault: 'history', message: expect.stringContaining('but no append stored it') });
});

test('a handler that fails, and a process that ends by itself, are named with what they were at', async () => {
  const commands = students(6, 10);
  const broken = await failure(options({ commands, workers: 2, exportName: 'broken', invariant: holds }));
  expect(broken.fault).toBe('handler');
  expect(broken.message).toMatch(/^worker-1 \(process \d+\) failed at \{"course":"c1","student":"s3","seats":10\}: TypeError: no such thing\n/);
  const report = await raceProcesses(options({ commands, workers: 2, exportName: 'broken', mayFail: ({ name }) => name === 'TypeError', invariant: holds }));
  expect(report.results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled']);

  const crashed = await failure(options({ commands, workers: 2, exportName: 'crashing', invariant: holds }));
  expect(crashed.fault).toBe('worker');
  expect(crashed.message).toMatch(/^worker-1 \(process \d+\) was at \{"course":"c1","student":"s3","seats":10\} and ended by itself \(exit code 7\):\nabout to die\n/);
});

test('a module that is not there, or has no handler, is told clearly', async () => {
  const race = { commands: students(2, 10), workers: 2, invariant: holds };
  const missing = await failure(options({ ...race, module: new URL('./fixtures/not-there.mjs', import.meta.url) }));
  expect(missing.fault).toBe('worker');
  expect(missing.message).toMatch(/^worker-\d \(process \d+\) cannot go on\. The module file:.*not-there\.mjs cannot be imported: .*Cannot find module/s);
  const unnamed = await failure(options({ ...race, exportName: 'enrol' }));
  expect(unnamed.message).toMatch(/exports no function "enrol": it exports act, broken, careless, .*Write "export async function enrol\(store, command, context\)"/);
});

test('a handler that never ends, and one whose answer cannot be sent, are told', async () => {
  const race = { commands: students(2, 10), workers: 2, invariant: holds };
  const late = await failure(options({ ...race, exportName: 'endless', timeoutMs: 1000 }));
  expect(late.fault).toBe('timeout');
  expect(late.message).toMatch(/^The race was not over after 1000 ms \("timeoutMs"\): 2 of 2 commands had not ended\.\n  worker-1 is at \{"course"/);
  const unsendable = await failure(options({ ...race, exportName: 'unsendable' }));
  expect(unsendable.message).toContain('What "unsendable" returned cannot be sent to another process');
});

test('wrong options are refused before anything is made', async () => {
  const before = fs.readdirSync(temporary);
  const right = { module, commands: students(4, 10), invariant: holds };
  const wrong: [object, string][] = [
    [{ ...right, module: './race-handlers.mjs' }, 'options.module'],
    [{ ...right, workers: 1 }, 'options.workers'],
    [{ ...right, commands: [] }, 'options.commands'],
    [{ ...right, commands: students(1, 10) }, 'options.commands'],
    [{ ...right, commands: [() => 1, () => 2] }, 'options.commands'],
    [{ ...right, commands: (worker: number) => (worker === 2 ? 'none' : []) }, 'options.commands(2)'],
    [{ ...right, kill: { times: 5 } }, 'options.kill.times'],
    [{ ...right, kill: { times: 1, seed: 0.5 } }, 'options.kill.seed'],
    [{ ...right, invariant: undefined }, 'options.invariant'],
    [{ ...right, storeOptions: { readOnly: true } }, 'options.storeOptions.readOnly'],
    [{ ...right, timeoutMs: 0 }, 'options.timeoutMs'],
    [{ ...right, worker: 3 }, 'options.worker'],
  ];
  for (const [given, where] of wrong) {
    const error: unknown = await raceProcesses(given as never).catch((reason: unknown) => reason);
    expect(isOpossumError(error, 'INVALID_INPUT') && error.details['path'], where).toBe(where);
  }
  expect(fs.readdirSync(temporary)).toEqual(before);
});

test('types: commands and results are those of the handler', () => {
  const race = () => raceProcesses<Enrol, string>({ module, commands: [{ course: 'c1', student: 's1', seats: 1 }], invariant: (_, { results }) => results.length > 0 });
  expectTypeOf(race).returns.resolves.toEqualTypeOf<RaceReport<Enrol, string>>();
  // @ts-expect-error a command without a student
  void (() => raceProcesses<Enrol>({ module, commands: [{ course: 'c1', seats: 1 }], invariant: holds }));
  // @ts-expect-error an invariant is needed
  void (() => raceProcesses<Enrol>({ module, commands: [] }));
  const handler: RaceHandler<Enrol, number> = async (store, { seats }, { key }) => (await store.append({ type: 'A', data: seats, id: key })).first;
  void handler;
});
