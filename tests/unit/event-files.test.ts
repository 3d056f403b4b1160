import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChainPoint } from '../../src/core/stored.js';
import { systemClock, type Clock } from '../../src/disk/clock.js';
import type { Disk } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { eventFileContent, openEventFileCodec } from '../../src/eventfiles/event-file.js';
import type { EventFileWriter } from '../../src/eventfiles/event-file-writer.js';
import { fileName, folderName, positionOf } from '../../src/eventfiles/paths.js';
import { Progress } from '../../src/eventfiles/progress.js';
import { begin, eventFileWriter, json, storedBatch } from '../support/event-file-writers.js';
import { freshFolder } from '../support/folder.js';

describe('an event file', () => {
  test.each(['json', 'msgpack'] as const)('gives back what it holds (%s), and its first of a batch the condition', async (format) => {
    const codec = await openEventFileCodec(format);
    for (const index of [0, 1]) {
      const content = eventFileContent(storedBatch(5, 2), index);
      expect('condition' in content.batch).toBe(index === 0);
      expect(codec.decode(codec.encode(content))).toEqual(content);
    }
  });

  test.each(['json', 'msgpack'] as const)('is recognised as damaged when any byte is another or is missing (%s)', async (format) => {
    const codec = await openEventFileCodec(format);
    const bytes = codec.encode(eventFileContent(storedBatch(5, 2), 0));
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i] = damaged[i]! ^ 1;
      expect(codec.decode(damaged), `byte ${i}`).toBeUndefined();
      expect(codec.decode(bytes.subarray(0, i)), `length ${i}`).toBeUndefined();
    }
  });

  test('in JSON can be read by a person and by any JSON parser', () => {
    const text = json.encode(eventFileContent(storedBatch(1, 1), 0)).toString();
    expect(JSON.parse(text)).toMatchObject({ position: 1, type: 'T', data: { n: 0 }, batch: { first: 1, count: 1 }, checksum: expect.stringMatching(/^[0-9a-f]{8}$/) });
    expect(text).toContain('\n  "type": "T",\n');
  });
});

describe('names of event files', () => {
  test('follow the layout of the folder', () => {
    expect([1, 1000, 1001, 2000, 10_000_000_000].map(folderName)).toEqual(['0000001', '0000001', '0000002', '0000002', '10000000']);
    expect([1, 1234, 12_345_678_901].map((position) => fileName(position, 'json'))).toEqual(['000000001.json', '000001234.json', '12345678901.json']);
  });

  test('lead back to their position, and other names to none', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (position) => positionOf(fileName(position, 'msgpack'), 'msgpack') === position));
    for (const name of ['000000000.json', '00000001.json', '0000000001.json', '000000001.msgpack', '.000000001.json.x.tmp', 'notes.json']) {
      expect(positionOf(name, 'json'), name).toBeUndefined();
    }
  });
});

describe('progress', () => {
  const point = (position: number): ChainPoint => ({ position, checksum: position, offset: position * 10 });

  // Goal: the complete mark never passes a file that was not reported. Method: report random batches in random order and
  // compare with the longest unbroken prefix.
  test('reaches exactly to the first gap', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 }), fc.infiniteStream(fc.nat()), (counts, order) => {
        const ends = counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b));
        const waiting = ends.map((end, i) => ({ from: ends[i - 1] ?? 0, end }));
        const progress = new Progress(undefined);
        const done = new Set<number>();
        while (waiting.length > 0) {
          const [next] = waiting.splice(order.next().value! % waiting.length, 1);
          progress.done(next!.from, point(next!.end));
          done.add(next!.end);
          const prefix = ends.findIndex((end) => !done.has(end));
          const expected = prefix === 0 ? 0 : (ends[prefix < 0 ? ends.length - 1 : prefix - 1] ?? 0);
          const reachable = progress.reachable();
          expect(reachable[reachable.length - 1]?.position ?? progress.complete?.position ?? 0).toBe(expected);
          if (reachable.length > 0 && order.next().value! % 2 === 0) {
            progress.moveTo(reachable[order.next().value! % reachable.length]!);
            expect(progress.reachable().at(-1)?.position ?? progress.complete!.position).toBe(expected);
          }
        }
      }),
    );
  });
});

