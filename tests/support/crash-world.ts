/* Runs workloads of several processes on the simulated disk, remembers what was promised, and checks it after a crash. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { matchesQuery, type Query } from '../../src/core/query.js';
import type { AppendCondition } from '../../src/core/condition.js';
import type { EventStore } from '../../src/core/event-store.js';
import { isOpossumError } from '../../src/core/errors.js';
import type { NewEvent, SequencedEvent } from '../../src/core/event.js';
import { openEventFileCodec } from '../../src/eventfiles/event-file.js';
import { fileName, folderName } from '../../src/eventfiles/paths.js';
import { type SimulatedProcess, type Simulation } from '../../src/testing/simulation/simulation.js';

export const directory = '/data';
const folder = '/data/default';

export const types = ['Opened', 'Closed'];
export const tags = ['door:1', 'door:2', 'door:3'];

/** One thing that a process does. Numbers choose among what there is. */
export type Step =
  | { readonly do: 'append'; readonly count: number; readonly tag: number }
  /** Several appends at once, which may share a group. */
  | { readonly do: 'burst'; readonly appends: number; readonly tag: number }
  /** Reads what matches, then appends on condition that nothing else came. */
  | { readonly do: 'decide'; readonly tag: number }
  /** The same batch as an earlier one of any process, as after a lost answer. */
  | { readonly do: 'resend'; readonly which: number }
  | { readonly do: 'read' }
  /** Opens the folder for reading only, reads, and closes. */
  | { readonly do: 'peek' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'reopen' };

/** As `expect(actual, what).toEqual(expected)`, in a twentieth of the time: hundreds of thousands are made. */
function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, what).toEqual(expected);
}

type Batch = { readonly name: string; readonly events: readonly NewEvent[]; readonly condition: AppendCondition | undefined };

/** What callers were told, which must stay true for ever. */
export class Promises {
  readonly eventFiles: 'json' | 'none';
  readonly #batches: Batch[] = [];
  readonly #acknowledged = new Map<string, number>();
  readonly #rejected = new Set<string>();
  readonly #seen = new Map<number, string>();
  #headSeen = 0;

  constructor(eventFiles: 'json' | 'none' = 'json') {
    this.eventFiles = eventFiles;
  }

  newBatch(count: number, tag: number, condition?: AppendCondition): Batch {
    const name = `b${this.#batches.length + 1}`;
    const events = Array.from({ length: count }, (_, i) => ({
      type: types[(tag + i) % types.length]!,
      tags: [tags[tag % tags.length]!, `batch:${name}`],
      id: `${name}/${i}/${count}`,
      data: { filler: 'x'.repeat((tag * 97) % 700) },
    }));
    const batch = { name, events, condition };
    this.#batches.push(batch);
    return batch;
  }

  earlier(which: number): Batch | undefined {
    return this.#batches[which % Math.max(1, this.#batches.length)];
  }

