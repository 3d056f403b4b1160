/* What an append tells, and what the folder holds, when the disk fails or somebody interferes at a chosen moment. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EventStore } from '../../src/index.js';
import { openEngine } from '../../src/engine/open-store.js';
import { openStore, verifyContext } from '../../src/index.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';

const event = (id: string, ...tags: string[]): { type: string; id: string; tags: string[]; data: { id: string } } => ({ type: 'T', id, tags, data: { id } });

async function idsIn(directory: string): Promise<string[]> {
  const store = await openStore({ directory });
  try {
    return (await store.read().toArray()).map(({ id }) => id);
  } finally {
    await store.close();
  }
}

async function withFaults(faults: Faults, use: (store: EventStore, directory: string) => Promise<void>, warnings: string[] = []): Promise<string> {
  const directory = freshFolder();
  const store = await openEngine({ directory }, faultyPorts(faults, warnings));
  try {
    await use(store, directory);
  } finally {
    await store.close();
  }
  return directory;
}

describe('a full disk', () => {
  test('fails the append, leaves reads working, and once there is room appends go on', async () => {
    const faults: Faults = {};
    const directory = await withFaults(faults, async (store) => {
      await store.append(event('a'));
      faults.append = () => {
        throw systemError('ENOSPC');
      };
      await expect(store.append(event('b'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', cause: { code: 'ENOSPC' } });
      expect((await store.read().toArray()).map(({ id }) => id)).toEqual(['a']);
      delete faults.append;
      expect(await store.append(event('c'))).toEqual({ first: 2, last: 2, duplicate: false });
    });
    expect(await idsIn(directory)).toEqual(['a', 'c']);
  });

  test('in the middle of a group keeps the frames that are whole and fails the others', async () => {
    const faults: Faults = {};
    const directory = await withFaults(faults, async (store, folder) => {
      await store.append(event('a'));
      const size = (): number => fs.statSync(path.join(folder, 'default/ledger')).size;
      const before = size();
      await store.append(event('b'));
      const frame = size() - before;
      faults.append = (file, bytes) => {
        faults.append = () => {
          throw systemError('ENOSPC');
        };
        return file.append(bytes.subarray(0, Math.floor(frame * 2.5)));
      };
      const outcomes = await Promise.allSettled(['c', 'd', 'e', 'f'].map((id) => store.append(event(id))));
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
      delete faults.append;
      expect((await store.append(event('g'))).first).toBe(5);
    });
    expect(await idsIn(directory)).toEqual(['a', 'b', 'c', 'd', 'g']);
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: 5 });
  });

  test('that only the event files meet fails no append, and says so on closing', async () => {
    const warnings: string[] = [];
    const faults: Faults = {
      createFile: (file) => {
        if (file.includes('/events/')) throw systemError('ENOSPC');
        return undefined;
      },
    };
    const directory = await withFaults(faults, async (store) => void (await store.append(event('a'))), warnings);
    expect(warnings.some((warning) => warning.includes('event files'))).toBe(true);
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, pendingEventFiles: 1 });
    const next = await openStore({ directory });
    await next.append(event('b'));
    await eventually(async () => (await verifyContext({ directory })).pendingEventFiles === 0);
    await next.close();
  });
});

describe('a short write', () => {
  test('leaves a scar, and the append is done again behind it', async () => {
    const faults: Faults = {};
    const directory = await withFaults(faults, async (store) => {
      await store.append(event('a'));
      faults.append = (file, bytes) => {
        delete faults.append;
        return file.append(bytes.subarray(0, 100));
      };
      expect(await store.append(event('b'))).toEqual({ first: 2, last: 2, duplicate: false });
    });
    expect(await idsIn(directory)).toEqual(['a', 'b']);
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, scarBytes: 100 });
  });
});

describe('a failed sync', () => {
  test('makes the outcome unknown, stops appends, and the next open mends it', async () => {
    const faults: Faults = {};
    const directory = await withFaults(faults, async (store, folder) => {
      await store.append(event('a'));
      faults.dataSync = () => {
        throw systemError('EIO');
      };
      await expect(store.append(event('b'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown' });
      delete faults.dataSync;
      await expect(store.append(event('c'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
      expect(await store.head()).toBe(1);
      expect(fs.existsSync(path.join(folder, 'default/ledger.unsynced'))).toBe(true);

      const fresh = await openStore({ directory: folder });
      expect(await fresh.append(event('b'))).toMatchObject({ duplicate: true, first: 2 });
      expect(fs.existsSync(path.join(folder, 'default/ledger.unsynced'))).toBe(false);
      await fresh.close();
    });
    expect(await idsIn(directory)).toEqual(['a', 'b']);
  });
});

describe('a sync that fails for a reader', () => {
  test('stops appends too, and leaves the mark', async () => {
    const faults: Faults = {};
    await withFaults(faults, async (store, directory) => {
      await store.append(event('a'));
      fs.appendFileSync(path.join(directory, 'default/ledger'), await foreignFrame(directory, event('theirs')));
      faults.dataSync = () => {
        throw systemError('EIO');
      };
      await expect(store.head()).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'unknown' });
      delete faults.dataSync;
      expect(fs.existsSync(path.join(directory, 'default/ledger.unsynced'))).toBe(true);
      const { size } = fs.statSync(path.join(directory, 'default/ledger'));
      await expect(store.append(event('b'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
      expect(fs.statSync(path.join(directory, 'default/ledger')).size).toBe(size);
    });
  });
});

describe('bytes of another process that get in between', () => {
  test('make the frame void, and the append is decided afresh: a condition that no longer holds fails', async () => {
    const faults: Faults = {};
    await withFaults(faults, async (store, directory) => {
      await store.append(event('a', 'x:1'));
      const other = await foreignFrame(directory, event('theirs', 'x:1'));
      faults.append = (file, bytes) => {
        delete faults.append;
        fs.appendFileSync(path.join(directory, 'default/ledger'), other);
        return file.append(bytes);
      };
      const conditional = store.append(event('mine', 'x:1'), { failIfEventsMatch: { items: [{ tags: ['x:1'] }] }, after: 1 });
      await expect(conditional).rejects.toMatchObject({ code: 'APPEND_CONDITION_FAILED', position: 2 });
      expect(await store.append(event('mine', 'x:1'), { failIfEventsMatch: { items: [{ tags: ['x:1'] }] }, after: 2 })).toMatchObject({ first: 3 });
      expect((await store.read().toArray()).map(({ id }) => id)).toEqual(['a', 'theirs', 'mine']);
    });
  });

  test('change nothing for calls whose conditions still hold', async () => {
    const faults: Faults = {};
    const directory = await withFaults(faults, async (store, folder) => {
      await store.append(event('a', 'x:1'));
      const other = await foreignFrame(folder, event('theirs', 'y:1'));
      faults.append = (file, bytes) => {
        delete faults.append;
        fs.appendFileSync(path.join(folder, 'default/ledger'), other);
        return file.append(bytes);
      };
      const answers = await Promise.all(['p', 'q'].map((id) => store.append(event(id, 'x:2'), { failIfEventsMatch: { items: [{ tags: ['x:1'] }] }, after: 1 })));
      expect(answers.map(({ first }) => first)).toEqual([3, 4]);
    });
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, voidFrames: 2, head: 4 });
  });
});

describe('a folder that is moved or removed while the store is open', () => {
  test.each(['moved', 'removed', 'replaced'])('%s: the append is refused, and nothing is written elsewhere', async (how) => {
    const directory = freshFolder();
    const store = await openStore({ directory });
    await store.append(event('a'));
    await eventually(async () => fs.existsSync(path.join(directory, 'default/events/0000001/000000001.json')));
    if (how === 'moved') fs.renameSync(path.join(directory, 'default'), path.join(directory, 'elsewhere'));
    else fs.rmSync(path.join(directory, 'default'), { recursive: true });
    if (how === 'replaced') {
      const other = await openStore({ directory: path.join(directory, 'aside') });
      await other.close();
      fs.renameSync(path.join(directory, 'aside/default'), path.join(directory, 'default'));
    }
    await expect(store.append(event('b'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await store.close();
    expect(fs.existsSync(path.join(directory, 'default/events'))).toBe(false);
  });
});

/** A frame as another process would append it next: made by a store on a copy of the folder. */
async function foreignFrame(directory: string, foreign: ReturnType<typeof event>): Promise<Buffer> {
  const copy = freshFolder();
  fs.cpSync(path.join(directory, 'default/ledger'), path.join(copy, 'default/ledger'), { recursive: true });
  const { size } = fs.statSync(path.join(copy, 'default/ledger'));
  const store = await openStore({ directory: copy });
  await store.append(foreign);
  await store.close();
  return fs.readFileSync(path.join(copy, 'default/ledger')).subarray(size);
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
