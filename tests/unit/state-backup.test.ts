import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import { backupOn } from '../../src/engine/upkeep/backup.js';
import { backupContext, openStore, verifyContext, type EventStore, type StateStore } from '../../src/index.js';
import { fastFolder } from '../support/folder.js';

type Setup = { directory: string; destination: string; store: EventStore; state: StateStore };

async function setUp(): Promise<Setup> {
  const directory = fastFolder();
  const store = await openStore({ directory });
  onTestFinished(() => store.close());
  return { directory, destination: path.join(fastFolder(), 'copies'), store, state: store.state };
}

async function inCopy<T>(destination: string, look: (store: EventStore) => Promise<T>): Promise<T> {
  const store = await openStore({ directory: destination });
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

/** Backs up on a disk on which `meanwhile` happens before a file of states is read, each time. */
function backupWhile({ directory, destination }: Setup, meanwhile: (file: string) => Promise<void>): Promise<unknown> {
  const { clock, random, openLock, engines, warn } = systemPorts;
  const disk: Disk = {
    ...nodeDisk,
    async readFile(file) {
      if (file.startsWith(path.join(directory, 'default', 'state'))) await meanwhile(file);
      return nodeDisk.readFile(file);
    },
  };
  return backupOn({ directory, destination }, { disk, clock, random, openLock, engines, warn });
}

describe('a backup of states', () => {
  test('holds the newest version of each, and nothing of leases and removals; the next one follows', async () => {
    const { directory, destination, state } = await setUp();
    for (const n of [1, 2, 3]) await state.save('consumers/mailer', n);
    await state.save('consumers', 'beside');
    await state.save('gone', 1);
    await state.save('later', 1);
    const lease = await state.lease('consumers/mailer');
    await backupContext({ directory, destination });
    expect((fs.readdirSync(path.join(destination, 'default', 'state'), { recursive: true }) as string[]).filter((name) => name.endsWith('.json') || name.includes('lease')).sort()).toEqual(
      ['consumers/mailer@/3.json', 'consumers@/1.json', 'gone@/1.json', 'later@/1.json'].map((name) => path.normalize(name)),
    );
    await state.remove('gone');
    await state.save('later', 2);
    await backupContext({ directory, destination });
    await lease.release();
    await inCopy(destination, async (copy) => {
      expect(await copy.state.list()).toEqual(['consumers', 'consumers/mailer', 'later']);
      expect(await copy.state.load('later')).toEqual({ value: 2, version: 2 });
      expect(await copy.state.load('consumers/mailer')).toEqual({ value: 3, version: 3 });
      // A lease of the source is none in the copy.
      await (await copy.state.lease('consumers/mailer', { timeoutMs: 0 })).release();
    });
  });

  test('while others save is of one moment: what one state says of another is so', async () => {
    const setup = await setUp();
    const { state, destination } = setup;
    // As a projection does: a name that is used once, and a state that names it.
    let made = 1;
    await state.save('segments/s1', 1);
    await state.save('manifest', 's1');
    let left = 5;
    await backupWhile(setup, async () => {
      if (left-- <= 0) return;
      await state.save(`segments/s${++made}`, made);
      await state.save('manifest', `s${made}`);
      await state.remove(`segments/s${made - 1}`);
    });
    expect(left).toBeLessThan(0);
    await inCopy(destination, async (copy) => {
      const named = (await copy.state.load('manifest'))?.value as string;
      expect(await copy.state.list('segments')).toEqual([`segments/${named}`]);
    });
  });

  test('while others save all the time holds each whole, and none ahead of the events', async () => {
    const setup = await setUp();
    const { state, store, destination } = setup;
    await state.save('checkpoint', 0);
    await backupWhile(setup, async () => {
      await state.save('checkpoint', (await store.append({ type: 'A', data: 1 })).last);
    });
    await inCopy(destination, async (copy) => {
      const { value } = (await copy.state.load('checkpoint'))!;
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThanOrEqual(await copy.head());
    });
  });
});

describe('verify', () => {
  test('tells of damaged states, which are no damage to the events: a backup goes on', async () => {
    const { directory, destination, store, state } = await setUp();
    await store.append({ type: 'A', data: 1 });
    await state.save('fine', 1);
    await state.save('removed', 1);
    await state.remove('removed');
    await state.save('a/b', { text: 'hello' });
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, notes: [] });
    const file = path.join(directory, 'default', 'state', 'a', 'b@', '1.json');
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('hello', 'hullo'));
    const where = path.join('state', 'a', 'b@', '1.json');
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, notes: [{ what: 'state', where, message: expect.stringContaining('State "a/b" is damaged') as string }] });
    await backupContext({ directory, destination });
    expect(await verifyContext({ directory: destination })).toMatchObject({ ok: true, notes: [{ what: 'state', where }] });
  });

  test('tells when the states cannot be looked at', async () => {
    const { directory } = await setUp();
    fs.writeFileSync(path.join(directory, 'default', 'state'), '');
    expect((await verifyContext({ directory })).notes).toEqual([{ what: 'state', where: 'state', message: expect.stringContaining('ENOTDIR') as string }]);
  });
});
