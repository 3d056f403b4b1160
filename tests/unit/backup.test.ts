/* A copy of a context: complete, continued, refused, and completed after being cut off at any point. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import type { EnginePorts } from '../../src/engine/engine.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import { backupOn } from '../../src/engine/upkeep/backup.js';
import { backupContext, openStore, verifyContext, type BackupReport, type NewEvent, type OpenStoreOptions } from '../../src/index.js';
import { eventsIn } from '../support/read-events.js';
import { systemError } from '../support/faulty-disk.js';
import { fastRoot } from '../support/folder.js';

type Setup = { directory: string; destination: string; backup: () => Promise<BackupReport> };

// Hundreds of small backups, each with dozens of syncs: they go where syncs cost nothing.
const root = fs.mkdtempSync(path.join(fastRoot, 'opossum-backups-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const fresh = (): string => fs.mkdtempSync(path.join(root, 'test-'));

function setUp(): Setup {
  const directory = path.join(fresh(), 'data');
  const destination = path.join(fresh(), 'copies');
  return { directory, destination, backup: () => backupContext({ directory, destination }) };
}

const placesOf = ({ directory, destination }: Setup) => ({ directory, destination });

const numbered = (from: number, to: number): NewEvent[] => Array.from({ length: to - from + 1 }, (_, i) => ({ id: `e${from + i}`, type: 'Counted', tags: [`n:${from + i}`], data: { n: from + i } }));

async function append(directory: string, events: NewEvent[], options: Partial<OpenStoreOptions> = {}): Promise<void> {
  const store = await openStore({ directory, durability: 'os', ...options });
  for (const event of events) await store.append(event, { failIfEventsMatch: { items: [{ tags: event.tags! }] } });
  await store.close();
}

/** Every file below a folder, by its path, without lock files. */
function filesIn(folder: string): Map<string, Buffer> {
  const names = (fs.existsSync(folder) ? (fs.readdirSync(folder, { recursive: true }) as string[]) : []).sort();
  return new Map(names.filter((name) => fs.statSync(path.join(folder, name)).isFile()).map((name) => [name, fs.readFileSync(path.join(folder, name))]));
}

const ledgerOf = (directory: string): string => path.join(directory, 'default', 'ledger');

async function expectSameStore({ directory, destination }: Setup): Promise<void> {
  expect(await eventsIn(destination)).toEqual(await eventsIn(directory));
  expect(await verifyContext({ directory: destination })).toMatchObject({ ok: true, pendingEventFiles: 0 });
  // The directory of a lock that was given back goes away in the background.
  expect(fs.readdirSync(path.join(destination, 'default')).filter((name) => !name.startsWith('ledger.lock.')).sort()).toEqual(['checkpoint', 'events', 'ledger']);
}

function flipped(bytes: Buffer, offset: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[offset]! ^= 0x10;
  return changed;
}

/** Puts bytes that are no frame behind the ledger: a torn append. */
const scar = (directory: string): void => fs.appendFileSync(ledgerOf(directory), Buffer.from('torn'));

