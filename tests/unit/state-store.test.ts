import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openEngine } from '../../src/engine/open-store.js';
import { openStore, type EventStore, type StateStore } from '../../src/index.js';
import { encodeStateFile } from '../../src/state/state-file.js';
import { faultyPorts, systemError, type Faults } from '../support/faulty-disk.js';
import { fastFolder } from '../support/folder.js';

type Opened = { store: EventStore; state: StateStore; folder: string; directory: string };

async function open(faults?: Faults): Promise<Opened> {
  const directory = fastFolder();
  const store = await (faults ? openEngine({ directory }, faultyPorts(faults)) : openStore({ directory }));
  onTestFinished(() => store.close());
  return { store, state: store.state, directory, folder: path.join(directory, 'default', 'state') };
}

/** All files below a folder, with forward slashes. */
const filesIn = (folder: string): string[] =>
  (fs.readdirSync(folder, { recursive: true, withFileTypes: true }) as fs.Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();

describe('the files of a state', () => {
  test('are two lines that a person can read, this version and the one before', async () => {
    const { state, folder } = await open();
    for (const n of [1, 2, 3]) await state.save('consumers/mailer', { position: n, note: 'é' });
    expect(filesIn(folder)).toEqual(['consumers/mailer@/2.json', 'consumers/mailer@/3.json']);
    expect(fs.readFileSync(path.join(folder, 'consumers/mailer@/3.json'), 'utf8')).toBe(
      '{"format":1,"name":"consumers/mailer","version":3,"bytes":26,"crc32":"58d2798d"}\n{"position":3,"note":"é"}\n',
    );
  });

  test('are gone once it is removed, and what is made anew has numbers of its own', async () => {
    const { state, folder } = await open();
    await state.save('a/b', 1);
    await state.save('a/b', 2);
    await state.save('a/c', 1);
    await state.remove('a/b');
    expect(filesIn(folder)).toEqual(['a/@floor/3', 'a/c@/1.json']);
    expect(fs.existsSync(path.join(folder, 'a/b@'))).toBe(false);
    expect(await state.save('a/b', 3, { expected: 0 })).toBe(4);
    await state.remove('a/c');
    await state.remove('a/b');
    expect(filesIn(folder)).toEqual(['a/@floor/5']);
  });

  test('have no company: what others put there is not taken for a state', async () => {
    const { state, folder } = await open();
    await state.save('a', 1);
    for (const name of ['a@/2.json.bak', 'a@/02.json', 'a@/x.json', 'a@/.3.json', 'b', 'c@/notes.txt', 'D@/1.json', 'con@/1.json', 'd/e@', '.f@/1.json']) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), 'x');
    }
    await expect(state.list()).rejects.toMatchObject({ code: 'STORAGE_FAILED', details: { code: 'ENOTDIR' } });
    fs.rmSync(path.join(folder, 'd'), { recursive: true });
    expect(await state.list()).toEqual(['a']);
    expect(await state.load('a')).toEqual({ value: 1, version: 1 });
    expect(await state.load('c')).toBeUndefined();
    expect(await state.save('c', 1, { expected: 0 })).toBe(1);
    await expect(state.save('b/c', 1)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', message: expect.stringContaining('a file and should be a folder') as string });
  });
});

