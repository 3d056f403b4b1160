/* Opening, sharing and closing stores in folders; contexts; statistics. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { deleteContext, listContexts, openStore, storeStats, verifyContext, type OpenStoreOptions } from '../../src/index.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import { freshFolder } from '../support/folder.js';

const event = (n: number): { type: string; tags: string[]; data: { n: number } } => ({ type: n % 2 === 0 ? 'Even' : 'Odd', tags: [`n:${n % 10}`], data: { n } });
const filesIn = (folder: string): string[] => (fs.readdirSync(folder, { recursive: true }) as string[]).sort();

async function filled(directory: string, count: number, options: Partial<OpenStoreOptions> = {}): Promise<void> {
  const store = await openStore({ directory, ...options });
  for (let n = 1; n <= count; n += 500) await store.append(Array.from({ length: Math.min(500, count - n + 1) }, (_, i) => event(n + i)));
  await store.close();
}

describe('options', () => {
  test.each([
    [{}, 'options.directory'],
    [{ directory: '' }, 'options.directory'],
    [{ directory: 7 }, 'options.directory'],
    [{ directory: 'x', context: '../up' }, 'options.context'],
    [{ directory: 'x', context: 'Upper' }, 'options.context'],
    [{ directory: 'x', context: 'con' }, 'options.context'],
    [{ directory: 'x', context: 'aux.log' }, 'options.context'],
    [{ directory: 'x', context: 'a/b' }, 'options.context'],
    [{ directory: 'x', context: 'dot.' }, 'options.context'],
    [{ directory: 'x', context: 'a'.repeat(65) }, 'options.context'],
    [{ directory: 'x', durability: 'maybe' }, 'options.durability'],
    [{ directory: 'x', eventFiles: 'xml' }, 'options.eventFiles'],
    [{ directory: 'x', lockTimeout: -1 }, 'options.lockTimeout'],
    [{ directory: 'x', lockTimeout: NaN }, 'options.lockTimeout'],
    [{ directory: 'x', readOnly: 1 }, 'options.readOnly'],
    [{ directory: 'x', colour: 'red' }, 'options.colour'],
    [undefined, 'options'],
  ])('%j are refused at %s', async (options, where) => {
    await expect(openStore(options as OpenStoreOptions)).rejects.toMatchObject({ code: 'INVALID_INPUT', path: where });
    expect(fs.existsSync('x')).toBe(false);
  });

  test('a directory that is a file, or lies below one, is refused', async () => {
    const folder = freshFolder();
    fs.writeFileSync(path.join(folder, 'file'), '');
    fs.writeFileSync(path.join(folder, 'default'), '');
    for (const directory of [folder, path.join(folder, 'file'), path.join(folder, 'file/deeper')]) {
      await expect(openStore({ directory }), directory).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.directory' });
    }
  });

  test('a missing directory is made, with all above it, unless the store is readOnly', async () => {
    const folder = freshFolder();
    const deep = path.join(folder, 'a/b/c');
    await expect(openStore({ directory: deep, readOnly: true })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.directory' });
    expect(filesIn(folder)).toEqual([]);
    await (await openStore({ directory: deep })).close();
    expect(filesIn(deep)).toEqual(['default', 'default/ledger']);
  });

  test.each([
    ['EACCES', 'readOnly: true'],
    ['EROFS', 'readOnly: true'],
    ['ENOSPC', 'make room'],
    ['EMFILE', 'ulimit -n'],
    ['EIO', 'Mend the cause'],
  ])('a folder where the system says %s is told with what to do', async (code, advice) => {
    const { openEngine } = await import('../../src/engine/open-store.js');
    const disk = {
      ...systemPorts.disk,
      makeDirectory: () => {
        throw Object.assign(new Error(`${code}: made up by the test`), { code });
      },
    };
    const opening = openEngine({ directory: path.join(freshFolder(), 'new') }, { ...systemPorts, disk });
    await expect(opening).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', details: { code }, message: expect.stringContaining(advice) });
  });

  test('eventFiles is fixed by the first', async () => {
    const directory = freshFolder();
    const store = await openStore({ directory, eventFiles: 'msgpack' });
    await expect(openStore({ directory, eventFiles: 'json' })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.eventFiles' });
    await store.close();
    await expect(openStore({ directory, eventFiles: 'none' })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.eventFiles' });
    await (await openStore({ directory })).close();
  });
});

describe('stores of one process on one folder', () => {
  test('share positions and queue, whatever the path that leads there', async () => {
    const folder = freshFolder();
    fs.mkdirSync(path.join(folder, 'real'));
    fs.symlinkSync(path.join(folder, 'real'), path.join(folder, 'link'), 'junction');
    const [one, two] = await Promise.all([openStore({ directory: path.join(folder, 'real') }), openStore({ directory: path.join(folder, 'link'), durability: 'os' })]);
    const answers = await Promise.all([one.append(event(1)), two.append(event(2)), one.append(event(3)), two.append(event(4))]);
    expect(answers.map(({ first }) => first)).toEqual([1, 2, 3, 4]);
    expect(await one.read().toArray()).toEqual(await two.read().toArray());
    await one.close();
    expect((await two.append(event(5))).first).toBe(5);
    await expect(one.append(event(6))).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await two.close();
  });

  test('may be opened and closed at the same time', async () => {
    const directory = freshFolder();
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 3 }, async () => {
          const store = await openStore({ directory, eventFiles: 'none' });
          await store.append(event(round));
          await store.close();
        }),
      );
    }
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: 60 });
  });

  test('with durability os show their events to those with durability commit', async () => {
    const directory = freshFolder();
    const [quick, safe] = [await openStore({ directory, durability: 'os' }), await openStore({ directory })];
    await quick.append(event(1));
    expect(await safe.head()).toBe(1);
    expect((await safe.read().toArray()).length).toBe(1);
    await Promise.all([quick.close(), safe.close()]);
  });

  test('are refused after closing, and closing twice is one closing', async () => {
    const store = await openStore({ directory: freshFolder() });
    await Promise.all([store.append(event(1)), store.close(), store.close()]);
    for (const use of [() => store.append(event(2)), () => store.head(), () => store.read().toArray(), () => store.read().first(), () => store.subscribe().toArray()]) {
      await expect(use()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    }
  });
});

describe('a readOnly store', () => {
  test('sees what others append, refuses to append, and writes nothing', async () => {
    const directory = freshFolder();
    const writer = await openStore({ directory, eventFiles: 'none' });
    await writer.append([event(1), event(2)]);
    const reader = await openStore({ directory, readOnly: true });
    expect((await reader.read().toArray()).map(({ position }) => position)).toEqual([1, 2]);
    await writer.append(event(3));
    expect(await reader.head()).toBe(3);
    await expect(reader.append(event(4))).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.readOnly' });
    await writer.close();
    const before = filesIn(directory);
    expect((await reader.read('all', { backwards: true, limit: 1 }).first())?.position).toBe(3);
    await reader.close();
    expect(filesIn(directory)).toEqual(before);
  });

  test('that cannot sync hands out what the file shows once it did not change for a while', async () => {
    const directory = freshFolder();
    await filled(directory, 3, { eventFiles: 'none' });
    fs.rmSync(path.join(directory, 'default/checkpoint'));
    const { openEngine } = await import('../../src/engine/open-store.js');
    let now = 0;
    const refuse = (): never => {
      throw Object.assign(new Error('read-only descriptor'), { code: 'EPERM' });
    };
    const store = await openEngine(
      { directory, readOnly: true },
      {
        ...systemPorts,
        clock: { ...systemPorts.clock, monotonic: () => now },
        disk: {
          ...systemPorts.disk,
          async open(file, mode) {
            const opened = await systemPorts.disk.open(file, mode);
            return { read: opened.read.bind(opened), append: refuse, writeAt: refuse, stat: opened.stat.bind(opened), dataSync: refuse, close: opened.close.bind(opened) };
          },
        },
      },
    );
    expect(await store.head()).toBeLessThan(3);
    now = 999;
    expect(await store.head()).toBeLessThan(3);
    now = 1000;
    expect(await store.head()).toBe(3);
    await store.close();
  });
});

describe('what is not the ledger', () => {
  test('can be deleted, and the answers stay the same', async () => {
    const directory = freshFolder();
    await filled(directory, 9000);
    const folder = path.join(directory, 'default');
    const ask = async (): Promise<unknown> => {
      const store = await openStore({ directory });
      const query = { items: [{ types: ['Odd'], tags: ['n:3'] }, { tags: ['n:8'] }] };
      const answers = [
        (await store.read(query).toArray()).map(({ position }) => position),
        (await store.read(query, { backwards: true, limit: 5, before: 8000 }).toArray()).map(({ position }) => position),
        (await store.read('all', { after: 4090, limit: 20 }).toArray()).map(({ data }) => data),
      ];
      await store.close();
      return answers;
    };
    const right = await ask();
    expect(fs.readdirSync(path.join(folder, 'index'))).toHaveLength(2);
    for (const gone of ['index', 'index/0000000000.idx', 'checkpoint', 'events/0000003']) {
      fs.rmSync(path.join(folder, gone), { recursive: true });
      expect(await ask(), `without ${gone}`).toEqual(right);
    }
    const store = await openStore({ directory });
    await store.append(event(9001));
    while ((await verifyContext({ directory })).pendingEventFiles > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await store.close();
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: 9001 });
  });
});

describe('appends that wait for the lock', () => {
  test('give up in time and name the owner, can be aborted, and go on when it is free', async () => {
    const directory = freshFolder();
    const store = await openStore({ directory, lockTimeout: 150 });
    const patient = await openStore({ directory });
    const hold = await systemPorts.openLock(path.join(directory, 'default')).acquire(1000);
    await expect(store.append(event(1))).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', retryable: true, details: { owner: { pid: process.pid } } });

    const abort = new AbortController();
    const aborted = patient.append(event(2), undefined, { signal: abort.signal });
    const waiting = patient.append(event(3));
    abort.abort(new Error('changed my mind'));
    await expect(aborted).rejects.toThrow('changed my mind');
    await hold.release();
    expect(await waiting).toEqual({ first: 1, last: 1, duplicate: false });
    await Promise.all([store.close(), patient.close()]);
  });

  test('are not begun when aborted before, and not taken back when aborted after', async () => {
    const store = await openStore({ directory: freshFolder() });
    await expect(store.append(event(1), undefined, { signal: AbortSignal.abort('never') })).rejects.toBe('never');
    const late = new AbortController();
    const answer = await store.append(event(2), undefined, { signal: late.signal });
    late.abort();
    expect(answer.first).toBe(1);
    expect(await store.head()).toBe(1);
    await store.close();
  });
});

describe('contexts', () => {
  test('are listed and deleted, and independent', async () => {
    const directory = freshFolder();
    for (const context of ['b', 'a.1']) await filled(directory, 2, { context });
    fs.mkdirSync(path.join(directory, 'no-store'));
    expect(await listContexts(directory)).toEqual(['a.1', 'b']);
    const open = await openStore({ directory, context: 'b' });
    await expect(deleteContext(directory, 'b')).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'name' });
    await open.close();
    await deleteContext(directory, 'b');
    expect(filesIn(directory).filter((name) => name.includes('b'))).toEqual(['no-store'].filter((name) => name.includes('b')));
    expect(await listContexts(directory)).toEqual(['a.1']);
    const anew = await openStore({ directory, context: 'b' });
    expect(await anew.head()).toBe(0);
    await anew.close();
  });

  test('that lost their ledger are listed too, and can be deleted', async () => {
    const directory = freshFolder();
    for (const context of ['a', 'b']) await filled(directory, 2, { context });
    for (const context of ['a', 'b']) fs.rmSync(path.join(directory, context, 'ledger'));
    // No store has such files.
    fs.mkdirSync(path.join(directory, 'site', 'index'), { recursive: true });
    fs.writeFileSync(path.join(directory, 'site', 'index', 'index.html'), '');
    expect(await listContexts(directory)).toEqual(['a', 'b']);
    await deleteContext(directory, 'a');
    expect(await listContexts(directory)).toEqual(['b']);
  });

  test('that are missing, misnamed, or in no folder are refused', async () => {
    const directory = freshFolder();
    await expect(deleteContext(directory, 'gone')).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'name' });
    await expect(deleteContext(directory, '../x')).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'name' });
    await expect(listContexts(path.join(directory, 'none'))).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'directory' });
    expect(await listContexts(directory)).toEqual([]);
  });
});

describe('statistics', () => {
  test('count events, types and tags, and measure the folder', async () => {
    const directory = freshFolder();
    await filled(directory, 25);
    const stats = await storeStats({ directory, topTags: 3 });
    expect(stats).toMatchObject({ context: 'default', eventFiles: 'json', events: 25, head: 25, distinctTags: 10 });
    expect(stats.types).toEqual([{ type: 'Odd', count: 13 }, { type: 'Even', count: 12 }]);
    expect(stats.tags).toEqual([1, 2, 3].map((n) => ({ tag: `n:${n}`, count: 3 })));
    expect(stats.bytes.ledger.apparent).toBe(fs.statSync(path.join(directory, 'default/ledger')).size);
    expect(stats.bytes.total.apparent).toBeGreaterThan(stats.bytes.ledger.apparent + stats.bytes.eventFiles.apparent - 1);
    expect(stats.lockOwner).toBeUndefined();
    await expect(storeStats({ directory, context: 'none' })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