describe('a first backup', () => {
  test.each(['json', 'msgpack', 'none'] as const)('is a store of its own, byte for byte (%s)', async (eventFiles) => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 5), { eventFiles });
    scar(setup.directory);
    await append(setup.directory, numbered(6, 9));
    const report = await setup.backup();
    const ledger = fs.readFileSync(ledgerOf(setup.directory));
    expect(report).toEqual({ folder: path.join(setup.destination, 'default'), head: 9, copiedEvents: 9, copiedBytes: ledger.length, incremental: false });
    expect(fs.readFileSync(ledgerOf(setup.destination))).toEqual(ledger);
    const [source, copy] = [setup.directory, setup.destination].map((root) => filesIn(path.join(root, 'default', 'events')));
    expect(copy).toEqual(source);
    expect(fs.readdirSync(setup.destination)).toEqual(['default']);

    // Restored: it opens as it is, conditions hold, and it goes on at the next position.
    const restored = await openStore({ directory: setup.destination });
    await expect(restored.append(numbered(9, 9), { failIfEventsMatch: { items: [{ tags: ['n:9'] }] } })).resolves.toMatchObject({ duplicate: true });
    await expect(restored.append({ type: 'X', data: 1 }, { failIfEventsMatch: { items: [{ tags: ['n:9'] }] } })).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED' });
    await expect(restored.append({ type: 'X', data: 1 })).resolves.toMatchObject({ first: 10 });
    await restored.close();
  });

  test('of an empty store is an empty store', async () => {
    const setup = setUp();
    await append(setup.directory, []);
    expect(await setup.backup()).toMatchObject({ head: 0, copiedEvents: 0, incremental: false });
    expect(await eventsIn(setup.destination)).toEqual([]);
    expect(await setup.backup()).toMatchObject({ head: 0, copiedEvents: 0, copiedBytes: 0, incremental: true });
  });

  test('leaves out the pending end, what was set aside and what is only for the moment; keeps state', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    scar(setup.directory);
    const folder = path.join(setup.directory, 'default');
    for (const name of ['events/void/x.json', 'quarantine/y', 'ledger.lock.waiting', '.checkpoint.x.tmp', 'state/consumers/a', 'state/.a.tmp', 'state/b']) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), name);
    }
    expect(await setup.backup()).toMatchObject({ head: 3 });
    expect([...filesIn(path.join(setup.destination, 'default')).keys()].filter((name) => !name.startsWith('events/0'))).toEqual(['checkpoint', 'ledger', 'state/b', 'state/consumers/a']);
    expect(fs.statSync(ledgerOf(setup.destination)).size).toBe(fs.statSync(ledgerOf(setup.directory)).size - 4);
  });

  test('of a damaged store is refused, whatever tells of the damage', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 9), { durability: 'commit' });
    const bytes = fs.readFileSync(ledgerOf(setup.directory));
    for (const cut of [bytes.subarray(0, bytes.length - 10), flipped(bytes, 400)]) {
      fs.writeFileSync(ledgerOf(setup.directory), cut);
      await expect(setup.backup()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', message: expect.stringContaining('ledger') as string });
      expect([...filesIn(setup.destination).keys()]).toEqual([]);
    }
  });

  test('whose events are in the index, but no longer in the ledger, is refused', async () => {
    const setup = setUp();
    const store = await openStore({ directory: setup.directory, eventFiles: 'none' });
    await store.append(Array.from({ length: 4096 }, (_, i) => ({ type: 'A', data: i })));
    await store.append({ type: 'B', data: 0 });
    await store.close();
    expect(fs.readdirSync(path.join(setup.directory, 'default', 'index'))).toHaveLength(1);
    fs.rmSync(path.join(setup.directory, 'default', 'checkpoint'));
    fs.truncateSync(ledgerOf(setup.directory), 500);
    await expect(setup.backup()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', message: expect.stringMatching(/ends with position 0 .* up to position 4096 were durable/) as string });
  });

  test('behind a failed sync holds what is known to be durable', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 4), { durability: 'commit' });
    await append(setup.directory, numbered(5, 5));
    fs.rmSync(path.join(setup.directory, 'default', 'checkpoint'));
    fs.writeFileSync(path.join(setup.directory, 'default', 'ledger.unsynced'), '{"from":0}');
    const { head } = await setup.backup();
    expect(head).toBe(4);
    fs.rmSync(path.join(setup.directory, 'default', 'ledger.unsynced'));
    expect(await setup.backup()).toMatchObject({ head: 5, copiedEvents: 1 });
  });
});

