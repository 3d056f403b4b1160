/* What callers are told, and what others see, when a call to the disk fails beneath them. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EventStore } from '../../src/index.js';
import { openEngine } from '../../src/engine/open-store.js';
import { verifyContext } from '../../src/index.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { fastFolder } from '../support/folder.js';

const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: id });
const many = (count: number): { type: string; data: number }[] => Array.from({ length: count }, (_, i) => ({ type: i % 1000 === 0 ? 'Rare' : 'T', data: i }));
const idsIn = async (store: EventStore): Promise<string[]> => (await store.read().toArray()).map(({ id }) => id);

describe('a read that the disk fails', () => {
  test.each([
    ['file.stat', (store: EventStore) => store.head()],
    ['file.stat', (store: EventStore) => store.read().toArray()],
    ['file.read', (store: EventStore) => store.read().toArray()],
    ['file.stat', (store: EventStore) => store.subscribe().first()],
  ])('says so with an error of the store: %s', async (verb, read) => {
    const faults: Faults = {};
    const store = await openEngine({ directory: fastFolder() }, faultyPorts(faults));
    await store.append(event('a'));
    faults.fail = (called, file) => (called === verb && file.endsWith('ledger') ? 'EIO' : undefined);
    await expect(read(store)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', cause: { code: 'EIO' }, message: expect.stringContaining('read again') });
    delete faults.fail;
    expect(await idsIn(store)).toEqual(['a']);
    await store.close();
  });
});

describe('index blocks that cannot be written', () => {
  test.each(['createFile', 'rename', 'makeDirectory'])('stay in memory, %s failing: answers are right, and blocks are written when it works again', async (verb) => {
    const faults: Faults = {};
    const directory = fastFolder();
    const store = await openEngine({ directory, eventFiles: 'none' }, faultyPorts(faults));
    const blocks = (): string[] => {
      const folder = path.join(directory, 'default/index');
      return fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
    };
    let failures = 0;
    faults.fail = (called, file) => (called === verb && file.includes('index') && ++failures > 0 ? 'ENOSPC' : undefined);
    for (let i = 0; i < 3; i++) await store.append(many(5000));
    await eventually(() => failures > 0);
    expect(await store.read({ items: [{ types: ['Rare'] }] }).toArray()).toHaveLength(15);
    expect(await store.append(event('x'), { failIfEventsMatch: { items: [{ types: ['Rare'] }] }, after: 14_001 })).toMatchObject({ first: 15_001 });
    expect(blocks()).toEqual([]);
    delete faults.fail;
    for (let i = 0; i < 20; i++) await store.append(event(`y${i}`));
    await store.close();
    expect(blocks()).toEqual(['0000000000.idx', '0000000001.idx', '0000000002.idx']);
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: 15_021 });
  });
});

describe('a failed sync', () => {
  test('fails every call of its group, shows nobody what it left, and a fresh store has it right', async () => {
    const faults: Faults = {};
    const directory = fastFolder();
    const ports = faultyPorts(faults);
    const store = await openEngine({ directory }, ports);
    await store.append(event('a'));
    const seen: string[] = [];
    const follower = await openEngine({ directory }, ports);
    const following = (async () => {
      for await (const { id } of follower.subscribe()) seen.push(id);
    })();
    await eventually(() => seen.length === 1);
    faults.dataSync = () => {
      throw systemError('EIO');
    };
    const group = await Promise.allSettled(['b', 'c', 'd'].map((id) => store.append(event(id))));
    for (const outcome of group) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_FAILED', message: expect.stringContaining('repeat the appends with the same event ids') } });
    }
    expect(group[0]).toMatchObject({ reason: { outcome: 'unknown' } });
    delete faults.dataSync;
    await expect(store.append(event('e'))).rejects.toMatchObject({ outcome: 'not-committed', message: expect.stringContaining('open it again') });
    expect(await idsIn(store)).toEqual(['a']);
    expect(await store.head()).toBe(1);
    expect(seen).toEqual(['a']);

    const reader = await openEngine({ directory, readOnly: true }, ports);
    expect(await idsIn(reader)).toEqual(['a']);
    await reader.close();
    const fresh = await openEngine({ directory }, ports);
    expect(await fresh.append(['b', 'c', 'd'].map(event))).toMatchObject({ duplicate: true, first: 2 });
    expect(await idsIn(fresh)).toEqual(['a', 'b', 'c', 'd']);
    for (const one of [store, follower, fresh]) await one.close();
    await following;
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: 4 });
  });

  test('of which no mark can be left is told to the user as well', async () => {
    const faults: Faults = {};
    const warnings: string[] = [];
    const directory = fastFolder();
    const store = await openEngine({ directory }, faultyPorts(faults, warnings));
    await store.append(event('a'));
    faults.fail = (verb, file) => (verb === 'file.dataSync' || (verb === 'createFile' && file.endsWith('ledger.unsynced')) ? 'EIO' : undefined);
    await expect(store.append(event('b'))).rejects.toMatchObject({ outcome: 'unknown' });
    expect(warnings).toEqual([expect.stringContaining('leaving a mark for the next process')]);
    delete faults.fail;
    await store.close();
  });

  test('while mending what another left keeps the mark: the next writer mends it', async () => {
    const faults: Faults = {};
    const directory = fastFolder();
    const broken = await openEngine({ directory }, faultyPorts(faults));
    await broken.append(event('a'));
    faults.fail = (verb) => (verb === 'file.dataSync' ? 'EIO' : undefined);
    await expect(broken.append(event('b'))).rejects.toMatchObject({ outcome: 'unknown' });
    await broken.close();
    delete faults.fail;
    const heir = await openEngine({ directory }, faultyPorts(faults));
    for (const verb of ['file.dataSync', 'file.writeAt', 'removeFile']) {
      faults.fail = (called, file) => (called === verb && /ledger(\.unsynced)?$/.test(file) ? 'EIO' : undefined);
      await expect(heir.append(event('c')), verb).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
      expect(fs.existsSync(path.join(directory, 'default/ledger.unsynced')), verb).toBe(true);
    }
    delete faults.fail;
    expect(await heir.append(event('c'))).toMatchObject({ first: 3 });
    expect(fs.existsSync(path.join(directory, 'default/ledger.unsynced'))).toBe(false);
    expect(await idsIn(heir)).toEqual(['a', 'b', 'c']);
    await heir.close();
  });
});

describe('a lock whose files cannot be written', () => {
  test.each(['createFile', 'rename'])('refuses the append, %s failing, is free for others at once, and leaves nothing behind', async (verb) => {
    const faults: Faults = {};
    const directory = fastFolder();
    const store = await openEngine({ directory }, faultyPorts(faults));
    faults.fail = (called, file) => (called === verb && file.includes('ledger.lock.owner') ? 'ENOSPC' : undefined);
    await expect(store.append(event('a'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', details: { code: 'ENOSPC' } });
    const names = (): string => fs.readdirSync(path.join(directory, 'default')).join();
    expect(names()).not.toMatch(/lock(,|$)/);
    // A lock that was let go is renamed at once and removed in the background.
    await eventually(() => names() === 'ledger');
    delete faults.fail;
    expect(await store.append(event('b'))).toMatchObject({ first: 1 });
    await store.close();
  });
});

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
