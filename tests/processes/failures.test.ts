/*
 * goal: a store whose disk is full, whose folder is taken away, whose permissions or file descriptors are gone says so with
 *   an error of its own, never ends its process, and goes on when the cause is mended.
 * method: each is done for real to a process of its own; its exit code and all that it says on stderr are checked.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { freshFolder } from '../support/folder.js';

type Outcome = { value?: unknown; code?: string; outcome?: string; message?: string; cause?: string };
type Report = { ok: boolean; head: number; pendingEventFiles: number; scarBytes: number };
type Seen = {
  [name in 'torn' | 'full' | 'opening' | 'openingAgain' | 'after' | 'retried' | 'exhausted' | 'reading' | 'other' | 'closing']: Outcome;
} & {
  [name in 'away' | 'back' | 'refused' | 'hidden' | 'readingHidden' | 'noEventFiles' | 'stillOpen' | 'readOnlyLedger']: Outcome;
} & {
  ids: string[];
  seen: string[];
  whileFull: string[];
  closeMs: number;
  exists: boolean;
  appends: Outcome[];
  outcomes: Outcome[];
  report: Report;
  warnings: string[];
};

const fixture = path.join(import.meta.dirname, 'fixtures/failing-process.mjs');
const isRoot = process.getuid?.() === 0;
const hasShell = process.platform !== 'win32';
const volume = mountSmallVolume();
if (volume) unmount(volume);

/** Runs a scenario in a process of its own; fails when the process says anything but our warnings. */
async function run(scenario: string, directory: string, limit?: string): Promise<Seen> {
  const node = [process.execPath, fixture, scenario, directory];
  const [command, ...args] = limit ? ['/bin/sh', '-c', `${limit}; exec "$@"`, 'sh', ...node] : node;
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.includes('--trace-warnings'));
  expect(lines.filter((line) => !line.includes('OpossumWarning: '))).toEqual([]);
  return { ...(JSON.parse(stdout) as Seen), warnings: lines };
}

const refused = (message: string, cause?: string): object => ({
  code: 'STORAGE_FAILED',
  outcome: 'not-committed',
  message: expect.stringContaining(message),
  ...(cause ? { cause } : {}),
});

describe('a full disk', () => {
  test.skipIf(!volume)(`fails appends alone, and nothing is lost${volume ? '' : ' (skipped: this user may not mount a small volume)'}`, async () => {
    const directory = mountSmallVolume()!;
    try {
      const seen = await run('fullDisk', directory);
      expect(seen.torn).toMatchObject(refused('nothing of it is stored', 'ENOSPC'));
      expect(seen.full).toMatchObject(refused('no space left', 'ENOSPC'));
      expect(seen.whileFull).toEqual(['a']);
      expect(seen.opening).toMatchObject(refused('make room', 'ENOSPC'));
      expect(seen.after).toEqual({ value: { first: 2, last: 2, duplicate: false } });
      expect(seen.retried).toEqual({ value: { first: 3, last: 3, duplicate: false } });
      expect(seen.ids).toEqual(['a', 'b', 'large']);
      expect(seen.seen.slice(0, 3)).toEqual(['a', 'b', 'large']);
      expect(seen.report).toMatchObject({ ok: true, head: 4, pendingEventFiles: 1 });
      expect(seen.report.scarBytes).toBeGreaterThan(0);
      expect(seen.warnings.at(-1)).toContain('The events are safe in the ledger');
      expect(seen.closeMs).toBeLessThan(2000);
    } finally {
      unmount(directory);
    }
  });
});

describe('no file descriptor left', () => {
  test.skipIf(!hasShell)('stops neither reads nor appends of a store that is open; opening fails, and works again after', async () => {
    const seen = await run('descriptors', freshFolder(), 'ulimit -n 512');
    expect(seen.exhausted).toMatchObject({ value: { first: 2 } });
    expect(seen.reading).toEqual({ value: ['a', 'b'] });
    for (const opening of [seen.opening, seen.openingAgain]) expect(opening).toMatchObject(refused('ulimit', 'EMFILE'));
    expect(seen.after).toMatchObject({ value: { first: 3 } });
    expect(seen.other.code).toBeUndefined();
    expect(seen.ids).toEqual(['a', 'b', 'c']);
    expect(seen.report).toMatchObject({ ok: true, head: 3, pendingEventFiles: 0 });
  });
});

describe('a folder', () => {
  test('that is removed: appends are refused, reads go on, closing works, nothing is made anew', async () => {
    const seen = await run('removed', path.join(freshFolder(), 'store'));
    for (const append of seen.appends) expect(append).toMatchObject(refused('was removed while the store was open'));
    expect(seen.reading).toEqual({ value: ['a'] });
    expect(seen).toMatchObject({ closing: {}, exists: false });
    // Comparing the event file may have been under way; that is told once, not with every attempt.
    expect(seen.warnings.length).toBeLessThanOrEqual(1);
    for (const warning of seen.warnings) expect(warning).toContain('was removed while the store was open');
  });

  test('that is removed in the middle of the work: every call hears what became of it', async () => {
    const seen = await run('removedBusy', freshFolder());
    for (const outcome of seen.outcomes) {
      if (outcome.value === undefined) expect(outcome).toMatchObject({ code: 'STORAGE_FAILED', outcome: expect.stringMatching(/^(not-committed|unknown)$/) });
    }
    expect(seen.outcomes.at(-1)).toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
    expect(seen).toMatchObject({ closing: {}, exists: false });
  });

  test.skipIf(!hasShell)('that is renamed away: appends are refused, and go on when it is back', async () => {
    const seen = await run('renamed', freshFolder());
    expect(seen.away).toMatchObject(refused('was removed while the store was open'));
    expect(seen.reading).toEqual({ value: ['a'] });
    expect(seen.back).toMatchObject({ value: { first: 2 } });
    expect(seen.report).toMatchObject({ ok: true, head: 2 });
  });
});

describe('permissions', () => {
  test.skipIf(!hasShell)('that are taken away and given back: what they forbid is refused, the rest goes on', async () => {
    const directory = freshFolder();
    if (isRoot) fs.chownSync(directory, 65534, 65534);
    const seen = await run('permissions', directory);
    expect(seen.refused).toMatchObject(refused('Give this user the right to write', 'EACCES'));
    expect(seen.hidden).toMatchObject(refused('permission denied', 'EACCES'));
    expect(seen.reading).toEqual({ value: ['a'] });
    expect(seen.readingHidden).toEqual({ value: ['a'] });
    for (const opening of [seen.opening, seen.readOnlyLedger]) expect(opening).toMatchObject(refused('Give this user the right', 'EACCES'));
    expect(seen.noEventFiles).toMatchObject({ value: { first: 2 } });
    expect(seen.stillOpen).toMatchObject({ value: { first: 3 } });
    expect(seen.ids).toEqual(['a', 'd', 'e']);
    expect(seen.report).toMatchObject({ ok: true, head: 3, pendingEventFiles: 0 });
  });
});

/** A volume of a megabyte; undefined where it cannot be had. */
function mountSmallVolume(): string | undefined {
  if (process.platform !== 'linux' || !isRoot) return undefined;
  const folder = fs.mkdtempSync('/tmp/opossum-volume-');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    fs.rmdirSync(folder);
    return undefined;
  }
}

function unmount(folder: string): void {
  execFileSync('umount', [folder], { stdio: 'ignore' });
  fs.rmdirSync(folder);
}
