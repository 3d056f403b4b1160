/*
 * goal: parts of the folder that cannot be read, or are no files, stop neither verify nor repair, take no event away that
 *   could be read a moment later, and make nobody wait for ever.
 * method: a disk that fails reads of chosen bytes of the ledger, always or for a while; pipes and folders in the places of
 *   files, on the simulated disk and, with a child process that is given a few seconds, on the real one.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { openStore, repairContext, verifyContext } from '../../src/index.js';
import { changed, diskWith, filesOf, inFolder, quickDiskWith, readAll, repair, storeFiles, type Files, type Process } from '../support/damaged-store.js';
import { systemError } from '../support/faulty-disk.js';
import { freshFolder } from '../support/folder.js';
import { framesOf } from '../support/ledger-bytes.js';
import { verifyOn } from '../../src/engine/upkeep/verify.js';

const verify = (process: Process): ReturnType<typeof verifyOn> => verifyOn({ directory: '/data' }, process.ports);

/** The process, whose reads of these bytes of any file named `ledger` fail while `isBad` says so. */
function failing(process: Process, from: number, to: number, isBad: () => boolean = () => true): Process {
  const disk: Disk = {
    ...process.ports.disk,
    open: async (file, mode) => {
      const opened = await process.ports.disk.open(file, mode);
      if (!file.endsWith('/ledger')) return opened;
      const read = opened.read.bind(opened);
      return Object.assign(opened, {
        read: (target: Uint8Array, offset: number) => {
          if (offset < to && offset + target.length > from && isBad()) throw systemError('EIO');
          return read(target, offset);
        },
      });
    },
  };
  return { ...process, ports: { ...process.ports, disk } };
}

/** Frames of four blocks each, so that one of them can be hit alone. */
const large = Array.from({ length: 5 }, (_, i) => ({ events: [{ type: 'T', id: `e${i + 1}`, data: 'x'.repeat(16_000) }] }));
const ids = ['e1', 'e2', 'e3', 'e4', 'e5'];

describe('a ledger with a stretch that cannot be read', () => {
  async function hit(files: Files, frame: number): Promise<{ from: number; to: number }> {
    const { offset } = framesOf(files.get(inFolder('ledger'))!)[frame]!;
    const from = Math.ceil(offset / 4096) * 4096;
    return { from, to: from + 4096 };
  }

  test('is told with bytes and positions, and healed from the event files', async () => {
    const files = await storeFiles('json', large);
    const { from, to } = await hit(files, 3);
    const { disk, process } = await quickDiskWith(files);
    const broken = failing(process, from, to);
    const report = await verify(broken);
    expect(report).toMatchObject({ ok: false, head: 2 });
    expect(report.problems[0]).toMatchObject({ what: 'ledger', offset: from, position: 3 });
    expect(report.problems[0]!.message).toContain(`from ${from} to ${to - 1} cannot be read (EIO`);
    expect(report.problems[0]!.message).toContain('positions 3 to 3');
    expect(await repair(broken)).toMatchObject({ applied: false, ok: false, head: 5, lost: [] });
    // The new ledger lies elsewhere on the disk.
    const isDone = (): boolean => [...disk.files().keys()].some((file) => /quarantine\/[^/]+\/ledger$/.test(file)) && disk.files().has(inFolder('ledger'));
    expect(await repair(failing(process, from, to, () => !isDone()), { apply: true })).toMatchObject({ applied: true, ok: true, head: 5, lost: [] });
    expect((await readAll(process)).map(({ id }) => id)).toEqual(ids);
  });

  test('that holds its header, or its last event, is told and healed as well', async () => {
    const files = await storeFiles('json', large);
    for (const frame of [0, 5]) {
      const { from, to } = frame === 0 ? { from: 0, to: 10 } : await hit(files, frame);
      const { disk, process } = await quickDiskWith(files);
      const report = await verify(failing(process, from, to));
      expect(report.ok).toBe(false);
      expect(report.problems.map(({ message }) => message).join('\n')).toContain('cannot be read (EIO');
      const isDone = (): boolean => [...disk.files().keys()].some((file) => /quarantine\/[^/]+\/ledger$/.test(file)) && disk.files().has(inFolder('ledger'));
      expect(await repair(failing(process, from, to, () => !isDone()), { apply: true })).toMatchObject({ ok: true, head: 5, lost: [] });
      expect((await readAll(process)).map(({ id }) => id)).toEqual(ids);
    }
  });

  test('without event files loses what lay there, and nothing else', async () => {
    const files = await storeFiles('none', large);
    const { from, to } = await hit(files, 3);
    const { process } = await quickDiskWith(files);
    expect(await repair(failing(process, from, to), { apply: true })).toMatchObject({ applied: false, ok: false, lost: [{ first: 3, last: 3 }] });
    expect((await readAll(process)).map(({ id }) => id)).toEqual(ids);
  });

  test('that fails for a moment only is sound', async () => {
    const { process } = await quickDiskWith(await storeFiles('json', large));
    let failures = 0;
    expect(await verify(failing(process, 0, 100_000, () => failures++ < 1))).toMatchObject({ ok: true, head: 5 });
    expect(failures).toBeGreaterThan(1);
  });

  test('is never given up for an error that passed while it was repaired', async () => {
    const files = await storeFiles('none', large);
    const { from, to } = await hit(files, 3);
    const { disk, process } = await quickDiskWith(files);
    // It can be read again by the time the new ledger is complete.
    const isPast = (): boolean => [...disk.files()].some(([file, bytes]) => file.endsWith('ledger.repairing') && bytes.length > 30_000);
    await expect(repair(failing(process, from, to, () => !isPast()), { apply: true, acceptLoss: true })).rejects.toMatchObject({ code: 'STORAGE_FAILED', details: { offset: from } });
    expect(await repair(process, { apply: true, acceptLoss: true })).toMatchObject({ ok: true, head: 5, lost: [] });
    expect((await readAll(process)).map(({ id }) => id)).toEqual(ids);
  });
});