describe('the writer of event files', () => {
  const listed = (directory: string): string[] => (fs.readdirSync(directory, { recursive: true }) as string[]).filter((name) => name.includes('.')).sort();

  test('puts every file in its folder, whole, and leaves nothing else', async () => {
    const directory = path.join(freshFolder(), 'events');
    const batches = [storedBatch(1, 1), storedBatch(2, 998), storedBatch(1000, 3)];
    const files = eventFileWriter(directory, batches);
    files.add(begin, 1);
    files.add(batches[0]!.point, 1002);
    await files.flush(() => false);
    expect(listed(directory)).toHaveLength(1002);
    expect(listed(directory).slice(-2)).toEqual(['0000002/000001001.json', '0000002/000001002.json']);
    const bytes = fs.readFileSync(path.join(directory, '0000002/000001002.json'));
    expect(json.decode(bytes)).toEqual(eventFileContent(batches[2]!, 2));
    await files.syncFiles(() => true);
    expect(files.complete).toEqual(batches[2]!.point);
  });

  test('healing rewrites what is missing or differs and leaves the rest alone', async () => {
    const directory = path.join(freshFolder(), 'events');
    const batches = [storedBatch(1, 5)];
    const first = eventFileWriter(directory, batches);
    first.add(begin, 5);
    await first.flush(() => false);
    const at = (n: number): string => path.join(directory, '0000001', fileName(n, 'json'));
    fs.rmSync(at(2));
    fs.writeFileSync(at(3), '');
    fs.writeFileSync(path.join(directory, '0000001', fileName(9, 'json')), 'of no frame');
    const untouched = fs.statSync(at(4)).ino;
    const second = eventFileWriter(directory, batches);
    second.heal(5);
    await waitFor(() => second.idle);
    for (const n of [1, 2, 3, 4, 5]) expect(json.decode(fs.readFileSync(at(n)))?.position).toBe(n);
    expect(fs.statSync(at(4)).ino).toBe(untouched);
    expect(fs.readFileSync(at(9), 'utf8')).toBe('of no frame');
  });

  test('a file whose sync failed and that cannot be made anew is taken out of the way, until it can', async () => {
    const directory = path.join(freshFolder(), 'events');
    let failing = false;
    const disk: Disk = {
      ...nodeDisk,
      syncFile: (file) => (failing && file.endsWith('000000002.json') ? Promise.reject(Object.assign(new Error('no'), { code: 'EIO' })) : nodeDisk.syncFile(file)),
      createFile(file, bytes) {
        if (failing) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        return nodeDisk.createFile(file, bytes);
      },
    };
    const files = eventFileWriter(directory, [storedBatch(1, 3)], { disk });
    files.add(begin, 3);
    await files.flush(() => false);
    failing = true;
    await expect(files.syncFiles(() => true)).rejects.toMatchObject({ code: 'EIO' });
    expect(listed(directory).filter((name) => !name.endsWith('.tmp'))).toEqual(['0000001/000000001.json', '0000001/000000003.json']);
    expect(files.complete).toBeUndefined();
    failing = false;
    await files.syncFiles(() => true);
    expect(listed(directory)).toEqual(['0000001/000000001.json', '0000001/000000002.json', '0000001/000000003.json']);
    expect(files.complete?.position).toBe(3);
  });

  test('flush goes on healing for as long as it may', async () => {
    const directory = path.join(freshFolder(), 'events');
    const batches = [storedBatch(1, 5)];
    const hurried = eventFileWriter(directory, batches);
    hurried.heal(5);
    let left = 2;
    await hurried.flush(() => left-- > 0);
    expect(hurried.idle).toBe(true);
    expect(listed(directory).length).toBeLessThan(5);
    const patient = eventFileWriter(directory, batches);
    patient.heal(5);
    await patient.flush(() => true);
    expect(listed(directory)).toHaveLength(5);
  });

  test('pauses longer while appends take most of the time', async () => {
    const pausesWith = async (workedMs: () => number): Promise<number> => {
      const delays: number[] = [];
      const clock: Clock = { ...systemClock, timer: (delayMs, callback) => (delays.push(delayMs), setImmediate(callback), () => undefined) };
      const files = eventFileWriter(path.join(freshFolder(), 'events'), [storedBatch(1, 2)], { clock, isBusy: () => true, workedMs });
      files.add(begin, 2);
      await waitFor(() => files.idle);
      await files.stop();
      return Math.max(...delays);
    };
    const relaxed = await pausesWith(() => 0);
    expect(relaxed).toBeGreaterThan(0);
    let workedMs = 0;
    expect(await pausesWith(() => (workedMs += 1000))).toBeGreaterThan(relaxed);
  });

  test.each(['flush', 'stop'] as const)('%s does not wait for the pause that is made while appends go on', async (end) => {
    const directory = path.join(freshFolder(), 'events');
    let pauses = 0;
    const clock: Clock = { ...systemClock, timer: () => (pauses++, () => undefined) };
    const files = eventFileWriter(directory, [storedBatch(1, 2)], { clock, isBusy: () => true });
    files.add(begin, 2);
    await waitFor(() => pauses === 1);
    await (end === 'flush' ? files.flush(() => false) : files.stop());
    if (end === 'flush') expect(listed(directory)).toHaveLength(2);
  });

  test('goes on after a full disk, and flush says when it is still full', async () => {
    const directory = path.join(freshFolder(), 'events');
    let full = true;
    const problems: unknown[] = [];
    const disk: Disk = {
      ...nodeDisk,
      createFile(file, bytes) {
        if (full) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        return nodeDisk.createFile(file, bytes);
      },
    };
    const files = eventFileWriter(directory, [storedBatch(1, 2)], { disk, onProblem: (problem) => problems.push(problem) });
    files.add(begin, 2);
    await waitFor(() => problems.length === 1);
    await expect(files.flush(() => false)).rejects.toThrow('no space');
    full = false;
    await files.flush(() => false);
    expect(listed(directory)).toEqual(['0000001/000000001.json', '0000001/000000002.json']);
  });

  /** Timers go off at once: the writer tries again and again. */
  const hastyClock: Clock = {
    ...systemClock,
    timer(_, callback) {
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
  };
  const failingDisk = (failures: string[]): Disk => ({
    ...nodeDisk,
    createFile(file, bytes) {
      const code = failures.shift();
      if (code) throw Object.assign(new Error(`${code}: ${file}`), { code });
      return nodeDisk.createFile(file, bytes);
    },
  });

  test('tells of each kind of error once, and again only after it worked meanwhile', async () => {
    const failures = ['ENOSPC', 'ENOSPC', 'EACCES', 'ENOSPC', 'EACCES', 'ENOSPC'];
    const problems: string[] = [];
    const batches = [storedBatch(1, 2), storedBatch(3, 1)];
    const files = eventFileWriter(path.join(freshFolder(), 'events'), batches, {
      disk: failingDisk(failures),
      clock: hastyClock,
      onProblem: (problem) => problems.push((problem as { code: string }).code),
    });
    files.add(begin, 2);
    await waitFor(() => files.idle);
    expect(problems).toEqual(['ENOSPC', 'EACCES']);
    failures.push('ENOSPC', 'ENOSPC');
    files.add(batches[0]!.point, 3);
    await waitFor(() => files.idle);
    expect(problems).toEqual(['ENOSPC', 'EACCES', 'ENOSPC']);
  });

  test('makes a folder or a temporary file again that somebody removed, without a word', async () => {
    const directory = path.join(freshFolder(), 'events');
    let renames = 0;
    const disk: Disk = {
      ...nodeDisk,
      rename(from, to) {
        renames++;
        if (renames === 1) fs.rmSync(from);
        if (renames === 3) fs.rmSync(directory, { recursive: true });
        return nodeDisk.rename(from, to);
      },
    };
    const files = eventFileWriter(directory, [storedBatch(1, 2)], { disk });
    files.add(begin, 2);
    await files.flush(() => false);
    expect(renames).toBe(4);
    expect(listed(directory)).toContain('0000001/000000002.json');
    expect(listed(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('makes a file anew that could not be synced, and calls it durable only when the new one is', async () => {
    const directory = path.join(freshFolder(), 'events');
    const at = path.join(directory, '0000001/000000002.json');
    let failures = 2;
    const synced: string[] = [];
    const disk: Disk = {
      ...nodeDisk,
      async syncFile(file) {
        if (file === at && failures-- > 0) throw Object.assign(new Error('no'), { code: 'EIO' });
        synced.push(file);
        return nodeDisk.syncFile(file);
      },
    };
    const batches = [storedBatch(1, 1), storedBatch(2, 2)];
    const files = eventFileWriter(directory, batches, { disk });
    files.add(begin, 3);
    await files.flush(() => false);
    for (let failure = 0; failure < 2; failure++) {
      const before = fs.openSync(at, 'r');
      await expect(files.syncFiles(() => true)).rejects.toThrow('no');
      // The old one is held open, so that its number is not given to the new one.
      expect(fs.statSync(at).ino).not.toBe(fs.fstatSync(before).ino);
      fs.closeSync(before);
      expect(files.complete).toBeUndefined();
    }
    expect(json.decode(fs.readFileSync(at))).toEqual(eventFileContent(batches[1]!, 0));
    await files.syncFiles(() => true);
    expect(files.complete).toEqual(batches[1]!.point);
    expect(synced).toContain(at);
  });

  test('leaves a file alone that could not be opened for syncing because too many are open', async () => {
    const directory = path.join(freshFolder(), 'events');
    let isFull = true;
    const disk: Disk = {
      ...nodeDisk,
      async syncFile(file) {
        if (isFull) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
        return nodeDisk.syncFile(file);
      },
      createFile(file, bytes) {
        if (isFull && files) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
        return nodeDisk.createFile(file, bytes);
      },
    };
    let files: EventFileWriter | undefined;
    const made = eventFileWriter(directory, [storedBatch(1, 1)], { disk });
    made.add(begin, 1);
    await made.flush(() => false);
    files = made;
    await expect(files.syncFiles(() => true)).rejects.toThrow('too many open files');
    expect(listed(directory)).toEqual(['0000001/000000001.json']);
    isFull = false;
    await files.syncFiles(() => true);
    expect(files.complete).toEqual({ position: 1, checksum: 1, offset: 100 });
  });

  test('leaves no temporary file behind when a file cannot be renamed', async () => {
    const directory = path.join(freshFolder(), 'events');
    const disk: Disk = {
      ...nodeDisk,
      rename() {
        throw Object.assign(new Error('no'), { code: 'EIO' });
      },
    };
    const files = eventFileWriter(directory, [storedBatch(1, 1)], { disk, onProblem: () => undefined });
    files.add(begin, 1);
    await expect(files.flush(() => false)).rejects.toThrow('no');
    expect(listed(directory)).toEqual([]);
  });

  test('does not read a ledger again and again that does not hold what is owed', async () => {
    const files = eventFileWriter(path.join(freshFolder(), 'events'), [storedBatch(1, 2)], { onProblem: () => undefined });
    files.add(begin, 5);
    await expect(files.flush(() => false)).rejects.toThrow('does not hold the events up to position 5');
  });
});

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
