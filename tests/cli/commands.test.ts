/* Each command, its output for people and programs, and its exit codes, on the built command. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStore, type NewEvent, type OpenStoreOptions } from '../../src/index.js';
import { systemPorts } from '../../src/engine/system-ports.js';
import { freshFolder } from '../support/folder.js';
import { ndjson, opossum, opossumAsAnybody, opossumOnFullDisk, parsed, Running } from './command.js';

async function storeWith(events: NewEvent | NewEvent[], options: Partial<OpenStoreOptions> = {}): Promise<string> {
  const dir = freshFolder();
  const store = await openStore({ directory: dir, durability: 'os', ...options });
  await store.append(events);
  await store.close();
  return dir;
}

const course = { id: 'c', type: 'CourseDefined', tags: ['course:c1'], data: { seats: 10 }, timestamp: '2026-01-01T00:00:00Z' };
const enrolled = (n: number) => ({ id: `e${n}`, type: 'StudentEnrolled', tags: ['course:c1', `student:s${n}`], data: { n }, timestamp: '2026-01-02T00:00:00Z' });

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(fs.readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string };
  expect(await opossum(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

describe('append', () => {
  test('takes options, arguments and standard input, and makes the store', async () => {
    const dir = path.join(freshFolder(), 'new', 'folder');
    expect(await opossum(['append', '--dir', dir, '--type', 'A', '--tag', 'x:1', '--tag', 'y', '--data', '{"n":1}', '--id', 'a1', '--metadata', '{"by":"me"}', '--timestamp', '2026-01-01T00:00:00Z'])).toEqual({
      code: 0,
      stdout: '1 event appended, at position 1\n',
      stderr: `new context "default" in ${dir}\n`,
    });
    expect(await opossum(['append', '--dir', dir, '{"type":"B","data":1}', '[{"type":"C","data":2},{"type":"D","data":3}]'])).toEqual({ code: 0, stdout: '3 events appended, at positions 2 to 4\n', stderr: '' });
    expect(parsed((await opossum(['append', '--json'], { input: ndjson([{ type: 'E', data: null }]), env: { OPOSSUM_DIR: dir } })).stdout)).toEqual([{ first: 5, last: 5, duplicate: false }]);
    expect((await opossum(['append', '--dir', dir, '--type', 'A', '--tag', 'y', '--tag', 'x:1', '--data', '{"n":1}', '--id', 'a1'])).stdout).toBe('1 event there already, at position 1\n');
    const rows = parsed((await opossum(['read', '--dir', dir, '--json'])).stdout);
    expect(rows[0]).toEqual({ position: 1, id: 'a1', type: 'A', tags: ['x:1', 'y'], data: { n: 1 }, metadata: { by: 'me' }, timestamp: '2026-01-01T00:00:00Z' });
    expect(rows.map(({ type }) => type)).toEqual(['A', 'B', 'C', 'D', 'E']);
  });

  test('says on standard error that it made a context, whose name may be mistyped', async () => {
    const dir = await storeWith(course);
    const { code, stdout, stderr } = await opossum(['append', '--dir', dir, '--context', 'defualt', '--type', 'A', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `new context "defualt" in ${dir}\n` });
    expect(parsed(stdout)).toEqual([{ first: 1, last: 1, duplicate: false }]);
  });

  test('ends with 4 when its condition fails, and appends when it holds', async () => {
    const dir = await storeWith([course, enrolled(1)]);
    const condition = ['--fail-if-match', '{"items":[{"tags":["course:c1"]}]}'];
    const failed = await opossum(['append', '--dir', dir, '--type', 'X', ...condition, '--after', '1']);
    expect(failed).toMatchObject({ code: 4, stdout: '' });
    expect(failed.stderr).toMatch(/^opossum: APPEND_CONDITION_FAILED: .*event 2 .*\n$/);
    expect(await opossum(['append', '--dir', dir, '--type', 'X', ...condition, '--after', '2'])).toMatchObject({ code: 0 });
    expect((await opossum(['append', '--dir', dir, '--type', 'X', '--fail-if-match', 'all'])).code).toBe(4);
  });

  test.each([
    [['--type', 'A', '--after', '3'], '', 2, /--after is part of a condition/],
    [['--tag', 'x'], '', 2, /give its --type as well/],
    [['--type', 'A', '{"type":"B"}'], '', 2, /not both/],
    [['--type', 'A', '--data', 'hello'], '', 7, /--data is not valid JSON/],
    [['{"type":"A"'], '', 7, /The event is not valid JSON/],
    [['{"type":"A"}'], '', 7, /INVALID_INPUT: events\[0\]\.data is missing/],
    [[], '', 7, /INVALID_INPUT: events is empty/],
    [[], '{"type":"A","data":1}\n\nnonsense\n', 7, /Line 3 of standard input is not valid JSON/],
    [['--type', 'A', '--fail-if-match', '{"items":[]}'], '', 7, /items is empty/],
  ])('refuses %j with %j', async (args, input, code, message) => {
    const dir = freshFolder();
    const result = await opossum(['append', '--dir', dir, ...args], { input });
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(message);
  });

  test('ends with 6 when another process holds the lock for too long, and names it', async () => {
    const dir = await storeWith(course);
    const hold = await systemPorts.openLock(path.join(dir, 'default')).acquire(5000);
    try {
      const { code, stderr } = await opossum(['append', '--dir', dir, '--type', 'A', '--lock-timeout', '200']);
      expect(code).toBe(6);
      expect(stderr).toMatch(new RegExp(`^opossum: LOCK_TIMEOUT: .*${process.pid}.*\n$`));
      const { stdout } = await opossum(['stats', '--dir', dir]);
      expect(stdout).toMatch(new RegExp(`^lock +held by process ${process.pid} on`, 'm'));
      const owner = path.join(dir, 'default', 'ledger.lock.owner');
      const { checksum: _, ...record } = JSON.parse(fs.readFileSync(owner, 'utf8')) as { checksum: number };
      const ended = spawnSync(process.execPath, ['-e', '']).pid;
      fs.writeFileSync(owner, JSON.stringify({ ...record, pid: ended }));
      expect((await opossum(['stats', '--dir', dir])).stdout).toMatch(new RegExp(`^lock +left by process ${ended}, which is gone; the next writer takes it over$`, 'm'));
    } finally {
      await hold.release();
    }
  });
});

describe('read', () => {
  test('lists aligned columns', async () => {
    const dir = await storeWith([course, ...Array.from({ length: 9 }, (_, i) => enrolled(i + 1))]);
    const { code, stdout, stderr } = await opossum(['read', '--dir', dir]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = stdout.trimEnd().split('\n');
    expect(rows).toHaveLength(10);
    expect(rows[0]).toBe(' 1  2026-01-01T00:00:00Z  CourseDefined    course:c1             {"seats":10}');
    expect(rows[9]).toBe('10  2026-01-02T00:00:00Z  StudentEnrolled  course:c1 student:s9  {"n":9}');
  });

  test.each([
    [['--type', 'CourseDefined'], [1]],
    [['--type', 'CourseDefined', '--type', 'StudentEnrolled', '--limit', '2'], [1, 2]],
    [['--tag', 'student:s2'], [3]],
    [['--tag', 'student:s2', '--tag', 'student:s1'], []],
    [['--after', '2', '--before', '4'], [3]],
    [['--backwards', '--limit', '2'], [4, 3]],
    [['--query', '{"items":[{"types":["CourseDefined"]},{"tags":["student:s3"]}]}'], [1, 4]],
    [['--query', 'all'], [1, 2, 3, 4]],
  ])('%j gives positions %j', async (args, positions) => {
    const dir = await storeWith([course, enrolled(1), enrolled(2), enrolled(3)]);
    const { code, stdout } = await opossum(['read', '--dir', dir, '--json', ...args]);
    expect(code).toBe(0);
    expect(parsed(stdout).map(({ position }) => position)).toEqual(positions);
  });

  test.each([
    [['--limit', '0'], 2, /from 1/],
    [['--after', '-1'], 2, /whole number/],
    [['--after', '1.5'], 2, /whole number/],
    [['--query', '{'], 7, /--query is not valid JSON/],
    [['--query', '{"items":[{}]}'], 7, /INVALID_INPUT: query\.items\[0\]/],
    [['--query', 'all', '--type', 'A'], 2, /cannot be combined/],
    [['--after', '5'], 7, /POSITION_AHEAD/],
  ])('%j ends with %i', async (args, code, message) => {
    const dir = await storeWith(course);
    const result = await opossum(['read', '--dir', dir, ...args]);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toMatch(/^\s+at /m);
  });

  test('shows what could steer a terminal as text', async () => {
    const dir = await storeWith({ type: 'A\u001b[31m\n\u202eB', tags: ['x\u0007'], data: '\u009b' });
    const { stdout } = await opossum(['read', '--dir', dir]);
    expect(stdout).toContain('A\\u001b[31m\\u000a\\u202eB  x\\u0007  "\\u009b"\n');
  });

  test('ends quietly when its reader goes away', async () => {
    const dir = await storeWith(Array.from({ length: 5000 }, (_, i) => ({ type: 'A', data: 'x'.repeat(200), tags: [`n:${i}`] })), { eventFiles: 'none' });
    for (const args of [['read'], ['read', '--json'], ['export', '-']]) {
      const running = new Running([...args, '--dir', dir]);
      running.process.stdout!.once('data', () => running.process.stdout!.destroy());
      const { code, stderr } = await running.ended;
      expect([args, code, stderr]).toEqual([args, 0, '']);
    }
  });
});

// Windows has no limit of this kind.
describe.skipIf(process.platform === 'win32')('standard output that takes no more', () => {
  const message = 'opossum: cannot write to standard output (EFBIG: file too large)';

  const isDevice = (file: string): boolean => fs.statSync(file, { throwIfNoEntry: false })?.isCharacterDevice() === true;

  test('fails a command in one line, wherever it stops', async () => {
    const dir = await storeWith(Array.from({ length: 500 }, (_, i) => ({ type: 'A', data: 'x'.repeat(200), tags: [`n:${i}`] })), { eventFiles: 'none' });
    const output = path.join(dir, 'full');
    fs.writeFileSync(output, Buffer.alloc(2 ** 21));
    for (const args of [['read'], ['export', '-'], ['stats'], ['doctor'], ['--help']]) {
      const { code, stderr } = await opossumOnFullDisk(args[0] === '--help' ? args : [...args, '--dir', dir], { output, blocks: 2048 });
      expect([args, code, stderr]).toEqual([args, 1, `${message}\n`]);
    }
    // The first write is cut short, and no error tells of it: the rest must not be passed over.
    const short = path.join(dir, 'short');
    expect(await opossumOnFullDisk(['export', '-', '--dir', dir], { output: short, blocks: 8 })).toMatchObject({ code: 1, stderr: `${message}\n` });
    expect(fs.statSync(short).size).toBeGreaterThan(0);
  });

  // The limit above would end a process that appends: there proper-lockfile answers its signal.
  test.skipIf(!isDevice('/dev/full'))('of append says that the events are stored (skipped: where there is no /dev/full)', async () => {
    const dir = await storeWith(course);
    for (const [i, args] of [['--json'], []].entries()) {
      const { code, stderr } = await opossumOnFullDisk(['append', '--type', 'A', ...args, '--dir', dir], { output: '/dev/full', blocks: 2048 });
      expect([code, stderr]).toEqual([1, `opossum: cannot write to standard output (ENOSPC: no space left on device). The events are stored, at position ${i + 2}.\n`]);
    }
    expect(parsed((await opossum(['read', '--json', '--dir', dir])).stdout)).toHaveLength(3);
  });
});

describe('tail', () => {
  test('lists the last events, in order', async () => {
    const dir = await storeWith([course, ...Array.from({ length: 12 }, (_, i) => enrolled(i + 1))]);
    expect(parsed((await opossum(['tail', '--dir', dir, '--json'])).stdout).map(({ position }) => position)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(parsed((await opossum(['tail', '-n', '1', '--type', 'CourseDefined', '--dir', dir, '--json'])).stdout).map(({ position }) => position)).toEqual([1]);
    expect((await opossum(['tail', '-n', '0', '--dir', dir])).stdout).toBe('');
  });

  test('--follow goes on with what other processes append, until Ctrl-C', async () => {
    const dir = await storeWith(course);
    const running = new Running(['tail', '--follow', '--json', '--dir', dir]);
    await running.shows('"id":"c"');
    const store = await openStore({ directory: dir });
    await store.append(enrolled(1));
    await running.shows('"id":"e1"');
    await store.append(enrolled(2));
    await running.shows('"id":"e2"');
    await store.close();
    running.process.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(parsed(stdout).map(({ position }) => position)).toEqual([1, 2, 3]);
  });
});

describe('stats, contexts and verify', () => {
  test('count, list and find nothing wrong', async () => {
    const dir = await storeWith([course, enrolled(1), enrolled(2)]);
    const other = await openStore({ directory: dir, context: 'billing' });
    await other.append({ type: 'A', data: 1 });
    await other.close();
    expect(parsed((await opossum(['contexts', '--dir', dir, '--json'])).stdout)).toEqual([{ context: 'billing' }, { context: 'default' }]);
    expect((await opossum(['contexts', '--dir', dir])).stdout).toBe('billing\ndefault\n');
    const [stats] = parsed((await opossum(['stats', '--dir', dir, '--json', '--top-tags', '1'])).stdout);
    expect(stats).toMatchObject({ context: 'default', events: 3, head: 3, types: [{ type: 'StudentEnrolled', count: 2 }, { type: 'CourseDefined', count: 1 }], tags: [{ tag: 'course:c1', count: 3 }], distinctTags: 3 });
    const { stdout } = await opossum(['stats', '--dir', dir, '--context', 'billing']);
    expect(stdout).toMatch(/^events +1 \(head 1\)$/m);
    const verified = await opossum(['verify', '--dir', dir]);
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.stdout).toMatch(/^OK {2}3 events in .* of ledger checked/);
  });

  test('ends with 5 when the ledger is damaged, and says where', async () => {
    const dir = await storeWith([course, enrolled(1)], { durability: 'commit' });
    const ledger = path.join(dir, 'default', 'ledger');
    const bytes = fs.readFileSync(ledger);
    const at = bytes.indexOf('StudentEnrolled');
    bytes[at] = bytes[at]! ^ 1;
    fs.writeFileSync(ledger, bytes);
    const human = await opossum(['verify', '--dir', dir]);
    expect(human.code).toBe(5);
    expect(human.stdout).toMatch(/^DAMAGED {2}/);
    const json = await opossum(['verify', '--dir', dir, '--json']);
    expect(json.code).toBe(5);
    expect(parsed(json.stdout)[0]).toMatchObject({ ok: false });
    const read = await opossum(['read', '--dir', dir]);
    expect(read.code).toBe(5);
    expect(read.stderr).toMatch(/^opossum: LEDGER_CORRUPT: /);
  });
});

describe('a folder without a store', () => {
  test.each([['read'], ['tail'], ['stats'], ['verify'], ['export', '-']])('%s says so and makes nothing', async (...args) => {
    const dir = freshFolder();
    const { code, stdout, stderr } = await opossum([...args, '--dir', dir]);
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' });
    expect(stderr).toMatch(/INVALID_INPUT: There is no context "default" in .*\. It holds no store\.\n$/);
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  test('is not made when it is missing', async () => {
    const dir = path.join(freshFolder(), 'nowhere');
    expect((await opossum(['read', '--dir', dir])).stderr).toMatch(/INVALID_INPUT: There is no folder .*nowhere\.\n$/);
    expect(fs.existsSync(dir)).toBe(false);
  });

  test('names the contexts that are there', async () => {
    const dir = await storeWith(course, { context: 'billing' });
    expect((await opossum(['read', '--dir', dir])).stderr).toMatch(/There are: billing\.\n$/);
    expect(fs.readdirSync(dir)).toEqual(['billing']);
  });

  test('is refused as a context name outside the rule', async () => {
    const dir = freshFolder();
    const { code, stderr } = await opossum(['append', '--dir', dir, '--context', '../evil', '--type', 'A']);
    expect(code).toBe(7);
    expect(stderr).toMatch(/INVALID_INPUT: options\.context/);
  });
});

// Windows has no such rights.
describe.skipIf(process.platform === 'win32')('a folder that this user may not read', () => {
  test('is told as such: what is wanted is the right to read', async () => {
    const dir = await storeWith(course);
    fs.chmodSync(dir, 0o755);
    fs.chmodSync(path.join(dir, 'default', 'ledger'), 0o000);
    for (const command of ['read', 'tail']) {
      const { code, stderr } = await opossumAsAnybody([command, '--dir', dir]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^opossum: .*default cannot be read: EACCES: .*\. Give this user the right to read that\.\n$/);
    }
    expect((await opossumAsAnybody(['stats', '--dir', dir])).stderr).toMatch(/^opossum: STORAGE_FAILED: .*default cannot be read: EACCES: /);
    fs.chmodSync(path.join(dir, 'default'), 0o000);
    const { code, stderr } = await opossumAsAnybody(['contexts', '--dir', dir]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^opossum: The contexts in .* cannot be listed: EACCES: .*\. Give this user the right to read that\.\n$/);
    fs.chmodSync(path.join(dir, 'default'), 0o700);
  });
});

describe('usage', () => {
  test.each([[['read']], [['nonsense']], [['import', '--dir', '.']], [[]]])('%j ends with 2, on standard error', async (args) => {
    const { code, stdout, stderr } = await opossum(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  test('contexts has no --context', async () => {
    expect((await opossum(['contexts', '--help'])).stdout).not.toContain('--context');
    expect((await opossum(['contexts', '--dir', '.', '--context', 'x'])).code).toBe(2);
  });

  test('--help lists commands and exit codes on standard output', async () => {
    const { code, stdout, stderr } = await opossum(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const word of ['append', 'read', 'tail', 'stats', 'contexts', 'import', 'export', 'verify', 'demo', '130', 'NO_COLOR']) expect(stdout).toContain(word);
  });

  test('OPOSSUM_DEBUG=1 adds where an error comes from', async () => {
    const dir = await storeWith(course);
    const { stderr } = await opossum(['read', '--dir', dir, '--after', '9'], { env: { OPOSSUM_DEBUG: '1' } });
    expect(stderr).toMatch(/PositionAheadError: [\s\S]*\n {4}at /);
  });
});