describe('a checkpoint that cannot be read', () => {
  test.each(['EIO', 'a folder'])('(%s) stops neither verify nor repair', async (kind) => {
    const { simulation, process } = await diskWith(changed(await storeFiles('json'), kind === 'EIO' ? {} : { checkpoint: undefined }));
    const { disk } = simulation;
    const right = disk.files().get(inFolder('ledger'))!;
    if (kind === 'a folder') disk.overwrite(inFolder('checkpoint/inside'), Buffer.from('x'));
    let isMoved = false;
    disk.onOperation = ({ kind: operation, path: where }) => {
      if (kind === 'EIO' && !isMoved && operation === 'read' && where === inFolder('checkpoint')) return { code: 'EIO' };
      isMoved ||= operation === 'rename' && where.startsWith(inFolder('checkpoint ->'));
      return undefined;
    };
    expect(await verify(process)).toMatchObject({ ok: true, head: 5, notes: [{ what: 'checkpoint' }] });
    expect(await repair(process)).toMatchObject({ ok: true, actions: [{ what: 'checkpoint' }] });
    expect(await repair(process, { apply: true })).toMatchObject({ applied: true, ok: true, head: 5 });
    expect(disk.files().get(inFolder('ledger'))).toEqual(right);
    expect(await verify(process)).toMatchObject({ ok: true, noteCount: 0 });
  });

  test('and can by the time a damaged ledger was made anew, stops the repair: it may know of a lost end', async () => {
    const files = await storeFiles('none', large);
    const ledger = files.get(inFolder('ledger'))!;
    const frames = framesOf(ledger);
    // The last frame is lost, and one before it is damaged; only the checkpoint knows of the last.
    const broken = changed(files, { ledger: Buffer.from(ledger.subarray(0, frames[5]!.offset)).fill(0, frames[3]!.offset, frames[3]!.offset + 95) });
    const { simulation, process } = await diskWith(broken);
    const { disk } = simulation;
    disk.onOperation = ({ kind, path: where }) => (kind === 'read' && where === inFolder('checkpoint') && !disk.files().has(inFolder('ledger.repairing')) ? { code: 'EIO' } : undefined);
    await expect(repair(process, { apply: true, acceptLoss: true })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    disk.onOperation = () => undefined;
    expect(await repair(process, { apply: true, acceptLoss: true })).toMatchObject({ ok: true, head: 5 });
  });
});

describe('something else in the place of', () => {
  test.each([
    ['events', 'a file'],
    ['events/void', 'a file'],
    ['events/0000001', 'a file'],
    ['index', 'a file'],
  ])('the folder %s (%s) is told, moved to the quarantine, and the folder made again', async (name) => {
    const files = await storeFiles('json');
    const { disk, process } = await quickDiskWith(new Map([...changed(files, { [name]: undefined }), [inFolder(name), Buffer.from('mine')]]));
    expect(await verify(process)).toMatchObject({ ok: false, head: 5 });
    expect(await repair(process)).toMatchObject({ ok: false, applied: false });
    expect(await repair(process, { apply: true })).toMatchObject({ applied: true, ok: true, head: 5 });
    const left = filesOf(disk);
    expect([...left].filter(([file]) => file.includes('quarantine') && file.endsWith(name)).map(([, bytes]) => bytes.toString())).toEqual(['mine']);
    for (const [file, bytes] of files) if (file.includes('/events/')) expect(left.get(file)).toEqual(bytes);
  });

  test('the ledger (a folder) is refused by stores, told by verify and moved aside by repair', async () => {
    const files = await storeFiles('json');
    const { process } = await quickDiskWith(new Map([...changed(files, { ledger: undefined }), [inFolder('ledger/inside'), Buffer.from('x')]]));
    for (const readOnly of [false, true]) await expect(process.openStore({ directory: '/data', readOnly })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    expect(await verify(process)).toMatchObject({ ok: false, problems: [{ what: 'ledger', where: 'ledger' }] });
    expect(await repair(process, { apply: true })).toMatchObject({ ok: true, head: 5, lost: [] });
    expect(await readAll(process)).toHaveLength(5);
  });
});

const canMakePipes = process.platform !== 'win32' && spawnSync('mkfifo', ['--version']).status === 0;

describe.runIf(canMakePipes)('a pipe (where there are such) in the place of', () => {
  async function made(): Promise<string> {
    const directory = freshFolder();
    const store = await openStore({ directory });
    for (const id of ids) await store.append({ type: 'T', id, data: id });
    await store.close();
    return directory;
  }

  const putPipe = (directory: string, name: string): void => {
    const file = path.join(directory, 'default', name);
    fs.rmSync(file, { force: true });
    execFileSync('mkfifo', [file]);
  };

  test.each(['ledger', 'checkpoint', 'events/0000001/000000002.json'])('%s keeps nobody waiting, and is told and healed', async (name) => {
    const directory = await made();
    putPipe(directory, name);
    const report = await verifyContext({ directory });
    expect(report.ok).toBe(name === 'checkpoint');
    expect([...report.problems, ...report.notes].map(({ where }) => where)).toContain(name);
    if (name === 'ledger') for (const readOnly of [false, true]) await expect(openStore({ directory, readOnly })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    else {
      const store = await openStore({ directory });
      expect(await store.read().toArray()).toHaveLength(5);
      await store.close();
    }
    expect(await repairContext({ directory, apply: true })).toMatchObject({ ok: true, head: 5, lost: [] });
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: 5 });
  });

  test('any file is refused at once by the disk', async () => {
    const directory = await made();
    putPipe(directory, 'pipe');
    const pipe = path.join(directory, 'default', 'pipe');
    for (const mode of ['read', 'append', 'append-create', 'update'] as const) expect(() => nodeDisk.open(pipe, mode)).toThrow(/not a regular file/);
    expect(() => nodeDisk.readFile(pipe)).toThrow(/not a regular file/);
  });
});

test('an event file that fails for a moment only is no problem', async () => {
  const { simulation, process } = await diskWith(await storeFiles('json'));
  let failures = 0;
  simulation.disk.onOperation = ({ kind, path: where }) => (kind === 'read' && where.endsWith('000000002.json') && failures++ < 1 ? { code: 'EBUSY' } : undefined);
  expect(await verify(process)).toMatchObject({ ok: true, head: 5 });
  expect(failures).toBe(2);
});
