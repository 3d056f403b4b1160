/* What is easily forgotten: marks that are wrong, files that were left behind, engines that are of no use any more. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { readCheckpoint, writeCheckpoint, type Checkpoint } from '../../src/engine/checkpoint.js';
import { openEngine } from '../../src/engine/open-store.js';
import { openStore } from '../../src/index.js';
import type { ChainPoint } from '../../src/core/stored.js';
import { openLedgerFileReadOnly, type LedgerHeader } from '../../src/ledger/header.js';
import { holdsFrame } from '../../src/ledger/holds-frame.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { fastFolder } from '../support/folder.js';

const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: id });
const contextOf = (directory: string): string => path.join(directory, 'default');
const eventFilesIn = (directory: string): string[] => fs.readdirSync(path.join(contextOf(directory), 'events/0000001')).sort();

/** A closed store with an event for each id. */
async function storeWith(ids: readonly string[]): Promise<string> {
  const directory = fastFolder();
  const store = await openStore({ directory });
  for (const id of ids) await store.append(event(id));
  await store.close();
  return directory;
}

describe('the mark of complete event files', () => {
  const wrongMarks: [string, (right: Checkpoint) => Checkpoint['eventFiles']][] = [
    ['of a frame that never was', ({ durable }) => ({ ...durable!, checksum: durable!.checksum ^ 1 })],
    ['at another offset', ({ durable }) => ({ ...durable!, offset: durable!.offset - 1 })],
    ['beyond the ledger', ({ durable }) => ({ ...durable!, offset: durable!.offset + 10_000 })],
    ['that is no mark at all', () => ({ position: 3, checksum: 1, offset: null }) as never],
  ];

  test.each(wrongMarks)('%s says nothing: files are compared from the beginning, and the mark is set right', async (_, wrong) => {
    const directory = await storeWith(['a', 'b', 'c']);
    const { ledgerId } = await headerOf(directory);
    const right = (await readCheckpoint(contextOf(directory), ledgerId, nodeDisk))!;
    await writeCheckpoint(contextOf(directory), { ...right, eventFiles: wrong(right) }, 'test', nodeDisk);
    const reader = await openStore({ directory });
    await reader.close();
    expect((await readCheckpoint(contextOf(directory), ledgerId, nodeDisk))?.eventFiles).toBeUndefined();

    await writeCheckpoint(contextOf(directory), { ...right, eventFiles: wrong(right) }, 'test', nodeDisk);
    fs.rmSync(path.join(contextOf(directory), 'events/0000001/000000001.json'));
    const warnings: string[] = [];
    const store = await openEngine({ directory }, faultyPorts({}, warnings));
    await store.append(event('d'));
    await eventually(() => eventFilesIn(directory).length === 4);
    await store.close();
    expect(warnings).toEqual([]);
    const after = (await readCheckpoint(contextOf(directory), ledgerId, nodeDisk))!;
    // Closing syncs for a moment only, so the mark need not have come to the end.
    expect(await isInLedger(directory, after.eventFiles!)).toBe(true);
    expect(await isInLedger(directory, wrong(right)!)).toBe(false);
  });
});

