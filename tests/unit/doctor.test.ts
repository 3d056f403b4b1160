/* What the doctor says: of places and numbers (pure), and of folders in which something lies about. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FileSystemFacts } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import type { EnginePorts } from '../../src/engine/engine.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import type { DoctorFacts } from '../../src/engine/upkeep/doctor-facts.js';
import { judge, type DoctorFinding } from '../../src/engine/upkeep/doctor-findings.js';
import { cloudServiceOf, fileSystemKindOf } from '../../src/engine/upkeep/doctor-places.js';
import { doctorOn } from '../../src/engine/upkeep/doctor.js';
import { doctorContext, openStore } from '../../src/index.js';
import { freshFolder } from '../support/folder.js';

describe('places', () => {
  test.each([
    ['/Users/a/Library/Mobile Documents/com~apple~CloudDocs/app', 'iCloud Drive'],
    ['/Users/a/Library/CloudStorage/Box-Box/app', 'a cloud service (Box-Box)'],
    ['/Users/a/Library/CloudStorage/OneDrive-Personal/app', 'OneDrive'],
    ['/Users/a/Library/CloudStorage/GoogleDrive-a@b.example/My Drive', 'Google Drive'],
    ['C:\\Users\\a\\OneDrive - Firm Ltd\\app', 'OneDrive'],
    ['C:\\Users\\a\\iCloudDrive\\app', 'iCloud Drive'],
    ['G:\\My Drive\\app', 'Google Drive'],
    ['/home/a/Dropbox (Firm)/app', 'Dropbox'],
    ['/home/a/Nextcloud/app', 'Nextcloud or ownCloud'],
    ['/home/a/.config/app/data', undefined],
    ['/home/onedriver/dropboxes/googledriven', undefined],
    ['/Users/a/Library/Application Support/app', undefined],
  ])('%s is synchronised by %s', (place, service) => {
    expect(cloudServiceOf(place)).toBe(service);
  });

  test.each([
    ['linux', '/data', 0x6969, 'network'],
    ['linux', '/data', 0xff534d42, 'network'],
    ['linux', '/data', 0xff534d42 - 2 ** 32, 'network'],
    ['linux', '/data', 0x65735546, 'fuse'],
    ['linux', '/data', 0x4d44, 'fat'],
    ['linux', '/data', 0x2011bab0, 'fat'],
    ['linux', '/dev/shm', 0x01021994, 'memory'],
    ['linux', '/data', 0xef53, undefined],
    ['darwin', '/data', 0x6969, undefined],
    ['win32', '\\\\server\\share\\data', 0, 'network'],
    ['win32', '\\\\?\\UNC\\server\\share', 0, 'network'],
    ['win32', '\\\\?\\C:\\data', 0, undefined],
    ['win32', 'C:\\data', 0, undefined],
  ])('on %s, %s with file system %i is %s', (platform, place, type, kind) => {
    expect(fileSystemKindOf({ platform, place, type })?.[0]).toBe(kind);
  });
});

const now = Date.parse('2026-01-01T12:00:00Z');

const well: DoctorFacts = {
  platform: 'linux',
  folder: '/data/default',
  realFolder: '/data/default',
  nowMs: now,
  markers: [],
  fileSystem: { type: 0xef53, freeBytes: 50e9, totalBytes: 100e9 },
  ledger: { head: 5, size: 1000, newestMs: now - 3_600_000, damage: undefined },
  openingFailure: undefined,
  checkpoint: 'right',
  isEventFolderGone: false,
  missingEventFiles: 0,
  lock: undefined,
  isUnsynced: false,
  isRepairing: false,
  leftovers: [],
};

const found = (facts: Partial<DoctorFacts>): string[] => judge({ ...well, ...facts }).map(({ level, code }) => `${level} ${code}`);
const owner = { host: 'elsewhere', bootId: 'b', pid: 7, startedAt: '1', token: 't' };
const room = (freeBytes: number, totalBytes: number): Partial<DoctorFacts> => ({ fileSystem: { type: 0xef53, freeBytes, totalBytes } });
const newest = (newestMs: number | undefined): Partial<DoctorFacts> => ({ ledger: { ...well.ledger, newestMs } });

describe('decisions', () => {
  test.each<[string, Partial<DoctorFacts>, string[]]>([
    ['all is well', {}, []],
    ['a synchronised folder', { realFolder: '/home/a/Dropbox/default' }, ['warning cloud-folder']],
    ['a synchronised folder behind a link', { folder: '/home/a/OneDrive/default' }, ['warning cloud-folder']],
    ['a marker of a synchronising program', { markers: ['.stfolder'] }, ['warning cloud-folder']],
    ['NFS', { fileSystem: { type: 0x6969, freeBytes: 50e9, totalBytes: 100e9 } }, ['warning network-file-system']],
    ['a folder in memory', { fileSystem: { type: 0x01021994, freeBytes: 50e9, totalBytes: 100e9 } }, ['note memory-file-system']],
    ['an unknown file system', { fileSystem: undefined }, []],
    ['a system that does not tell sizes', room(0, 0), []],
    ['99 MB free', room(99e6, 1e9), ['warning disk-space']],
    ['a small disk with room', room(20e6, 64e6), []],
    ['a small disk without', room(6e6, 64e6), ['warning disk-space']],
    ['101 MB of 1 GB free', room(101e6, 1e9), []],
    ['less than 1 % free', room(4e9, 500e9), ['warning disk-space']],
    ['less than 1 %, but 11 GB free', room(11e9, 2000e9), []],
    ['a damaged end', { ledger: { ...well.ledger, damage: 'broken' } }, ['warning ledger-damaged']],
    ['a store that cannot be opened', { openingFailure: { code: 'LEDGER_CORRUPT', message: 'Broken.' } }, ['warning cannot-be-opened']],
    ['no folder of event files', { isEventFolderGone: true }, ['warning event-files-gone']],
    ['a newest append 61 s ahead of the clock', newest(now + 61_000), ['warning clock-behind']],
    ['a newest append 59 s ahead of the clock', newest(now + 59_000), []],
    ['a lock of a live process', { lock: { owner, state: 'alive', untouchedMs: 500 } }, ['note lock-held']],
    ['a lock that a live process does not touch', { lock: { owner, state: 'alive', untouchedMs: 61_000 } }, ['warning stale-lock']],
    ['a lock of a dead process', { lock: { owner, state: 'dead', untouchedMs: 500 } }, ['warning stale-lock']],
    ['a lock of another host', { lock: { owner, state: 'unknown', untouchedMs: 500 } }, ['note lock-held']],
    ['a lock of another host that nobody touches', { lock: { owner, state: 'unknown', untouchedMs: 5000 } }, ['warning stale-lock']],
    ['a lock of nobody', { lock: { owner: undefined, state: 'unknown', untouchedMs: 9000 } }, ['warning stale-lock']],
    ['a failed sync', { isUnsynced: true }, ['warning ledger-unsynced']],
    ['an unfinished repair', { isRepairing: true }, ['warning ledger-repairing']],
    ['a missing checkpoint', { checkpoint: 'missing' }, ['warning checkpoint']],
    ['a foreign checkpoint', { checkpoint: 'foreign or damaged' }, ['warning checkpoint']],
    ['a checkpoint that is not yet written', { checkpoint: 'missing', ...newest(now - 500) }, []],
    ['no checkpoint in an empty store', { checkpoint: 'missing', ledger: { ...well.ledger, head: 0, newestMs: undefined } }, []],
    ['event files behind', { missingEventFiles: 3 }, ['warning event-files-behind']],
    ['event files behind a running writer', { missingEventFiles: 3, lock: { owner, state: 'alive', untouchedMs: 0 } }, ['note lock-held', 'note event-files-behind']],
    ['an old leftover', { leftovers: [{ name: '.checkpoint.x.tmp', ageMs: 61_000 }] }, ['warning leftovers']],
    ['a leftover from the future', { leftovers: [{ name: '.checkpoint.x.tmp', ageMs: -61_000 }] }, ['warning leftovers']],
    ['a temporary file in use', { leftovers: [{ name: '.checkpoint.x.tmp', ageMs: 100 }] }, []],
  ])('%s', (_, facts, expected) => {
    expect(found(facts)).toEqual(expected);
  });

  test('say what was seen and what to do', () => {
    const all = judge({ ...well, markers: ['.dropbox'], isUnsynced: true, isRepairing: true, openingFailure: { code: 'LEDGER_CORRUPT', message: 'Broken.' }, checkpoint: 'missing', isEventFolderGone: true, missingEventFiles: 1, leftovers: [{ name: 'a.tmp', ageMs: 1e9 }], lock: { owner, state: 'dead', untouchedMs: 0 } });
    expect(all).toHaveLength(9);
    for (const { message, advice } of all) {
      expect(message).toMatch(/^[A-Z\d/].*[.)]$/);
      expect(advice).toMatch(/^[A-Z"].*\.$/);
    }
    expect(all.find(({ code }) => code === 'stale-lock')?.message).toBe('The lock is held by process 7 on host elsewhere, which is dead.');
  });
});

describe('a folder', () => {
  const codes = ({ findings }: { findings: readonly DoctorFinding[] }): string[] => findings.map(({ code }) => code);

  async function storeIn(directory: string): Promise<string> {
    const store = await openStore({ directory });
    for (let n = 1; n <= 3; n++) await store.append({ type: 'A', data: n });
    await store.close();
    return path.join(directory, 'default');
  }

  function portsWith(change: { fileSystem?: FileSystemFacts; aheadMs?: number }): EnginePorts {
    const { clock, random, openLock, engines, warn } = systemPorts;
    return {
      disk: { ...nodeDisk, fileSystem: (file) => change.fileSystem ?? nodeDisk.fileSystem(file) },
      clock: { ...clock, now: () => clock.now() + (change.aheadMs ?? 0) },
      random,
      openLock,
      engines,
      warn,
    };
  }

  const later = portsWith({ aheadMs: 3_600_000 });
  const look = (directory: string, ports = later): ReturnType<typeof doctorOn> => doctorOn({ directory }, ports);
  const snapshot = (folder: string): string[] => (fs.readdirSync(folder, { recursive: true }) as string[]).map((name) => `${name} ${fs.statSync(path.join(folder, name)).mtimeMs}`);

  test('that is well has no findings, and stays as it is', async () => {
    const directory = freshFolder();
    await storeIn(directory);
    const before = snapshot(directory);
    expect(await look(directory, portsWith({ aheadMs: 3_600_000, fileSystem: { type: 0xef53, freeBytes: 50e9, totalBytes: 100e9 } }))).toEqual({ ok: true, folder: path.join(directory, 'default'), findings: [] });
    expect(snapshot(directory)).toEqual(before);
  });

  test('tells what its real file system is', () => {
    const facts = nodeDisk.fileSystem(os.tmpdir()) as FileSystemFacts;
    expect(facts.totalBytes).toBeGreaterThan(facts.freeBytes);
    expect(facts.freeBytes).toBeGreaterThan(0);
  });

  test('in which crashes left things tells of each', async () => {
    const directory = freshFolder();
    const folder = await storeIn(directory);
    const left = ['.checkpoint.abc.tmp', 'events/0000001/.000000002.json.abc.tmp', 'index/0000000000.idx.abc.tmp', 'ledger.lock.abc', '../.backup-default/x', '../.deleted-default-abc/x', 'ledger.unsynced', 'ledger.repairing'];
    for (const name of left) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), '{"from":0}');
    }
    fs.rmSync(path.join(folder, 'events', '0000001', '000000003.json'));
    fs.writeFileSync(path.join(folder, 'checkpoint'), 'nonsense');
    const report = await look(directory);
    expect(report.ok).toBe(false);
    expect(codes(report)).toEqual(['ledger-unsynced', 'ledger-repairing', 'checkpoint', 'event-files-behind', 'leftovers']);
    expect(report.findings.at(-1)?.message).toMatch(/^6 temporary files or folders/);
    expect(report.findings.at(-2)?.message).toBe('1 event file is still to be written.');
  });

  test('whose files are of a moment ago may belong to a process at work', async () => {
    const directory = freshFolder();
    const folder = await storeIn(directory);
    fs.writeFileSync(path.join(folder, '.checkpoint.abc.tmp'), '');
    expect(await look(directory, systemPorts)).toMatchObject({ ok: true });
  });

  test('whose ledger is damaged before the end does not open, and says so', async () => {
    const directory = freshFolder();
    const folder = await storeIn(directory);
    const ledger = path.join(folder, 'ledger');
    const bytes = fs.readFileSync(ledger);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    fs.writeFileSync(ledger, bytes);
    const before = snapshot(folder);
    const report = await look(directory);
    expect(report.ok).toBe(false);
    expect(report.findings).toMatchObject([{ code: 'cannot-be-opened', message: expect.stringMatching(/^The store cannot be opened for reading \(LEDGER_CORRUPT\): .*byte/) as string }]);
    expect(snapshot(folder)).toEqual(before);
  });

  test('whose event files are gone', async () => {
    const directory = freshFolder();
    fs.rmSync(path.join(await storeIn(directory), 'events'), { recursive: true });
    expect(codes(await look(directory))).toEqual(['event-files-gone']);
    const bare = freshFolder();
    const store = await openStore({ directory: bare, eventFiles: 'none' });
    await store.append({ type: 'A', data: 1 });
    await store.close();
    expect(codes(await look(bare, systemPorts))).toEqual([]);
  });

  test('whose clock went back', async () => {
    const directory = freshFolder();
    await storeIn(directory);
    expect(codes(await look(directory, portsWith({ aheadMs: -120_000 })))).toContain('clock-behind');
  });

  test('that a process appends to, that a dead one locked, that another host locked', async () => {
    const directory = freshFolder();
    const folder = await storeIn(directory);
    const hold = await systemPorts.openLock(folder).acquire(1000);
    const { findings } = await doctorContext({ directory });
    expect(findings).toMatchObject([{ level: 'note', code: 'lock-held', message: expect.stringContaining(`process ${process.pid} on host`) as string }]);
    const { checksum: _, ...record } = JSON.parse(fs.readFileSync(path.join(folder, 'ledger.lock.owner'), 'utf8')) as { pid: number; host: string; checksum: number };
    const ended = spawnSync(process.execPath, ['-e', '']).pid;
    fs.writeFileSync(path.join(folder, 'ledger.lock.owner'), JSON.stringify({ ...record, pid: ended }));
    expect((await doctorContext({ directory })).findings).toMatchObject([{ level: 'warning', code: 'stale-lock', message: expect.stringMatching(/which is dead/) as string }]);
    fs.writeFileSync(path.join(folder, 'ledger.lock.owner'), JSON.stringify({ ...record, host: 'elsewhere' }));
    expect((await doctorContext({ directory })).findings).toMatchObject([{ level: 'note', code: 'lock-held' }]);
    expect((await look(directory)).findings).toMatchObject([{ level: 'warning', code: 'stale-lock' }]);
    await hold.release();
  });

  test('that a program synchronises, by a link or by its marker above', async () => {
    const root = freshFolder();
    const directory = path.join(root, 'Dropbox', 'app');
    await storeIn(directory);
    expect(codes(await look(directory))).toEqual(['cloud-folder']);
    fs.symlinkSync(directory, path.join(root, 'innocent'));
    expect(codes(await look(path.join(root, 'innocent')))).toEqual(['cloud-folder']);
    fs.renameSync(path.join(root, 'Dropbox'), path.join(root, 'other'));
    fs.mkdirSync(path.join(root, '.stfolder'));
    expect(codes(await look(path.join(root, 'other', 'app')))).toEqual(['cloud-folder']);
  });

  test('that is damaged or full is still looked at', async () => {
    const directory = freshFolder();
    const folder = await storeIn(directory);
    fs.truncateSync(path.join(folder, 'ledger'), 20);
    expect(codes(await look(directory, portsWith({ fileSystem: { type: 0xef53, freeBytes: 0, totalBytes: 1e9 } })))).toEqual(['disk-space', 'ledger-damaged']);
    fs.rmSync(path.join(folder, 'ledger'));
    expect(codes(await look(directory))).toEqual(['ledger-damaged']);
  });

  test('that does not exist is an error', async () => {
    await expect(doctorContext({ directory: freshFolder() })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(doctorContext({ directory: '' })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.directory' });
  });
});
