/*
 * goal: a folder of event files that is filled aside appears whole, gets in nobody's way, and leaves nothing behind.
 * method: the writer on a real folder, with a disk that fails, or lets another process in, at a chosen moment.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { eventFileContent } from '../../src/eventfiles/event-file.js';
import type { EventFileWriter } from '../../src/eventfiles/event-file-writer.js';
import { fileName, folderName } from '../../src/eventfiles/paths.js';
import { begin, eventFileWriter, json, storedBatch } from '../support/event-file-writers.js';
import { fastFolder } from '../support/folder.js';

/** 2,450 events in batches that do not end where folders do. */
const batches = [storedBatch(1, 300), storedBatch(301, 400), storedBatch(701, 800), storedBatch(1501, 700), storedBatch(2201, 250)];
const all = 2450;

const writer = (directory: string, disk: Disk, problems: unknown[] = []): EventFileWriter =>
  eventFileWriter(directory, batches, { disk, onProblem: (problem) => problems.push(problem) });

function expectAllInPlace(directory: string): void {
  const names = (fs.readdirSync(directory, { recursive: true }) as string[]).filter((name) => name.includes('.')).sort();
  expect(names).toEqual(Array.from({ length: all }, (_, i) => path.join(folderName(i + 1), fileName(i + 1, 'json'))));
  for (const one of batches) {
    for (const index of [0, one.count - 1]) {
      const position = one.first + index;
      const bytes = fs.readFileSync(path.join(directory, folderName(position), fileName(position, 'json')));
      expect(json.decode(bytes)).toEqual(eventFileContent(one, index));
    }
  }
}

const isAside = (name: string): boolean => /^\.\d{7}\.test\.tmp$/.test(name);

describe('a folder filled aside', () => {
  test('appears whole; what is no whole folder is made file by file; the mark can stop at every batch', async () => {
    const directory = path.join(fastFolder(), 'events');
    const renamed: string[] = [];
    const disk: Disk = {
      ...nodeDisk,
      rename(from, to) {
        renamed.push(path.relative(directory, to));
        return nodeDisk.rename(from, to);
      },
    };
    const files = writer(directory, disk);
    files.add(begin, all);
    await files.flush(() => false);
    expectAllInPlace(directory);
    expect(renamed.slice(0, 2)).toEqual(['0000001', '0000002']);
    expect(renamed).toHaveLength(2 + 450);
    const marks: number[] = [];
    for (let n = 0; files.complete?.position !== all; n++) {
      let left = 1000;
      await files.syncFiles(() => left-- > 0);
      marks.push(files.complete?.position ?? 0);
      expect(n).toBeLessThan(10);
    }
    expect(new Set(marks).size).toBeGreaterThan(2);
  });

  test('is not begun for events that came while the others are written', async () => {
    const directory = path.join(fastFolder(), 'events');
    const problems: unknown[] = [];
    let grown = false;
    const disk: Disk = {
      ...nodeDisk,
      rename(from, to) {
        if (!grown) files.add(batches[2]!.point, all);
        grown = true;
        return nodeDisk.rename(from, to);
      },
    };
    const files = writer(directory, disk, problems);
    // Ends within the second folder.
    files.add(begin, batches[2]!.point.position);
    await files.flush(() => false);
    expect(grown).toBe(true);
    expect(problems).toEqual([]);
    expectAllInPlace(directory);
  });

  test('gives way when another process made one of that name meanwhile', async () => {
    const directory = path.join(fastFolder(), 'events');
    const theirs = path.join(directory, '0000001', fileName(5, 'json'));
    let inode = 0;
    const disk: Disk = {
      ...nodeDisk,
      createFile(file, bytes) {
        if (inode === 0 && isAside(path.basename(path.dirname(file)))) {
          fs.mkdirSync(path.dirname(theirs), { recursive: true });
          fs.writeFileSync(theirs, json.encode(eventFileContent(batches[0]!, 4)));
          inode = fs.statSync(theirs).ino;
        }
        return nodeDisk.createFile(file, bytes);
      },
    };
    const files = writer(directory, disk);
    files.add(begin, all);
    await files.flush(() => false);
    expectAllInPlace(directory);
    expect(fs.statSync(theirs).ino, 'a file that is right stays as it is').toBe(inode);
  });

  test.each(['at the first file', 'in the middle', 'when it gets its name'])('is given up when the disk fails %s; then files are made one by one', async (moment) => {
    const directory = path.join(fastFolder(), 'events');
    const problems: unknown[] = [];
    let made = 0;
    let failed = false;
    const fail = (isTime: boolean): void => {
      if (!isTime || failed) return;
      failed = true;
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    const disk: Disk = {
      ...nodeDisk,
      createFile(file, bytes) {
        made++;
        fail((moment === 'at the first file' && made === 1) || (moment === 'in the middle' && made === 500));
        return nodeDisk.createFile(file, bytes);
      },
      rename(from, to) {
        fail(moment === 'when it gets its name' && isAside(path.basename(from)));
        return nodeDisk.rename(from, to);
      },
    };
    const files = writer(directory, disk, problems);
    files.add(begin, all);
    // What `add` began has failed when `flush` tries again.
    await files.flush(() => false);
    expect(problems).toMatchObject([{ code: 'ENOSPC' }]);
    expectAllInPlace(directory);
  });

  test('is made file by file, without a word, when somebody takes it for a leftover', async () => {
    const directory = path.join(fastFolder(), 'events');
    let made = 0;
    const disk: Disk = {
      ...nodeDisk,
      createFile(file, bytes) {
        if (++made === 10) fs.rmSync(path.dirname(file), { recursive: true });
        return nodeDisk.createFile(file, bytes);
      },
    };
    const files = writer(directory, disk);
    files.add(begin, all);
    await files.flush(() => false);
    expectAllInPlace(directory);
  });
});
