/* The commands that look after a folder: what they print, for people and programs, and what they end with. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import { framesOf } from '../support/ledger-bytes.js';
import { freshFolder } from '../support/folder.js';
import { opossum, parsed, Running } from './command.js';

async function store(events = 3): Promise<string> {
  const dir = freshFolder();
  const opened = await openStore({ directory: dir });
  for (let n = 1; n <= events; n++) await opened.append({ id: `e${n}`, type: 'A', data: n });
  await opened.close();
  return dir;
}

const inStore = (dir: string, ...names: string[]): string => path.join(dir, 'default', ...names);

function flip(file: string, offset: number): void {
  const bytes = fs.readFileSync(file);
  bytes[offset]! ^= 1;
  fs.writeFileSync(file, bytes);
}

describe('verify', () => {
  test('lists the first problems and says what to do next', async () => {
    const dir = await store(30);
    for (let n = 1; n <= 25; n++) fs.writeFileSync(inStore(dir, 'events', '0000001', `${String(n).padStart(9, '0')}.json`), 'wrong');
    const { code, stdout } = await opossum(['verify', '--dir', dir]);
    expect(code).toBe(5);
    expect(stdout).toMatch(/^DAMAGED {2}30 events .* 25 problems found\.\n/);
    expect(stdout.match(/event file events/g)).toHaveLength(20);
    expect(stdout).toMatch(/\n {2}… and 5 more; --json lists the first thousand\.\nRun "opossum repair"/);
  });
});

describe('repair', () => {
  test('says what it would do, does it when told to, and then has nothing to do', async () => {
    const dir = await store();
    flip(inStore(dir, 'ledger'), 300);
    const before = fs.readFileSync(inStore(dir, 'ledger'));
    const dry = await opossum(['repair', '--dir', dir]);
    expect(dry).toMatchObject({ code: 5, stderr: '' });
    expect(dry.stdout).toMatch(/^DAMAGED {2}.* to do: then the store ends with position 3\.\n {2}ledger: [^]*\nNothing was changed\. To do it, run opossum repair --apply\.\n$/);
    expect(fs.readFileSync(inStore(dir, 'ledger'))).toEqual(before);
    const applied = await opossum(['repair', '--dir', dir, '--apply']);
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    expect(applied.stdout).toMatch(/^HEALED {2}.* the store is sound and ends with position 3\.\n[^]*\nWhat was moved aside lies in .*default.quarantine.*\.\n$/);
    expect((await opossum(['verify', '--dir', dir])).code).toBe(0);
    expect((await opossum(['repair', '--dir', dir])).stdout).toBe('OK  The store is sound and ends with position 3: nothing to repair.\n');
    expect(parsed((await opossum(['repair', '--dir', dir, '--json'])).stdout)).toMatchObject([{ ok: true, applied: false, actionCount: 0, head: 3 }]);
  });

  test('gives events up only when told to', async () => {
    const dir = await store();
    flip(inStore(dir, 'ledger'), 300);
    fs.rmSync(inStore(dir, 'events'), { recursive: true });
    for (const flags of [[], ['--apply']]) {
      const { code, stdout } = await opossum(['repair', '--dir', dir, ...flags]);
      expect(code).toBe(5);
      expect(stdout).toMatch(/^DAMAGED {2}Some events cannot be restored[^]*\n {2}lost event 1: [^]*\nNothing was changed\. Restore the folder from a backup, or .*--apply --accept-loss/);
    }
    expect((await opossum(['repair', '--dir', dir, '--accept-loss'])).stdout).toMatch(/run opossum repair --apply --accept-loss\.\n$/);
    expect((await opossum(['repair', '--dir', dir, '--apply', '--accept-loss'])).code).toBe(0);
    expect(parsed((await opossum(['read', '--dir', dir, '--json'])).stdout).map(({ type }) => type)).toEqual(['opossum.lost', 'A', 'A']);
  });

  test('cuts a long list of lost events, and says how long it is', async () => {
    const dir = freshFolder();
    const opened = await openStore({ directory: dir, eventFiles: 'none' });
    for (let n = 1; n <= 125; n++) await opened.append({ id: `e${n}`, type: 'A', data: n });
    await opened.close();
    const ledger = fs.readFileSync(inStore(dir, 'ledger'));
    // Every other event, so that each is a stretch of its own.
    for (const { offset, end } of framesOf(Buffer.from(ledger)).filter((_, i) => i % 2 === 1 && i < 125)) ledger.fill(0, offset, end);
    fs.writeFileSync(inStore(dir, 'ledger'), ledger);
    const { stdout } = await opossum(['repair', '--dir', dir]);
    expect(stdout.match(/^ {2}lost event /gm)).toHaveLength(50);
    expect(stdout).toContain('\n  … and 12 more stretches of lost events; --json lists all.\n');
    expect((parsed((await opossum(['repair', '--dir', dir, '--json'])).stdout)[0] as unknown as { lost: unknown[] }).lost).toHaveLength(62);
  });

  test('tells pending event files in one line', async () => {
    const dir = await store(12);
    for (const name of ['events', 'checkpoint']) fs.rmSync(inStore(dir, name), { recursive: true });
    const { code, stdout } = await opossum(['repair', '--dir', dir]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^OK .*\n {2}event file events: 12 pending event files, which .*\n {2}checkpoint: /);
    expect((await opossum(['repair', '--dir', dir, '--apply'])).code).toBe(0);
    expect(fs.readdirSync(inStore(dir, 'events', '0000001'))).toHaveLength(12);
  });

  test('tells alike things together, and in a dry run in the words in which it does them', async () => {
    const dir = freshFolder();
    const opened = await openStore({ directory: dir });
    await Promise.all(Array.from({ length: 420 }, (_, n) => opened.append(Array.from({ length: 10 }, (_one, i) => ({ id: `e${n * 10 + i + 1}`, type: 'A', data: i })))));
    await opened.close();
    // Of two stretches of the ledger nothing is left; some event files of what lies between them are damaged too.
    const ledger = fs.readFileSync(inStore(dir, 'ledger'));
    const frames = framesOf(Buffer.from(ledger));
    for (const { offset, end } of [...frames.slice(20, 120), ...frames.slice(150, 200)]) ledger.fill(0, offset, end);
    fs.writeFileSync(inStore(dir, 'ledger'), ledger);
    for (const n of [1201, 1202, 1203, 1205, 1300]) fs.writeFileSync(inStore(dir, 'events', '0000002', `00000${n}.json`), 'wrong');
    for (const name of ['index/0000000000.idx', 'checkpoint']) expect(fs.existsSync(inStore(dir, name))).toBe(true);
    const dry = (await opossum(['repair', '--dir', dir])).stdout.split('\n');
    expect(dry.slice(1, -2)).toEqual([
      expect.stringMatching(/^ {2}ledger: .* A new ledger with a new id is made, up to position 4200; /) as string,
      '  ledger: The 100 batches of positions 191 to 1190 are put together again. Likewise 1 more, the last from position 1491 on.',
      '  event file events/0000002/000001201.json: The event file differs from event 1201 in the ledger: it is moved to the quarantine and written again. Likewise 4 more: positions 1202 to 1203, 1205, 1300.',
      '  index block index/0000000000.idx: The block belongs to another ledger: it is moved to the quarantine and made again from the ledger.',
      '  checkpoint: The checkpoint belongs to another ledger: a new one is written.',
    ]);
    const applied = (await opossum(['repair', '--dir', dir, '--apply'])).stdout.split('\n');
    expect(applied.slice(1, -2)).toEqual(dry.slice(1, -2));
  });

  test('of a folder into which another ledger was copied asks what to believe', async () => {
    const [dir, other] = [await store(), await store(2)];
    const opened = await openStore({ directory: other });
    await opened.append({ type: 'B', data: 3 });
    await opened.close();
    fs.copyFileSync(inStore(other, 'ledger'), inStore(dir, 'ledger'));
    for (const args of [['verify'], ['repair'], ['repair', '--apply'], ['read']]) expect((await opossum([...args, '--dir', dir])).code).toBe(5);
    const { stdout } = await opossum(['repair', '--dir', dir, '--trust', 'event-files']);
    expect(stdout).toMatch(/run opossum repair --apply --trust event-files\.\n$/);
    expect((await opossum(['repair', '--dir', dir, '--apply', '--trust', 'event-files'])).code).toBe(0);
    expect(parsed((await opossum(['read', '--dir', dir, '--json'])).stdout).map(({ id }) => id)).toEqual(['e1', 'e2', 'e3']);
    expect((await opossum(['repair', '--dir', dir, '--trust', 'me'])).code).toBe(2);
  });

  test('beside a process that appends ends with 6', async () => {
    const dir = await store();
    const hold = await systemPorts.openLock(inStore(dir)).acquire(5000);
    try {
      const { code, stderr } = await opossum(['repair', '--dir', dir, '--apply']);
      expect(code).toBe(6);
      expect(stderr).toMatch(/^opossum: LOCK_TIMEOUT: /);
      expect((await opossum(['repair', '--dir', dir])).code).toBe(0);
    } finally {
      await hold.release();
    }
  });
});

describe('backup', () => {
  test('copies, then adds what is new, and its copy is a store', async () => {
    const dir = await store();
    const dest = path.join(freshFolder(), 'copies');
    const first = await opossum(['backup', dest, '--dir', dir]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^3 events \(.* B\) copied in .*default, which now ends with position 3 and is verified \(.* s\)\n$/);
    await opossum(['append', '--dir', dir, '--type', 'B']);
    expect(parsed((await opossum(['backup', dest, '--dir', dir, '--json'])).stdout)).toEqual([
      { folder: inStore(dest), head: 4, copiedEvents: 1, copiedBytes: expect.any(Number) as number, incremental: true, seconds: expect.any(Number) as number },
    ]);
    expect((await opossum(['backup', dest, '--dir', dir])).stdout).toMatch(/^0 new events \(0 B\) added to the backup in /);
    expect((await opossum(['read', '--dir', dest, '--json'])).stdout).toBe((await opossum(['read', '--dir', dir, '--json'])).stdout);
    expect((await opossum(['append', '--dir', dest, '--type', 'C'])).stdout).toBe('1 event appended, at position 5\n');
    const refused = await opossum(['backup', dest, '--dir', dir]);
    expect(refused).toMatchObject({ code: 7, stdout: '' });
    expect(refused.stderr).toMatch(/^opossum: INVALID_INPUT: options\.destination is ahead: .*\n$/);
  });

  test('of a damaged store ends with 5, without a place with 2, without a store with 7', async () => {
    const dir = await store();
    flip(inStore(dir, 'ledger'), 300);
    const dest = freshFolder();
    expect((await opossum(['backup', dest, '--dir', dir])).code).toBe(5);
    expect(fs.readdirSync(dest)).toEqual([]);
    expect((await opossum(['backup', '--dir', dir])).code).toBe(2);
    expect((await opossum(['backup', dest, '--dir', freshFolder()])).code).toBe(7);
  });

  test('ends with 130 on Ctrl-C, and is completed by the next run', async () => {
    const dir = freshFolder();
    const opened = await openStore({ directory: dir, durability: 'os' });
    await opened.append(Array.from({ length: 800 }, (_, i) => ({ type: 'A', data: i })));
    await opened.close();
    const dest = freshFolder();
    const running = new Running(['backup', dest, '--dir', dir]);
    // Event files take long enough that the signal comes before the end.
    while (!fs.existsSync(path.join(dest, '.backup-default', 'default', 'events'))) await new Promise((resolve) => setTimeout(resolve, 2));
    running.process.kill('SIGINT');
    expect(await running.ended).toEqual({ code: 130, stdout: '', stderr: 'Interrupted: the store is as it was, and no copy was damaged. Run the same backup again to complete it.\n' });
    expect(fs.readdirSync(dest)).toEqual([]);
    expect((await opossum(['backup', dest, '--dir', dir])).code).toBe(0);
  });
});

describe('doctor', () => {
  test('is content with a sound folder', async () => {
    const dir = await store();
    const result = await opossum(['doctor', '--dir', dir]);
    expect(result).toEqual({ code: 0, stdout: `OK  ${inStore(dir)}: no warnings.\nIt did not read the events: whether they are sound, "opossum verify" tells.\n`, stderr: '' });
    expect(parsed((await opossum(['doctor', '--dir', dir, '--json'])).stdout)).toEqual([{ ok: true, folder: inStore(dir), findings: [] }]);
  });

  test('of a store that no command can open, and of one without its event files, warns', async () => {
    const dir = await store(30);
    flip(inStore(dir, 'ledger'), Math.floor(fs.statSync(inStore(dir, 'ledger')).size / 2));
    expect((await opossum(['read', '--dir', dir])).code).toBe(5);
    const damaged = await opossum(['doctor', '--dir', dir]);
    expect(damaged.code).toBe(3);
    expect(damaged.stdout).toMatch(/ {2}warning cannot-be-opened: The store cannot be opened for reading \(LEDGER_CORRUPT\): .*\n {4}Run "opossum verify" /);
    const bare = await store();
    fs.rmSync(inStore(bare, 'events'), { recursive: true });
    const { code, stdout } = await opossum(['doctor', '--dir', bare]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^WARNING {2}.*: 1 warning\.\n {2}warning event-files-gone: .*\n {4}Run "opossum repair --apply"/);
  });

  test('ends with 3 when it warns, and says what to do', async () => {
    const dir = path.join(freshFolder(), 'Dropbox');
    fs.renameSync(await store(), dir);
    fs.writeFileSync(inStore(dir, 'ledger.unsynced'), '{"from":0}');
    const { code, stdout } = await opossum(['doctor', '--dir', dir]);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^WARNING {2}.*: 2 warnings\.\n {2}warning cloud-folder: .*Dropbox\.\n {4}.*Move the folder.*\n {2}warning ledger-unsynced: /);
    const json = await opossum(['doctor', '--dir', dir, '--json']);
    expect(json.code).toBe(3);
    expect(parsed(json.stdout)).toMatchObject([{ ok: false, findings: [{ code: 'cloud-folder' }, { code: 'ledger-unsynced' }] }]);
  });

  test('only notes a process that appends', async () => {
    const dir = await store();
    const hold = await systemPorts.openLock(inStore(dir)).acquire(5000);
    try {
      const { code, stdout } = await opossum(['doctor', '--dir', dir]);
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`note lock-held: The lock is held by process ${process.pid} on host`));
    } finally {
      await hold.release();
    }
  });

  test('without a store ends with 7', async () => {
    expect((await opossum(['doctor', '--dir', freshFolder()])).code).toBe(7);
  });
});

test('help names the commands and their exit codes', async () => {
  const { stdout } = await opossum(['--help']);
  for (const word of ['repair', 'backup', 'doctor', ' 3 ']) expect(stdout).toContain(word);
});