describe('temporary files', () => {
  const dayAgo = new Date(Date.now() - 86_400_000);

  test('that a dead process left are removed by the next writer, those that may be in use and others stay', async () => {
    const directory = await storeWith(['a', 'b']);
    const context = contextOf(directory);
    fs.mkdirSync(path.join(context, 'index'));
    const old = ['.checkpoint.0123abcd.tmp', 'index/0000000000.idx.0123456789ab.tmp'];
    const kept = ['.checkpoint.4567abcd.tmp', 'index/0000000000.idx.ba9876543210.tmp', 'notes.tmp', 'index/notes.tmp'];
    for (const name of [...old, ...kept]) fs.writeFileSync(path.join(context, name), '');
    for (const name of [...old, 'notes.tmp', 'index/notes.tmp']) fs.utimesSync(path.join(context, name), dayAgo, dayAgo);
    const store = await openStore({ directory });
    await store.append(event('c'));
    await store.close();
    for (const name of old) expect(fs.existsSync(path.join(context, name)), name).toBe(false);
    for (const name of kept) expect(fs.existsSync(path.join(context, name)), name).toBe(true);
  });

  test('stay when nothing was appended: who only reads changes nothing', async () => {
    const directory = await storeWith(['a']);
    const leftover = path.join(contextOf(directory), '.checkpoint.0123abcd.tmp');
    fs.writeFileSync(leftover, '');
    fs.utimesSync(leftover, dayAgo, dayAgo);
    const store = await openStore({ directory });
    await store.read().toArray();
    await store.close();
    expect(fs.existsSync(leftover)).toBe(true);
  });

  test('of event files go when healing has put their event file in place', async () => {
    const directory = await storeWith(['a', 'b']);
    const folder = path.join(contextOf(directory), 'events/0000001');
    fs.rmSync(path.join(contextOf(directory), 'checkpoint'));
    fs.rmSync(path.join(folder, '000000002.json'));
    for (const name of ['.000000002.json.0123abcd.tmp', '.000000009.json.0123abcd.tmp', '.notes.tmp']) fs.writeFileSync(path.join(folder, name), 'half');
    const store = await openStore({ directory });
    await store.append(event('c'));
    await eventually(() => !fs.existsSync(path.join(folder, '.000000002.json.0123abcd.tmp')));
    await store.close();
    expect(eventFilesIn(directory)).toEqual(['.000000009.json.0123abcd.tmp', '.notes.tmp', '000000001.json', '000000002.json', '000000003.json']);
  });

  test('that somebody removed too early are made again', async () => {
    const directory = await storeWith(['a']);
    const { ledgerId } = await headerOf(directory);
    const removed: string[] = [];
    const disk = {
      ...nodeDisk,
      rename(from: string, to: string) {
        if (removed.length === 0) fs.rmSync(from);
        removed.push(from);
        return nodeDisk.rename(from, to);
      },
    };
    const checkpoint = (await readCheckpoint(contextOf(directory), ledgerId, nodeDisk))!;
    const changed = { ...checkpoint, eventFiles: undefined };
    await writeCheckpoint(contextOf(directory), changed, 'test', disk);
    expect(removed).toHaveLength(2);
    expect(await readCheckpoint(contextOf(directory), ledgerId, nodeDisk)).toEqual({ ledgerId: checkpoint.ledgerId, durable: checkpoint.durable });
  });

  test('of a checkpoint that could not be written are not left behind', async () => {
    const directory = await storeWith(['a']);
    const { ledgerId } = await headerOf(directory);
    const disk = {
      ...nodeDisk,
      rename() {
        throw systemError('EIO');
      },
    };
    const checkpoint = (await readCheckpoint(contextOf(directory), ledgerId, nodeDisk))!;
    await expect(writeCheckpoint(contextOf(directory), checkpoint, 'test', disk)).rejects.toThrow('EIO');
    expect(fs.readdirSync(contextOf(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('an engine that is of no use any more', () => {
  test('stays with the stores that have it: a store opened after the ledger was restored works', async () => {
    const directory = await storeWith(['a', 'b', 'c']);
    const ledger = path.join(contextOf(directory), 'ledger');
    const old = await openStore({ directory });
    expect(await old.head()).toBe(3);
    const whole = fs.readFileSync(ledger);
    fs.truncateSync(ledger, whole.length - 10);
    await expect(old.head()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    await expect(openStore({ directory })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    fs.writeFileSync(ledger, whole);
    await expect(old.append(event('d'))).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    const fresh = await openStore({ directory });
    expect(await fresh.append(event('d'))).toMatchObject({ first: 4 });
    const another = await openStore({ directory });
    expect(await another.head()).toBe(4);
    for (const store of [old, fresh, another]) await store.close();
  });

  test('is not shared with whoever opens another folder of the same name', async () => {
    const directory = await storeWith(['a', 'b']);
    const old = await openStore({ directory });
    fs.renameSync(contextOf(directory), path.join(directory, 'aside'));
    const fresh = await openStore({ directory });
    expect(await fresh.head()).toBe(0);
    expect(await fresh.append(event('new'))).toMatchObject({ first: 1 });
    expect((await old.read().toArray()).map(({ id }) => id)).toEqual(['a', 'b']);
    await expect(old.append(event('c'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', message: expect.stringContaining('replaced') });
    await old.close();
    expect((await fresh.read().toArray()).map(({ id }) => id)).toEqual(['new']);
    await fresh.close();
  });
});

describe('a store with durability "os"', () => {
  test('syncs now and then, so that its index goes from memory into files', async () => {
    const directory = fastFolder();
    const faults: Faults = {};
    let syncs = 0;
    const store = await openEngine({ directory, durability: 'os', eventFiles: 'none' }, faultyPorts(faults));
    faults.fail = (verb) => {
      if (verb === 'file.dataSync') syncs++;
      return undefined;
    };
    const batch = Array.from({ length: 5000 }, () => ({ type: 'T', data: 1 }));
    for (let i = 0; i < 60; i++) await store.append(batch);
    const blocks = path.join(contextOf(directory), 'index');
    await eventually(() => fs.existsSync(blocks) && fs.readdirSync(blocks).filter((name) => name.endsWith('.idx')).length >= 32);
    expect(syncs).toBeGreaterThanOrEqual(1);
    expect(syncs).toBeLessThanOrEqual(4);
    await store.close();
  });
});

describe('closing', () => {
  test('waits for the event file that is being written, also after an append with unknown outcome', async () => {
    const directory = fastFolder();
    const faults: Faults = {};
    const store = await openEngine({ directory }, faultyPorts(faults));
    let finish = (): void => undefined;
    let isWriting = false;
    faults.createFile = (file) => {
      if (!file.includes('events')) return undefined;
      isWriting = true;
      return new Promise<void>((resolve) => (finish = resolve));
    };
    await store.append(event('a'));
    await eventually(() => isWriting);
    faults.dataSync = () => {
      throw systemError('EIO');
    };
    await expect(store.append(event('b'))).rejects.toMatchObject({ outcome: 'unknown' });
    let isClosed = false;
    const closing = store.close().then(() => (isClosed = true));
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    delete faults.createFile;
    finish();
    await closing;
  });
});

describe('a folder that was replaced', () => {
  test('gets nothing of the store that had the one before it open: no event file, no checkpoint', async () => {
    const directory = fastFolder();
    const warnings: string[] = [];
    let isFull = true;
    const faults: Faults = { createFile: (file) => (isFull && file.includes('events') ? Promise.reject(systemError('ENOSPC')) : undefined) };
    const store = await openEngine({ directory }, faultyPorts(faults, warnings));
    await store.append(event('a'));
    await eventually(() => warnings.length === 1);
    const other = await storeWith(['theirs']);
    fs.renameSync(contextOf(directory), path.join(directory, 'aside'));
    fs.renameSync(contextOf(other), contextOf(directory));
    isFull = false;
    const before = contentsOf(contextOf(directory));
    // The writer of event files tries again after a second.
    await eventually(() => warnings.length === 2);
    expect(warnings[1]).toContain('was replaced');
    await store.close();
    expect(contentsOf(contextOf(directory))).toEqual(before);
    expect(warnings).toHaveLength(2);
  });
});

async function headerOf(directory: string): Promise<LedgerHeader> {
  const { file, header } = await openLedgerFileReadOnly(contextOf(directory), nodeDisk);
  await file.close();
  return header;
}

async function isInLedger(directory: string, mark: ChainPoint): Promise<boolean> {
  const { file, header } = await openLedgerFileReadOnly(contextOf(directory), nodeDisk);
  try {
    return await holdsFrame(file, header, mark);
  } finally {
    await file.close();
  }
}

function contentsOf(folder: string): [string, string][] {
  const names = (fs.readdirSync(folder, { recursive: true }) as string[]).sort();
  return names.map((name) => [name, fs.statSync(path.join(folder, name)).isFile() ? fs.readFileSync(path.join(folder, name), 'hex') : 'folder']);
}

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
