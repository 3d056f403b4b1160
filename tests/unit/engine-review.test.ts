/* Cases that a review with fresh eyes found, each a named example. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engine/open-store.js';
import { openStore, verifyContext, type EventStore } from '../../src/index.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';
import { runWorkers } from '../support/workers.js';

const event = (id: string): { type: string; id: string; data: string } => ({ type: 'T', id, data: id });

describe('the event loop', () => {
  test('gets its turn while somebody appends, or reads, in a loop', async () => {
    const store = await openStore({ directory: freshFolder(), eventFiles: 'none' });
    for (const use of [() => store.append({ type: 'T', data: 1 }), () => store.read('all', { limit: 1 }).toArray()]) {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 5);
      for (let i = 0; ticks < 3; i++) {
        await use();
        if (i === 100_000) throw new Error('a hundred thousand calls without a turn');
      }
      clearInterval(timer);
      expect(ticks).toBeGreaterThanOrEqual(3);
    }
    await store.close();
  });
});

describe('what a failed sync left', () => {
  test('is not handed out, nor called durable, before somebody who may write has mended it', async () => {
    const faults: Faults = {};
    const directory = freshFolder();
    const store = await openEngine({ directory }, faultyPorts(faults));
    await store.append(event('a'));
    faults.dataSync = () => {
      throw systemError('EIO');
    };
    await expect(store.append(event('b'))).rejects.toMatchObject({ outcome: 'unknown' });
    delete faults.dataSync;
    await store.close();

    const reader = await openStore({ directory, readOnly: true });
    expect((await reader.read().toArray()).map(({ id }) => id)).toEqual(['a']);
    await reader.close();
    // Neither the store that failed nor one that only reads calls anything durable.
    expect(fs.existsSync(path.join(directory, 'default/checkpoint'))).toBe(false);

    const writer = await openStore({ directory });
    await writer.append(event('c'));
    expect((await writer.read().toArray()).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    await writer.close();
  });
});

describe('an emptied ledger', () => {
  test('beside event files is corrupt, never new', async () => {
    const directory = freshFolder();
    const store = await openStore({ directory });
    await store.append(event('a'));
    await store.close();
    fs.truncateSync(path.join(directory, 'default/ledger'), 0);
    await expect(openStore({ directory })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    expect(fs.statSync(path.join(directory, 'default/ledger')).size).toBe(0);
  });
});

test('a closed store leaves nothing of its lock behind, so its folder can be removed at once', async () => {
  for (let i = 0; i < 100; i++) {
    const directory = freshFolder();
    const store = await openStore({ directory, eventFiles: 'none' });
    await store.append(event('a'));
    await store.close();
    expect(fs.readdirSync(path.join(directory, 'default')).filter((name) => name.startsWith('ledger.lock'))).toEqual([]);
  }
});

describe('the checkpoint', () => {
  test('is not written anew by who changed nothing', async () => {
    const directory = freshFolder();
    const use = async (work: (store: EventStore) => Promise<unknown>): Promise<number> => {
      const store = await openStore({ directory });
      await work(store);
      await store.close();
      return fs.statSync(path.join(directory, 'default/checkpoint')).ino;
    };
    const written = await use((store) => store.append(event('a')));
    expect(await use((store) => store.read().toArray())).toBe(written);
    expect(await use((store) => store.append(event('b')))).not.toBe(written);
  });

  test('does not go back when a store closes that saw less', async () => {
    const directory = freshFolder();
    const idle = await openStore({ directory });
    await idle.append(event('a'));
    await runWorkers([{ job: 'append', directory, name: 'busy', count: 20 }]);
    const before = fs.readFileSync(path.join(directory, 'default/checkpoint'), 'utf8');
    await idle.close();
    expect(before).toContain('"durable":{"position":21');
    expect(fs.readFileSync(path.join(directory, 'default/checkpoint'), 'utf8')).toContain('"durable":{"position":21');
  });
});

describe('event files', () => {
  test('of the last batch too are healed by whoever appends next', async () => {
    const directory = freshFolder();
    const store = await openStore({ directory });
    for (const id of ['a', 'b', 'c']) await store.append(event(id));
    await store.close();
    fs.rmSync(path.join(directory, 'default/events'), { recursive: true });
    fs.rmSync(path.join(directory, 'default/checkpoint'));
    const heir = await openStore({ directory });
    await heir.append(event('d'));
    while ((await verifyContext({ directory })).pendingEventFiles > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await heir.close();
    expect(fs.readdirSync(path.join(directory, 'default/events/0000001'))).toHaveLength(4);
  });
});
