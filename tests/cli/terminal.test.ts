/* What is shown: colours only on a terminal that wants them, columns, sizes and numbers. */
import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { EventListing } from '../../src/cli/event-listing.js';
import { exitCodeOf, Interrupted, OutputClosed, usageError } from '../../src/cli/exit-codes.js';
import { startProgress } from '../../src/cli/progress-bar.js';
import { Output, type Terminal } from '../../src/cli/terminal.js';
import { bytes, count, fit, seconds, table, visible } from '../../src/cli/text.js';
import { LockTimeoutError, PositionAheadError, StorageFailedError } from '../../src/index.js';

class FakeStream extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 70;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.text += chunk.toString();
    done();
  }
}

const outputOn = (stream: FakeStream): Output => new Output(stream as unknown as NodeJS.WriteStream);

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('colours', () => {
  test.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
  ])('on a terminal: %s, with %j: %s', (isTTY, env, coloured) => {
    vi.stubEnv('NO_COLOR', undefined);
    vi.stubEnv('TERM', 'xterm');
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect(outputOn(new FakeStream(isTTY)).style('red', 'x')).toBe(coloured ? '\u001b[31mx\u001b[39m' : 'x');
  });

  test('do not count as width: a line on a terminal is cut to fit', async () => {
    vi.stubEnv('NO_COLOR', '1');
    const stream = new FakeStream(true);
    await new EventListing(outputOn(stream), false).write([{ position: 1, id: 'a', type: 'T', tags: ['x:1'], data: 'y'.repeat(100), metadata: {}, timestamp: '2026-01-01T00:00:00Z' }]);
    expect(stream.text.trimEnd()).toHaveLength(70);
    expect(stream.text).toMatch(/y…\n$/);
  });
});

describe('progress', () => {
  const barOn = (stream: FakeStream, total: number | undefined, lineEveryMs?: number) => startProgress({ err: outputOn(stream) } as Terminal, 'Verifying', total, lineEveryMs);
  /** What was written each time that the cursor was put back to the beginning of the line. */
  const drawn = (text: string): string[] => text.split(/\u001b\[\d?G/).map((line) => stripVTControlCharacters(line).trimEnd()).filter((line) => line !== '');

  test('on a terminal is a bar that grows, and is gone at the end', async () => {
    vi.stubEnv('TERM', 'xterm');
    const stream = new FakeStream(true);
    const bar = await barOn(stream, 200);
    bar.update(50, '50 events');
    // Drawn ten times a second at most.
    await expect.poll(() => stream.text).toContain('50 events');
    bar.update(1000, 'more than there were');
    bar.stop();
    const lines = drawn(stream.text);
    expect(lines[0]).toBe(`Verifying [${' '.repeat(30)}] 0 %`);
    expect(lines).toContain(`Verifying [${'='.repeat(8)}${' '.repeat(22)}] 25 %  50 events`);
    expect(lines.at(-1)).toBe(`Verifying [${'='.repeat(30)}] 100 %  more than there were`);
    // The last thing is to clear the line that the bar was in.
    expect(stream.text.endsWith('\u001b[1G\u001b[2K')).toBe(true);
  });

  test('into a file is a line now and then, and none where nothing took long', async () => {
    const stream = new FakeStream(false);
    const often = await barOn(stream, 200, 0);
    often.update(50, '50 events');
    often.update(200, 'all events');
    often.stop();
    const rarely = await barOn(stream, 200);
    rarely.update(50, 'so soon');
    rarely.stop();
    expect(stream.text).toBe('Verifying: 25 %, 50 events\nVerifying: 99 %, all events\n');
  });

  test('without a total tells only what is known', async () => {
    const stream = new FakeStream(true);
    const bar = await barOn(stream, undefined, 0);
    bar.update(7, '7 events');
    bar.stop();
    expect(stream.text).toBe('Verifying: 7 events\n');
  });
});

test('an output whose reader went away ends the command quietly', async () => {
  const stream = new FakeStream(false);
  const output = outputOn(stream);
  stream._write = (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  await expect(output.write('x')).rejects.toBeInstanceOf(OutputClosed);
  await expect(output.write('y')).rejects.toBeInstanceOf(OutputClosed);
});

test('an output that takes no more is an error in one line, with what was done all the same', async () => {
  const stream = new FakeStream(false);
  const output = outputOn(stream);
  stream._write = (_chunk, _encoding, done) => done(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
  const message = 'cannot write to standard output (ENOSPC: no space left on device)';
  await expect(output.write('x')).rejects.toMatchObject({ message, exitCode: 1 });
  await expect(output.result('y', 'It is done.')).rejects.toMatchObject({ message: `${message}. It is done.`, exitCode: 1 });
});

test('exit codes follow from errors', () => {
  expect([
    exitCodeOf(usageError('x')),
    exitCodeOf(new Interrupted()),
    exitCodeOf(new Interrupted('SIGTERM')),
    exitCodeOf(new Interrupted('SIGHUP')),
    exitCodeOf(new OutputClosed()),
    exitCodeOf(new LockTimeoutError('x')),
    exitCodeOf(new PositionAheadError(2, 1)),
    exitCodeOf(new StorageFailedError('x', 'unknown')),
    exitCodeOf(Object.assign(new Error('x'), { code: 'toString' })),
    exitCodeOf('x'),
  ]).toEqual([2, 130, 143, 129, 0, 6, 7, 1, 1, 1]);
});

test('text helpers', () => {
  expect(table([['a', '1'], ['bbb', '22']], [1])).toEqual(['a     1', 'bbb  22']);
  expect([bytes(999), bytes(1000), bytes(2_640_514)]).toEqual(['999 B', '1.0 kB', '2.6 MB']);
  expect([count(1, 'event'), count(8577, 'event')]).toEqual(['1 event', '8,577 events']);
  expect([seconds(1234), seconds(12_345)]).toEqual(['1.23 s', '12.3 s']);
  expect([fit('abcdef', 4), fit('abcd', 4), fit('ab😀', 4), fit('abc😀', 4), fit('abcdef', undefined)]).toEqual(['abc…', 'abcd', 'ab😀', 'abc…', 'abcdef']);
  expect(visible('a\tb\u001b[0m é 😀')).toBe('a\\u0009b\\u001b[0m é 😀');
});