describe('a further backup', () => {
  test('copies only what is new, and heals its event files', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 5));
    const first = await setup.backup();
    expect(await setup.backup()).toEqual({ ...first, copiedEvents: 0, copiedBytes: 0, incremental: true });
    scar(setup.directory);
    await append(setup.directory, numbered(6, 1005));
    const wrong = path.join(setup.destination, 'default', 'events', '0000001', '000000007.json');
    fs.writeFileSync(wrong, 'not this');
    const { ino } = fs.statSync(ledgerOf(setup.destination));
    const size = fs.statSync(ledgerOf(setup.directory)).size;
    expect(await setup.backup()).toEqual({ ...first, head: 1005, copiedEvents: 1000, copiedBytes: size - first.copiedBytes, incremental: true });
    expect(fs.statSync(ledgerOf(setup.destination)).ino).toBe(ino);
    expect(fs.readFileSync(ledgerOf(setup.destination))).toEqual(fs.readFileSync(ledgerOf(setup.directory)));
    await expectSameStore(setup);
  });

  test('replaces state, and forgets what the store forgot', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 1));
    const state = path.join(setup.directory, 'default', 'state');
    fs.mkdirSync(path.join(state, 'b'), { recursive: true });
    for (const name of ['a', 'b/c', 'b/d', 'gone']) fs.writeFileSync(path.join(state, name), '1');
    await setup.backup();
    fs.writeFileSync(path.join(state, 'a'), '2');
    fs.rmSync(path.join(state, 'b'), { recursive: true });
    fs.rmSync(path.join(state, 'gone'));
    fs.writeFileSync(path.join(state, 'b'), 'a file now');
    await setup.backup();
    expect(filesIn(path.join(setup.destination, 'default', 'state'))).toEqual(filesIn(state));
  });

  test('goes on where a store only read or opened the copy', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    await (await openStore({ directory: setup.destination })).close();
    await append(setup.directory, numbered(4, 5));
    expect(await setup.backup()).toMatchObject({ head: 5, copiedEvents: 2, incremental: true });
    await expectSameStore(setup);
  });

  test('writes bytes again that an earlier one could not sync', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    await append(setup.directory, numbered(4, 5));
    const ports = withDisk((disk) => ({
      ...disk,
      async open(file, mode) {
        const opened = await disk.open(file, mode);
        if (file.startsWith(setup.destination)) opened.dataSync = () => Promise.reject(systemError('EIO'));
        return opened;
      },
    }));
    await expect(backupOn(placesOf(setup), ports)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown' });
    expect(fs.existsSync(path.join(setup.destination, 'default', 'ledger.unsynced'))).toBe(true);
    expect(await setup.backup()).toMatchObject({ head: 5 });
    await expectSameStore(setup);
  });
});

describe('a backup that does not pass verification fails', () => {
  test('when the disk changed what was copied: the copy does not get its name', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    const ports = withDisk((disk) => ({
      ...disk,
      async open(file, mode) {
        const opened = await disk.open(file, mode);
        const { append: appendRight } = opened;
        if (file.startsWith(setup.destination)) opened.append = (bytes) => appendRight.call(opened, flipped(Buffer.from(bytes), bytes.length - 2));
        return opened;
      },
    }));
    await expect(backupOn(placesOf(setup), ports)).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    expect(fs.readdirSync(setup.destination)).toEqual([]);
  });

  test('when an older file of the copy is damaged, and names it', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    fs.writeFileSync(path.join(setup.destination, 'default', 'events', '0000001', '000000002.json'), 'wrong');
    await append(setup.directory, numbered(4, 4));
    await expect(setup.backup()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', message: expect.stringMatching(/does not pass verification: 1 problem, the first in .*000000002\.json/) as string });
    expect(await eventsIn(setup.destination)).toHaveLength(4);
  });
});