describe('a damaged state', () => {
  const name = 'a/b';
  const file = 'a/b@/2.json';

  async function damaged(bytes: (good: Buffer) => Buffer): Promise<Opened> {
    const opened = await open();
    await opened.state.save(name, 'first');
    await opened.state.save(name, { text: 'second', n: [1, 2] });
    const target = path.join(opened.folder, file);
    fs.writeFileSync(target, bytes(fs.readFileSync(target)));
    return opened;
  }

  const whole = encodeStateFile(name, 2, '{"text":"second","n":[1,2]}');
  const flips = Array.from(whole, (_, i) => Buffer.from(whole.map((byte, j) => (i === j ? byte ^ 1 : byte))));
  const cuts = Array.from(whole, (_, i) => whole.subarray(0, i));
  const others = [
    Buffer.concat([whole, Buffer.from('\n')]),
    Buffer.concat([Buffer.from(' '), whole]),
    encodeStateFile('a/c', 2, '"of another name"'),
    encodeStateFile(name, 1, '"of another version"'),
    encodeStateFile('a/c', 2, undefined),
    Buffer.alloc(whole.length),
  ];

  test('is told, wherever a bit is flipped, where it is cut off, and when the file is of another name or version', async () => {
    const { state, folder } = await damaged((good) => good);
    expect(await state.load(name)).toEqual({ value: { text: 'second', n: [1, 2] }, version: 2 });
    for (const bytes of [...flips, ...cuts, ...others]) {
      fs.writeFileSync(path.join(folder, file), bytes);
      const error = await state.load(name).catch((reason: unknown) => reason as { code: string; message: string });
      expect(error).toMatchObject({ code: 'STATE_DAMAGED', details: { name, file: path.join(folder, file), version: 2 } });
    }
  });

  test('is told by a file that is listed and leads nowhere', async () => {
    const { state, folder } = await damaged((good) => good);
    fs.symlinkSync('nowhere', path.join(folder, 'a/b@/3.json'));
    await expect(state.load(name)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    await expect(state.save(name, 1)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
  });

  test('is still listed, and is healed by a save or a removal', async () => {
    const { state } = await damaged(() => Buffer.from('rubbish'));
    expect(await state.list()).toEqual([name]);
    await expect(state.save(name, 3, { expected: 1 })).rejects.toMatchObject({ code: 'STATE_CONFLICT', details: { actual: 2 } });
    expect(await state.save(name, 3)).toBe(3);
    expect(await state.load(name)).toEqual({ value: 3, version: 3 });
    const removed = await damaged(() => Buffer.alloc(0));
    expect(await removed.state.remove(name)).toBe(true);
    expect(await removed.state.load(name)).toBeUndefined();
  });

  test('of a newer format is not called damaged', async () => {
    const { state } = await damaged((good) => Buffer.from(good.toString().replace('"format":1', '"format":2')));
    await expect(state.load(name)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', details: { format: 2 } });
  });
});

describe('a store that only reads', () => {
  test('loads and lists, and refuses the rest', async () => {
    const { state, directory } = await open();
    const empty = await openStore({ directory, readOnly: true });
    expect(await empty.state.list()).toEqual([]);
    expect(await empty.state.load('a')).toBeUndefined();
    await state.save('a', 1);
    expect(await empty.state.load('a')).toEqual({ value: 1, version: 1 });
    expect(await empty.state.list()).toEqual(['a']);
    const calls = [() => empty.state.save('a', 2), () => empty.state.remove('a'), () => empty.state.lease('a')];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.readOnly' });
    await empty.close();
  });
});

describe('a disk that fails', () => {
  /** Calls to the disk for a second version; those before the link change nothing that can be seen. */
  const calls = [
    { verb: 'list', outcome: 'not-committed' },
    { verb: 'createFile', outcome: 'not-committed' },
    { verb: 'syncFile', outcome: 'not-committed' },
    { verb: 'link', outcome: 'unknown' },
    { verb: 'syncDirectory', outcome: 'unknown' },
  ] as const;

  test.each(calls)('in $verb is told with its outcome: $outcome', async ({ verb, outcome }) => {
    let isBroken = false;
    const { state, folder } = await open({ fail: (one) => (isBroken && one === verb ? 'EIO' : undefined) });
    await state.save('a', 1);
    isBroken = true;
    await expect(state.save('a', 2, { expected: 1 })).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome, details: { name: 'a', code: 'EIO' } });
    isBroken = false;
    const version = (await state.load('a'))!.version;
    expect(version).toBe(verb === 'syncDirectory' ? 2 : 1);
    expect(filesIn(folder).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    expect(await state.save('a', 3, { expected: version })).toBe(version + 1);
  });

  test('because it is full says what to do, and leaves nothing behind', async () => {
    let isFull = false;
    const { state, folder } = await open({ fail: (verb) => (isFull && verb === 'createFile' ? 'ENOSPC' : undefined) });
    await state.save('a', 1);
    isFull = true;
    await expect(state.save('a', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', message: expect.stringMatching(/Nothing was changed\. The disk is full: make room/) as string });
    await expect(state.remove('a')).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
    expect(filesIn(folder)).toEqual(['a@/1.json']);
    expect(await state.load('a')).toEqual({ value: 1, version: 1 });
  });

  test('to clear away fails no save', async () => {
    const { state } = await open({ fail: (verb) => (verb === 'removeFile' ? 'EACCES' : undefined) });
    for (const n of [1, 2, 3, 4]) expect(await state.save('a', n)).toBe(n);
    expect(await state.remove('a')).toBe(true);
    expect(await state.load('a')).toBeUndefined();
    expect(await state.list()).toEqual([]);
  });

  test.each(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'])('to make hard links (%s) is saved to by rename', async (code) => {
    const { state, folder } = await open({ fail: (verb) => (verb === 'link' ? code : undefined) });
    for (const n of [1, 2, 3]) expect(await state.save('a', n, { expected: n - 1 })).toBe(n);
    await expect(state.save('a', 4, { expected: 2 })).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect(filesIn(folder)).toEqual(['a@/2.json', 'a@/3.json']);
    expect(await state.remove('a', { expected: 3 })).toBe(true);
  });

  test('to list the folder of states says so', async () => {
    const { state, folder } = await open();
    fs.writeFileSync(folder, 'a file');
    for (const call of [() => state.load('a'), () => state.save('a', 1), () => state.remove('a'), () => state.list(), () => state.lease('a')]) {
      await expect(call()).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed', message: expect.stringMatching(/ENOTDIR|not a directory/) as string });
    }
  });
});

describe('a lease', () => {
  test('lies beside the state, tells who holds it, and is no lock on the channel', async () => {
    const heard: unknown[] = [];
    const listen = (message: unknown): number => heard.push(message);
    subscribe('opossum:lock', listen);
    onTestFinished(() => void unsubscribe('opossum:lock', listen));
    const { state, folder } = await open();
    const lease = await state.lease('a/b');
    expect(fs.readdirSync(path.join(folder, 'a/b@')).sort()).toEqual(['lease', 'lease.owner']);
    const { message, details } = (await state.lease('a/b', { timeoutMs: 0 }).catch((error: unknown) => error)) as { message: string; details: { owner: { pid: number } } };
    expect(message).toMatch(/^The lease "a\/b" was not to be had within 0 ms: process \d+ on host .* holds it since /);
    expect(details.owner.pid).toBe(process.pid);
    // A removal leaves what is the lease's.
    await state.save('a/b', 1);
    await state.remove('a/b');
    expect(lease.signal.aborted).toBe(false);
    await lease.release();
    expect(heard).toEqual([]);
  });

  test('that is taken away is told', async () => {
    const { state, folder } = await open();
    const lease = await state.lease('a');
    fs.rmdirSync(path.join(folder, 'a@/lease'));
    await expect.poll(() => lease.signal.aborted, { timeout: 5000 }).toBe(true);
    expect((lease.signal.reason as Error).message).toMatch(/^The lease "a" was lost/);
    const next = await state.lease('a', { timeoutMs: 0 });
    await lease.release();
    expect(fs.existsSync(path.join(folder, 'a@/lease'))).toBe(true);
    await next.release();
  });

  test('that the disk refuses says so', async () => {
    const { state } = await open({ fail: (verb, file) => (verb === 'createFile' && file.includes('lease.owner') ? 'ENOSPC' : undefined) });
    await expect(state.lease('a')).rejects.toMatchObject({ code: 'STORAGE_FAILED', details: { code: 'ENOSPC' } });
  });
});

test('a folder that became another store’s is not written to', async () => {
  const { state, directory } = await open();
  await state.save('a', 1);
  const context = path.join(directory, 'default');
  fs.renameSync(context, path.join(directory, 'moved'));
  const other = await openStore({ directory });
  await expect(state.save('a', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
  expect(await other.state.list()).toEqual([]);
  await other.close();
});

test('errors that are mistakes of ours are not hidden', async () => {
  const { state } = await open({ createFile: (file) => (file.includes('a@') ? Promise.reject(systemError('ERR_INVALID_ARG_TYPE')) : undefined) });
  await expect(state.save('a', 1)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
});
