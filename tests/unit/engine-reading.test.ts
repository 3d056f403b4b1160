/*
 * Goal: what a store keeps in memory of events that it has read makes reading shorter and changes nothing. Method: stores on
 * a real folder whose calls to the disk and to the clock are counted, or whose bytes vanish beneath them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/disk/clock.js';
import type { Disk } from '../../src/disk/disk.js';
import { openEngine } from '../../src/engine/open-store.js';
import { Gate } from '../../src/engine/gate.js';
import { RecordTexts } from '../../src/engine/record-texts.js';
import type { EventStore, Query } from '../../src/index.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';

const byTag = (tag: string): Query => ({ items: [{ tags: [tag] }] });
const event = (id: string, ...tags: string[]): { type: string; id: string; tags: string[]; data: { id: string } } => ({ type: 'T', id, tags, data: { id } });

let directory: string;
let stores: EventStore[];

beforeEach(() => {
  directory = freshFolder();
  stores = [];
});

afterEach(() => Promise.all(stores.map((store) => store.close().catch(() => undefined))));

async function open(faults: Faults = {}, options: { durability?: 'commit' | 'os' } = {}): Promise<EventStore> {
  const store = await openEngine({ directory, eventFiles: 'none', ...options }, { ...faultyPorts(faults), engines: new Map() });
  stores.push(store);
  return store;
}

/** How often the ledger is read from now on. */
function countReads(faults: Faults): { reads: number } {
  const counted = { reads: 0 };
  faults.fail = (verb, file) => {
    if (verb === 'file.read' && file.endsWith('ledger')) counted.reads++;
    return undefined;
  };
  return counted;
}

describe('events that a query has found', () => {
  test('are read once, come in order beside others, and are made anew each time', async () => {
    const faults: Faults = {};
    const store = await open(faults);
    const all = Array.from({ length: 60 }, (_, i) => event(`e${i}`, 'all', ...(i % 3 === 0 ? ['third'] : [])));
    await store.append(all);
    const right = await store.read().toArray();
    const thirds = right.filter((_, i) => i % 3 === 0);
    const first = await store.read(byTag('third')).toArray();
    expect(first).toEqual(thirds);
    const counted = countReads(faults);
    (first[0]!.data as { id: string }).id = 'changed';
    (first[1]!.tags as string[]).push('changed');
    expect(await store.read(byTag('third')).toArray()).toEqual(thirds);
    expect(await store.read(byTag('third'), { backwards: true, limit: 1 }).first()).toEqual(thirds.at(-1));
    expect(counted.reads).toBe(0);
    expect(await store.read(byTag('all')).toArray()).toEqual(right);
    expect(await store.read(byTag('all'), { backwards: true, limit: 7 }).toArray()).toEqual(right.slice(-7).reverse());
    expect(counted.reads).toBeGreaterThan(0);
  });

  test('are not taken from memory when they were not durable, and others have their positions now', async () => {
    const faults: Faults = {};
    const failing = await open(faults);
    await failing.append(event('a', 'x'));
    const ledger = path.join(directory, 'default', 'ledger');
    const { size } = fs.statSync(ledger);
    faults.dataSync = () => {
      throw systemError('EIO');
    };
    await expect(failing.append(event('vanishing', 'x'))).rejects.toMatchObject({ outcome: 'unknown' });
    const reader = await open({}, { durability: 'os' });
    const idsOf = async (): Promise<string[]> => (await reader.read(byTag('x')).toArray()).map(({ id }) => id);
    expect(await idsOf()).toEqual(['a', 'vanishing']);
    // What the page cache does that has to give way: the bytes that never reached the disk are gone.
    const descriptor = fs.openSync(ledger, 'r+');
    fs.writeSync(descriptor, Buffer.alloc(fs.fstatSync(descriptor).size - size), 0, undefined, size);
    fs.closeSync(descriptor);
    expect(await (await open()).append(event('b', 'x'))).toMatchObject({ first: 2 });
    expect(await idsOf()).toEqual(['a', 'b']);
  });
});

describe('a long read', () => {
  test.each(['at once', 'later'])('lets the event loop run now and then, where the disk answers %s', async (when) => {
    await (await open()).append(Array.from({ length: 2000 }, (_, i) => ({ ...event(`e${i}`, 'x'), data: 'x'.repeat(1000) })));
    let turns = 0;
    let nowMs = 0;
    // A time that passes quickly: every look at the clock finds it ten milliseconds later.
    const clock = { ...systemClock, monotonic: () => (nowMs += 10), turn: () => (turns++, systemClock.turn()) };
    const ports = faultyPorts({});
    const lateDisk: Disk = {
      ...ports.disk,
      async open(path, mode) {
        const file = await ports.disk.open(path, mode);
        return { ...file, read: async (target, offset) => file.read(target, offset) };
      },
    };
    const disk = when === 'later' ? lateDisk : ports.disk;
    const store = await openEngine({ directory, eventFiles: 'none' }, { ...ports, disk, clock, engines: new Map() });
    stores.push(store);
    for (const query of ['all', byTag('x')] as const) {
      turns = 0;
      expect(await store.read(query).toArray()).toHaveLength(2000);
      expect(turns).toBeGreaterThan(6);
    }
  });
});

describe('texts in memory', () => {
  test('take no more room than they may, and those in use stay', () => {
    const texts = new RecordTexts();
    const text = 'x'.repeat(1000);
    texts.add(1, 'in use');
    for (let position = 2; position <= 50_000; position++) {
      texts.add(position, text);
      if (position % 1000 === 0) expect(texts.get(1)).toBe('in use');
    }
    let kept = 0;
    for (let position = 2; position <= 50_000; position++) if (texts.get(position) !== undefined) kept++;
    expect(kept).toBeGreaterThan(10_000);
    expect(kept * text.length).toBeLessThan(16 * 1024 * 1024);
    expect(texts.get(50_000)).toBe(text);
  });

  test('are not kept of large events', () => {
    const texts = new RecordTexts();
    texts.add(1, 'x'.repeat(100_000));
    expect(texts.get(1)).toBeUndefined();
  });
});

describe('a gate', () => {
  test('is left whether the work answers, throws or rejects, at once or later', async () => {
    const gate = new Gate((error) => `explained: ${String(error)}`);
    expect(gate.run(() => 1 as number | Promise<number>)).toBe(1);
    expect(() =>
      gate.run((): number | Promise<number> => {
        throw new Error('now');
      }),
    ).toThrow('explained: Error: now');
    await gate.empty();
    let finish!: () => void;
    const late = gate.run(() => new Promise<void>((resolve) => (finish = resolve)));
    let isEmpty = false;
    const emptied = gate.empty().then(() => (isEmpty = true));
    await Promise.resolve();
    expect(isEmpty).toBe(false);
    finish();
    await Promise.all([late, emptied]);
    await expect(gate.run(() => Promise.reject(new Error('later')))).rejects.toBe('explained: Error: later');
    await gate.empty();
  });
});