  async append(store: EventStore, batch: Batch): Promise<void> {
    try {
      const { first } = await store.append(batch.events, batch.condition);
      expect(this.#acknowledged.get(batch.name) ?? first, `${batch.name} keeps its position`).toBe(first);
      this.#acknowledged.set(batch.name, first);
      this.#rejected.delete(batch.name);
    } catch (error) {
      if (isOpossumError(error, 'APPEND_CONDITION_FAILED')) this.#rejected.add(batch.name);
      else if (!isOpossumError(error)) throw error;
      else if (!['STORAGE_FAILED', 'LOCK_TIMEOUT'].includes(error.code)) throw error;
    }
  }

  see(events: readonly SequencedEvent[], head: number): void {
    for (const { position, id } of events) {
      expectEqual(this.#seen.get(position) ?? id, id, `position ${position} keeps its event`);
      this.#seen.set(position, id);
    }
    this.#headSeen = Math.max(this.#headSeen, head);
  }

  /** Whether what is in the store keeps every promise. */
  check(events: readonly SequencedEvent[]): void {
    expectEqual(events.map(({ position }) => position), events.map((_, i) => i + 1), 'positions');
    expect(events.length, 'head that somebody saw').toBeGreaterThanOrEqual(this.#headSeen);
    for (const [position, id] of this.#seen) expectEqual(events[position - 1]?.id, id, `event that somebody saw at ${position}`);
    const firsts = this.#checkBatches(events);
    for (const [name, first] of this.#acknowledged) expectEqual(firsts.get(name), first, `position of acknowledged ${name}`);
    for (const name of this.#rejected) expectEqual(firsts.has(name), false, `rejected ${name} is there`);
    this.see(events, events.length);
  }

  /** Every batch that is there is whole, there once, and met its condition. */
  #checkBatches(events: readonly SequencedEvent[]): Map<string, number> {
    const firsts = new Map<string, number>();
    for (let i = 0; i < events.length; ) {
      const [name = '', index, count] = events[i]!.id.split('/');
      const batch = this.#batches.find((one) => one.name === name);
      expectEqual(index, '0', `part of ${name} at ${i + 1}`);
      expectEqual(firsts.has(name), false, `${name} twice`);
      const found = events.slice(i, i + Number(count)).map(({ type, tags, id, data }) => ({ type, tags, id, data }));
      expectEqual(found, batch?.events, `batch ${name}`);
      if (batch?.condition) this.#checkCondition(batch.condition, events.slice(0, i));
      firsts.set(name, i + 1);
      i += Number(count);
    }
    return firsts;
  }

  #checkCondition({ failIfEventsMatch, after = 0 }: AppendCondition, before: readonly SequencedEvent[]): void {
    expectEqual(before.filter((event) => event.position > after && matchesQuery(failIfEventsMatch, event)), [], 'events that should have refused the condition');
  }
}

/** Runs a process's steps one after another. */
export async function runSteps(process: SimulatedProcess, steps: readonly Step[], promises: Promises, simulation: Simulation): Promise<void> {
  let store = await openOrFail(process, promises);
  for (const step of steps) {
    if (!store) return;
    switch (step.do) {
      case 'append':
        await promises.append(store, promises.newBatch(step.count, step.tag));
        break;
      case 'burst': {
        const opened = store;
        await Promise.all(Array.from({ length: step.appends }, (_, i) => promises.append(opened, promises.newBatch(1, step.tag + i))));
        break;
      }
      case 'decide': {
        const query: Query = { items: [{ types: [types[step.tag % 2]!], tags: [tags[step.tag % 3]!] }] };
        const head = await observe(store, query, promises);
        if (head !== undefined) await promises.append(store, promises.newBatch(1, step.tag, { failIfEventsMatch: query, after: head }));
        break;
      }
      case 'resend': {
        const batch = promises.earlier(step.which);
        if (batch) await promises.append(store, batch);
        break;
      }
      case 'read':
        await observe(store, 'all', promises);
        break;
      case 'peek':
        await peek(process, promises);
        break;
      case 'wait':
        await simulation.advance(step.ms);
        break;
      case 'reopen':
        await store.close();
        store = await openOrFail(process, promises);
    }
  }
  await store?.close();
}

/** Reads and notes what was seen; undefined when the disk would not let it. */
async function observe(store: EventStore, query: Query, promises: Promises): Promise<number | undefined> {
  try {
    const stream = store.read(query);
    const events = await stream.toArray();
    const head = await stream.head();
    promises.see(events, head);
    return head;
  } catch (error) {
    if (isOpossumError(error, 'STORAGE_FAILED')) return undefined;
    throw error;
  }
}

async function peek(process: SimulatedProcess, promises: Promises): Promise<void> {
  try {
    const store = await process.openStore({ directory, readOnly: true });
    await observe(store, 'all', promises);
    await store.close();
  } catch (error) {
    if (!isOpossumError(error, 'STORAGE_FAILED')) throw error;
  }
}

async function openOrFail(process: SimulatedProcess, { eventFiles }: Promises): Promise<EventStore | undefined> {
  try {
    return await process.openStore({ directory, eventFiles });
  } catch (error) {
    if (isOpossumError(error, 'STORAGE_FAILED')) return undefined;
    throw error;
  }
}

/** Opens what a crash left, checks every promise, goes on appending, and closes. Returns what it found. */
export async function recoverAndCheck(simulation: Simulation, promises: Promises, name: string): Promise<readonly SequencedEvent[]> {
  const process = simulation.start(name);
  const store = await process.openStore({ directory, eventFiles: promises.eventFiles });
  const events = await store.read().toArray();
  promises.check(events);
  await checkQueries(store, events);
  await promises.append(store, promises.newBatch(1, 1));
  if (promises.eventFiles === 'json') await waitForEventFiles(simulation, await store.read().toArray());
  await store.close();
  const after = await reopenAndRead(process);
  expect(after.length).toBe(events.length + 1);
  promises.check(after);
  if (promises.eventFiles === 'json') expect(await wrongEventFiles(simulation, after)).toEqual([]);
  expect(process.warnings).toEqual([]);
  return after;
}

async function reopenAndRead(process: SimulatedProcess): Promise<SequencedEvent[]> {
  const store = await process.openStore({ directory });
  const events = await store.read().toArray();
  await store.close();
  return events;
}

async function checkQueries(store: EventStore, events: readonly SequencedEvent[]): Promise<void> {
  const queries: Query[] = [...types.map((type) => ({ items: [{ types: [type] }] })), ...tags.map((tag) => ({ items: [{ tags: [tag] }] }))];
  for (const query of queries) {
    const found = (await store.read(query).toArray()).map(({ position }) => position);
    expectEqual(found, events.filter((event) => matchesQuery(query, event)).map(({ position }) => position), `events that match ${JSON.stringify(query)}`);
  }
}

/** Files that those who died left undone are written in the background. */
async function waitForEventFiles(simulation: Simulation, events: readonly SequencedEvent[]): Promise<void> {
  for (let round = 0; round < 100; round++) {
    if ((await wrongEventFiles(simulation, events)).length === 0) return;
    await simulation.advance(100);
  }
}

/** Positions whose event file is missing or says something else than the ledger. */
async function wrongEventFiles(simulation: Simulation, events: readonly SequencedEvent[]): Promise<number[]> {
  const codec = await openEventFileCodec('json');
  const files = simulation.disk.files();
  return events.map(({ position }) => position).filter((position, i) => {
    const bytes = files.get(`${folder}/events/${folderName(position)}/${fileName(position, 'json')}`);
    const { batch, ...event } = (bytes && codec.decode(bytes)) ?? { batch: undefined };
    return batch === undefined || !isDeepStrictEqual(event, events[i]);
  });
}

/** Runs all processes until each has ended, was killed, or the power went. */
export async function runAll(simulation: Simulation, stepsOfProcesses: readonly (readonly Step[])[], promises: Promises): Promise<void> {
  await Promise.all(
    stepsOfProcesses.map((steps, i) => {
      const process = simulation.start('ABC'[i]!);
      return process.run(runSteps(process, steps, promises, simulation));
    }),
  );
}

/** Adds to a failure what was tried and what the disk did, so that it can be understood. */
export async function explained(simulation: Simulation, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\n${what}. What the disk did last:\n${simulation.disk.trace.slice(-80).join('\n')}`, { cause: error });
  }
}