describe('a backup is refused', () => {
  async function refused(setup: Setup, message: RegExp, code = 'INVALID_INPUT'): Promise<void> {
    const before = filesIn(setup.destination);
    await expect(setup.backup()).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(filesIn(setup.destination)).toEqual(before);
  }

  test('where events were appended to the copy', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    await append(setup.destination, numbered(100, 100));
    await refused(setup, /is ahead: .* ends with position 4, the store with 3/);
    await append(setup.directory, numbered(4, 9));
    await refused(setup, /has diverged/);
  });

  test('where the store went back', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    fs.cpSync(setup.directory, `${setup.directory}-old`, { recursive: true });
    await append(setup.directory, numbered(4, 5));
    await setup.backup();
    fs.rmSync(setup.directory, { recursive: true });
    fs.renameSync(`${setup.directory}-old`, setup.directory);
    await refused(setup, /is ahead/);
  });

  test('where another ledger lies, or something else', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await append(setup.destination, numbered(1, 3));
    await refused(setup, /backup of another ledger/);
    fs.rmSync(ledgerOf(setup.destination));
    await refused(setup, /holds other things and no ledger/);
    fs.rmSync(setup.destination, { recursive: true });
    fs.writeFileSync(setup.destination, 'a file');
    await expect(setup.backup()).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(/is a file, not a folder/) as string });
  });

  test('where the copy is damaged, at any byte of what is durable', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    await append(setup.directory, numbered(4, 5));
    const sound = fs.readFileSync(ledgerOf(setup.destination));
    for (let offset = 0; offset < sound.length; offset += 7) {
      const bytes = flipped(sound, offset);
      fs.writeFileSync(ledgerOf(setup.destination), bytes);
      await expect(setup.backup(), `byte ${offset}`).rejects.toMatchObject({ code: expect.stringMatching(/LEDGER_CORRUPT|UNSUPPORTED_FORMAT/) as string });
      expect(fs.readFileSync(ledgerOf(setup.destination)).equals(bytes), `byte ${offset}`).toBe(true);
    }
  });

  test('where a frame of its own lies behind a hole in the copy', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    const { size } = fs.statSync(ledgerOf(setup.destination));
    const checkpoint = path.join(setup.destination, 'default', 'checkpoint');
    const before = fs.readFileSync(checkpoint);
    await append(setup.destination, numbered(100, 103), { durability: 'commit' });
    // As if the process that appended to the copy had been killed before it was idle.
    fs.writeFileSync(checkpoint, before);
    const bytes = fs.readFileSync(ledgerOf(setup.destination));
    bytes.fill(0, size, size + 8);
    fs.writeFileSync(ledgerOf(setup.destination), bytes);
    await append(setup.directory, numbered(4, 9));
    await refused(setup, /is damaged behind position 3/, 'LEDGER_CORRUPT');
  });

  test('where source and copy are the same, or one lies in the other', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    const store = path.join(setup.directory, 'default');
    const link = path.join(fresh(), 'link');
    fs.symlinkSync(setup.directory, link);
    const linked = fresh();
    fs.symlinkSync(store, path.join(linked, 'default'));
    const hard = fresh();
    fs.mkdirSync(path.join(hard, 'default'));
    fs.linkSync(ledgerOf(setup.directory), ledgerOf(hard));
    const before = filesIn(setup.directory);
    for (const destination of [setup.directory, link, linked, hard, store, path.join(store, 'events'), path.join(link, 'default', 'new')]) {
      await expect(backupContext({ directory: setup.directory, destination }), destination).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.destination' });
    }
    const outer = fresh();
    const inner = path.join(outer, 'default', 'data');
    fs.cpSync(setup.directory, inner, { recursive: true });
    await expect(backupContext({ directory: inner, destination: outer })).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(/holds the store/) as string });
    expect(filesIn(setup.directory)).toEqual(before);
  });

  test('while somebody writes to the copy, and names it', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    const hold = await systemPorts.openLock(path.join(setup.destination, 'default')).acquire(1000);
    try {
      const impatient: EnginePorts = { ...withDisk((disk) => disk), openLock: (folder) => ({ acquire: () => systemPorts.openLock(folder).acquire(50) }) };
      await expect(backupOn(placesOf(setup), impatient)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', message: expect.stringMatching(new RegExp(`^Process ${process.pid} on host .* writes to`)) as string });
    } finally {
      await hold.release();
    }
  });

  test('without a store, or a place', async () => {
    const setup = setUp();
    fs.mkdirSync(setup.directory);
    await expect(setup.backup()).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.directory' });
    await expect(backupContext({ ...placesOf(setup), destination: '' })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.destination' });
    await expect(backupContext({ ...placesOf(setup), context: '..' })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.context' });
  });
});

