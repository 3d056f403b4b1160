/* import and export on the built command: files, standard streams, broken lines, interruption and going on. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { freshFolder } from '../support/folder.js';
import { sorted } from '../support/ocel.js';
import { ndjson, opossum, parsed, Running } from './command.js';

const numbered = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ id: `e${i + 1}`, type: 'Counted', tags: [`n:${i + 1}`], data: { n: i + 1 } }));

async function headOf(dir: string): Promise<number> {
  const store = await openStore({ directory: dir });
  const head = await store.head();
  await store.close();
  return head;
}

describe('import', () => {
  test('adds what is missing, and reports events a second', async () => {
    const dir = freshFolder();
    const file = path.join(dir, 'events.ndjson');
    fs.writeFileSync(file, ndjson(numbered(1500)));
    const first = await opossum(['import', file, '--dir', dir]);
    expect(first.code).toBe(0);
    // On a slow machine it says what it waits for.
    expect(['', 'All events are stored; their event files are still being written.\n']).toContain(first.stderr.replace(`new context "default" in ${dir}\n`, ''));
    expect(first.stdout).toMatch(/^1,500 events imported, 0 were there already \(\d.* s, [\d,]+ events\/s\)\n$/);
    fs.appendFileSync(file, ndjson([{ id: 'late', type: 'Counted', data: null }]));
    const second = await opossum(['import', file, '--dir', dir, '--json', '--batch-size', '400']);
    expect(parsed(second.stdout)[0]).toMatchObject({ imported: 1, present: 1500, seconds: expect.any(Number) as number, eventsPerSecond: expect.any(Number) as number });
  });

  test('of a file with a broken line names it, keeps the batches before it, and goes on when it is mended', async () => {
    const dir = freshFolder();
    const file = path.join(dir, 'events.ndjson');
    const rows = ndjson(numbered(2500)).split('\n');
    fs.writeFileSync(file, rows.map((row, i) => (i === 1699 ? row.slice(0, 20) : row)).join('\n'));
    const { code, stdout, stderr } = await opossum(['import', file, '--dir', dir]);
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' });
    expect(stderr).toMatch(/^new context "default" in .*\nopossum: INVALID_INPUT: .*events\.ndjson:1700 is not valid JSON: .* 1000 events before it were imported, .* run the same import again.*\n$/);
    expect(await headOf(dir)).toBe(1000);
    fs.writeFileSync(file, rows.join('\n'));
    expect((await opossum(['import', file, '--dir', dir])).stdout).toMatch(/^1,500 events imported, 1,000 were there already/);
  });

  test('that is interrupted keeps what it has, says how to go on, and ends with 130', async () => {
    const dir = freshFolder();
    const running = new Running(['import', '-', '--dir', dir]);
    running.process.stdin!.write(ndjson(numbered(2500)));
    await expect.poll(() => fs.existsSync(path.join(dir, 'default', 'ledger')) && headOf(dir), { timeout: 10_000, interval: 50 }).toBe(2000);
    running.process.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toBe(`new context "default" in ${dir}\nInterrupted: 2,000 events imported, 0 were there already. Run the same import again to go on: what is stored is skipped.\n`);
    const again = await opossum(['import', '-', '--dir', dir, '--batch-size', '700'], { input: ndjson(numbered(2500)) });
    expect(again.stdout).toMatch(/^500 events imported, 2,000 were there already/);
    expect(await headOf(dir)).toBe(2500);
  });

  test.each([
    [['nowhere.ndjson'], 7, /There is no file nowhere\.ndjson\./],
    [['.'], 7, /\. is a folder, not a file\./],
    [['-', '--batch-size', '0'], 2, /whole number from 1/],
    [['-', '--batch-size', '100001'], 2, /100000 at most/],
    [['-', '--format', 'csv'], 2, /Allowed choices are ndjson, ocel/],
  ])('%j ends with %i', async (args, code, message) => {
    const result = await opossum(['import', ...args, '--dir', freshFolder()]);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
  });
});

describe('export', () => {
  test('to standard output copies a store through a pipe', async () => {
    const dir = freshFolder();
    await opossum(['import', '-', '--dir', dir], { input: ndjson(numbered(50)) });
    const exported = await opossum(['export', '-', '--dir', dir]);
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    await opossum(['import', '-', '--dir', dir, '--context', 'copy'], { input: exported.stdout });
    expect((await opossum(['read', '--json', '--dir', dir, '--context', 'copy'])).stdout).toBe(exported.stdout);
    const part = await opossum(['export', '-', '--dir', dir, '--tag', 'n:7', '--after', '2', '--before', '9']);
    expect(parsed(part.stdout).map(({ position }) => position)).toEqual([7]);
  });

  test('writes a file whole, and replaces one only with --force', async () => {
    const dir = freshFolder();
    const file = path.join(dir, 'out.ndjson');
    await opossum(['import', '-', '--dir', dir], { input: ndjson(numbered(5)) });
    const { code, stdout, stderr } = await opossum(['export', file, '--dir', dir]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/^5 events exported to .*out\.ndjson/);
    expect(parsed(fs.readFileSync(file, 'utf8'))).toHaveLength(5);
    fs.writeFileSync(file, 'precious');
    expect(await opossum(['export', file, '--dir', dir])).toMatchObject({ code: 7 });
    expect(fs.readFileSync(file, 'utf8')).toBe('precious');
    expect(await opossum(['export', file, '--dir', dir, '--force', '--type', 'Counted'])).toMatchObject({ code: 0 });
    expect(parsed(fs.readFileSync(file, 'utf8'))).toHaveLength(5);
    expect(await opossum(['export', path.join(dir, 'no', 'where'), '--dir', dir])).toMatchObject({ code: 7 });
    expect(fs.readdirSync(dir).sort()).toEqual(['default', 'out.ndjson']);
  });
});

// Windows has no such signals.
test.skipIf(process.platform === 'win32').each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('an export that gets %s leaves nothing behind, says how to go on, and ends with %i', async (signal, code) => {
  const dir = freshFolder();
  const store = await openStore({ directory: dir, durability: 'os', eventFiles: 'none' });
  // Enough that the signal comes before the end.
  for (let n = 0; n < 6; n++) await store.append(Array.from({ length: 10_000 }, () => ({ type: 'A', data: 'x'.repeat(400) })));
  await store.close();
  const out = path.join(dir, 'out.ndjson');
  const running = new Running(['export', out, '--dir', dir]);
  while (!fs.readdirSync(dir).some((name) => name.endsWith('.part'))) await new Promise((resolve) => setTimeout(resolve, 2));
  running.process.kill(signal);
  expect(await running.ended).toEqual({ code, stdout: '', stderr: `Interrupted: ${out} was not written, and the store is as it was. Run the same export again.\n` });
  expect(fs.readdirSync(dir)).toEqual(['default']);
});

const data = process.env['OPOSSUM_DATA'];

describe.skipIf(!data)(`real logs${data ? '' : ' (skipped: OPOSSUM_DATA names no folder with them)'}`, () => {
  test('the permits are imported, asked and exported', async () => {
    const dir = freshFolder();
    const file = path.join(data ?? '', 'permits.ndjson');
    expect((await opossum(['import', file, '--dir', dir])).stdout).toMatch(/^8,577 events imported, 0 were there already/);
    const one = await opossum(['read', '--dir', dir, '--tag', 'case:case-891', '--json']);
    const rows = fs.readFileSync(file, 'utf8').trimEnd().split('\n').map((row) => JSON.parse(row) as { id: string; tags: string[] });
    expect(parsed(one.stdout).map(({ id }) => id)).toEqual(rows.filter(({ tags }) => tags.includes('case:case-891')).map(({ id }) => id));
    const exported = parsed((await opossum(['export', '-', '--dir', dir])).stdout).map(({ position: _, timestamp: __, ...event }) => event);
    expect(exported).toEqual(rows);
  });

  test('the procurement log survives a round trip', async () => {
    const dir = freshFolder();
    const file = path.join(data ?? '', 'procurement.ocel.json');
    const out = path.join(dir, 'out.ocel.json');
    const { stdout, stderr } = await opossum(['import', file, '--dir', dir]);
    expect(stdout).toMatch(/^13 events imported/);
    expect(stderr).toMatch(/1 event of type "ocel:log"/);
    await opossum(['export', out, '--dir', dir]);
    const original: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    expect(sorted(JSON.parse(fs.readFileSync(out, 'utf8')))).toEqual(sorted(original));
    await opossum(['import', '-', '--dir', dir, '--context', 'second'], { input: fs.readFileSync(out, 'utf8') });
    expect(sorted(JSON.parse((await opossum(['export', '-', '--format', 'ocel', '--dir', dir, '--context', 'second'])).stdout))).toEqual(sorted(original));
  });
});