describe('a backup that is cut off', () => {
  // goal: whatever step fails, the older backup stays usable or the next run completes it; a first one appears whole or not at all.
  // method: a disk that fails from its n-th changing call on, for every n, over a small first and a small further backup.
  test('before its first copy is whole shows nothing, and is completed by the next', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    const calls = await cutEverywhere(setup, () => fs.rmSync(setup.destination, { recursive: true, force: true }), async () => {
      if (fs.existsSync(path.join(setup.destination, 'default'))) await expectSameStore(setup);
    });
    expect(calls).toBeGreaterThan(20);
  });

  test('while it goes on leaves the older one or one that the next completes', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    const older = `${setup.destination}-older`;
    fs.cpSync(setup.destination, older, { recursive: true });
    await append(setup.directory, numbered(4, 6));
    const calls = await cutEverywhere(setup, () => {
      fs.rmSync(setup.destination, { recursive: true, force: true });
      fs.cpSync(older, setup.destination, { recursive: true });
    }, async () => {
      const found = await eventsIn(setup.destination);
      expect(found.length).toBeGreaterThanOrEqual(3);
      expect(found).toEqual((await eventsIn(setup.directory)).slice(0, found.length));
    });
    expect(calls).toBeGreaterThan(15);
  });

  test('by a power cut that keeps any part of what it copied is completed by the next', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    await setup.backup();
    const older = fs.readFileSync(ledgerOf(setup.destination));
    const checkpoint = fs.readFileSync(path.join(setup.destination, 'default', 'checkpoint'));
    await append(setup.directory, numbered(4, 8), { durability: 'commit' });
    const whole = fs.readFileSync(ledgerOf(setup.directory));
    const sector = 128;
    const sectors = Math.ceil((whole.length - older.length) / sector);
    expect(sectors).toBeGreaterThan(5);
    for (let kept = 0; kept < 1 << sectors; kept += 5) {
      const torn = Buffer.from(whole);
      for (let i = 0, at = older.length; at < whole.length; i++, at += sector) if ((kept & (1 << i)) === 0) torn.fill(0, at, Math.min(at + sector, whole.length));
      fs.writeFileSync(ledgerOf(setup.destination), torn.subarray(0, whole.length - (kept % 3) * 50));
      fs.writeFileSync(path.join(setup.destination, 'default', 'checkpoint'), checkpoint);
      expect((await setup.backup()).head, `kept ${kept}`).toBe(8);
      expect(fs.readFileSync(ledgerOf(setup.destination)).equals(whole), `kept ${kept}`).toBe(true);
    }
    await expectSameStore(setup);
  });

  test('by a signal rejects with its reason', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    const abort = new AbortController();
    const reason = new Error('enough');
    await expect(backupContext({ ...placesOf(setup), signal: abort.signal, onProgress: ({ step }) => step === 'event files' && abort.abort(reason) })).rejects.toBe(reason);
    expect(fs.readdirSync(setup.destination)).toEqual([]);
    expect(await setup.backup()).toMatchObject({ head: 3, incremental: false });
  });

  test('by a full disk says so', async () => {
    const setup = setUp();
    await append(setup.directory, numbered(1, 3));
    const ports = withDisk((disk) => ({ ...disk, createFile: () => Promise.reject(systemError('ENOSPC')) }));
    await expect(backupOn(placesOf(setup), ports)).rejects.toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringMatching(/disk is full/) as string });
  });
});

/** Runs a backup on a disk that fails from its n-th changing call on, for every n; then looks, and completes it. Returns the number of calls. */
async function cutEverywhere(setup: Setup, reset: () => void, look: () => Promise<void>): Promise<number> {
  for (let n = 1; ; n++) {
    reset();
    const counter = { left: n };
    const failed = await backupOn(placesOf(setup), withDisk((disk) => failingFrom(disk, counter))).then(() => false, () => true);
    await look();
    await setup.backup();
    await expectSameStore(setup);
    if (!failed) return n;
  }
}

const changing: readonly (keyof Disk)[] = ['createFile', 'makeDirectory', 'rename', 'removeFile', 'removeDirectory', 'removeTree', 'syncFile', 'syncDirectory'];

function failingFrom(disk: Disk, counter: { left: number }): Disk {
  const failing = <T extends object>(target: T, names: readonly string[]): T => {
    const guarded = Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => (--counter.left <= 0 ? Promise.reject(systemError('EIO')) : bound(target, name)(...args))]));
    return { ...Object.fromEntries(methodsOf(target).map((name) => [name, bound(target, name)])), ...guarded } as T;
  };
  return {
    ...failing(disk, changing),
    async open(file, mode) {
      if (mode !== 'read' && --counter.left <= 0) throw systemError('EIO');
      const opened = await disk.open(file, mode);
      const guarded = failing(opened, ['writeAt', 'dataSync']);
      // The one append that fails takes a part of its bytes.
      guarded.append = async (bytes) => {
        if (--counter.left > 0) return opened.append(bytes);
        if (counter.left === 0) await opened.append(bytes.subarray(0, bytes.length / 2));
        throw systemError('EIO');
      };
      return guarded;
    },
  };
}

function methodsOf(target: object): string[] {
  const names = [target, Object.getPrototypeOf(target) as object].flatMap((level) => Object.getOwnPropertyNames(level));
  return names.filter((name) => name !== 'constructor' && typeof (target as Record<string, unknown>)[name] === 'function');
}

function bound(target: object, name: string): (...args: unknown[]) => unknown {
  return (target as Record<string, (...args: unknown[]) => unknown>)[name]!.bind(target);
}

function withDisk(change: (disk: Disk) => Disk): EnginePorts {
  const { clock, random, openLock, engines, warn } = systemPorts;
  return { disk: change(nodeDisk), clock, random, openLock, engines, warn };
}
