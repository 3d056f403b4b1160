/*
 * Goal: the simulated disk forgets and keeps what the two sync models say, and nothing else.
 * Method: small histories with known outcomes on the port that the engine uses.
 */
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/disk/disk.js';
import { gone, Simulation, type PowerCut, type SyncModel } from '../../src/testing/index.js';

const text = (bytes: Buffer | undefined): string | undefined => bytes?.toString();
const nothingKept: PowerCut = { data: 'lost', entries: 'lost' };

function onDisk(syncModel: SyncModel, seed = 1): { simulation: Simulation; disk: Disk } {
  const simulation = new Simulation({ seed, syncModel });
  return { simulation, disk: simulation.start('A').ports.disk };
}

async function append(disk: Disk, path: string, content: string): Promise<void> {
  const file = await disk.open(path, 'append-create');
  expect(await file.append(Buffer.from(content))).toBe(content.length);
}

async function sync(disk: Disk, path: string): Promise<void> {
  await (await disk.open(path, 'append')).dataSync();
}

describe('after a power cut', () => {
  test.each<[SyncModel, string | undefined]>([
    ['posix', undefined],
    ['ext4', 'abc'],
  ])('with %s syncs a new file whose bytes alone were synced holds %s', async (model, expected) => {
    const { simulation, disk } = onDisk(model);
    await append(disk, '/f', 'abc');
    await sync(disk, '/f');
    simulation.cutPower(nothingKept);
    expect(text(simulation.disk.files().get('/f'))).toBe(expected);
  });

  test('a file has what its last sync covered, and may have more', async () => {
    const seen = new Set<string | undefined>();
    for (let seed = 0; seed < 200; seed++) {
      const { simulation, disk } = onDisk('posix', seed);
      await append(disk, '/f', 'abc');
      await sync(disk, '/f');
      await disk.syncDirectory('/');
      await append(disk, '/f', 'def');
      expect(text(await disk.readFile('/f'))).toBe('abcdef');
      simulation.cutPower({ data: 'torn', entries: 'torn' });
      seen.add(text(simulation.disk.files().get('/f')));
    }
    expect(seen).toEqual(new Set(['abc', 'abcd', 'abcde', 'abcdef', 'abc\0\0\0']));
  });

  test('sectors of a long write persist each by itself, zeros where they do not', async () => {
    const kinds = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const { simulation, disk } = onDisk('posix', seed);
      await disk.createFile('/f', Buffer.alloc(0));
      await disk.syncDirectory('/');
      await append(disk, '/f', 'x'.repeat(1536));
      simulation.cutPower({ data: 'torn', entries: 'lost' });
      const bytes = simulation.disk.files().get('/f')!;
      const sectors = [0, 512, 1024].map((at) => bytes.subarray(at, at + 512));
      if (sectors.every((sector) => sector.length === 512 && new Set(sector).size === 1)) kinds.add(sectors.map((sector) => (sector[0] === 0 ? '0' : 'x')).join(''));
    }
    expect([...kinds].sort()).toEqual(['000', '00x', '0x0', '0xx', 'x00', 'x0x', 'xx0', 'xxx']);
  });

  test('a rename happened or not, and never loses both names', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const { simulation, disk } = onDisk('posix', seed);
      await disk.createFile('/old', Buffer.from('old'));
      await disk.createFile('/new', Buffer.from('new'));
      await sync(disk, '/old');
      await sync(disk, '/new');
      await disk.syncDirectory('/');
      await disk.rename('/new', '/old');
      expect([...simulation.disk.files()].map(([name, bytes]) => name + text(bytes))).toEqual(['/oldnew']);
      simulation.cutPower({ data: 'lost', entries: 'torn' });
      seen.add([...simulation.disk.files()].map(([name, bytes]) => name + text(bytes)).join(' '));
    }
    expect(seen).toEqual(new Set(['/newnew /oldold', '/oldnew']));
  });

  test('an ext4 journal keeps a beginning of what was done to entries, and a file that replaced another has its bytes', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const { simulation, disk } = onDisk('ext4', seed);
      await disk.createFile('/f', Buffer.from('old'));
      await sync(disk, '/f');
      await disk.createFile('/tmp', Buffer.from('new'));
      await disk.rename('/tmp', '/f');
      await disk.makeDirectory('/d');
      simulation.cutPower({ data: 'lost', entries: 'torn' });
      seen.add([...simulation.disk.files()].map(([name, bytes]) => name + text(bytes)).join(' '));
    }
    expect(seen).toEqual(new Set(['/fold', '/fold /tmp', '/fnew']));
  });

  test('a directory entry is there when its directory was synced, whatever became of the bytes', async () => {
    const { simulation, disk } = onDisk('posix');
    await disk.makeDirectory('/d');
    await disk.createFile('/d/f', Buffer.from('abc'));
    await disk.syncDirectory('/d');
    await disk.syncDirectory('/');
    simulation.cutPower(nothingKept);
    expect([...simulation.disk.files()]).toEqual([['/d/f', Buffer.alloc(0)]]);
  });

  test('calls of those who ran never return, and others go on', async () => {
    const { simulation, disk } = onDisk('posix');
    const process = simulation.start('B');
    const call = process.run(Promise.resolve(process.ports.disk.stat('/')));
    simulation.cutPower(nothingKept);
    expect(await call).toBe(gone);
    expect(await Promise.race([disk.stat('/'), simulation.advance(1000).then(() => 'nothing')])).toBe('nothing');
    expect((await simulation.start('C').ports.disk.stat('/'))?.kind).toBe('directory');
  });
});

describe('faults', () => {
  test('are told by their code, and take as many bytes as they say', async () => {
    const { simulation, disk } = onDisk('posix');
    const file = await disk.open('/f', 'append-create');
    simulation.disk.onOperation = ({ kind }) => (kind === 'append' ? { code: 'EIO', take: 2 } : undefined);
    await expect(file.append(Buffer.from('abc'))).rejects.toMatchObject({ code: 'EIO' });
    simulation.disk.onOperation = ({ kind }) => (kind === 'append' ? { shortWrite: 1 } : undefined);
    expect(await file.append(Buffer.from('xyz'))).toBe(1);
    simulation.disk.onOperation = () => undefined;
    expect(text(await disk.readFile('/f'))).toBe('abx');
  });

  test('a full disk takes what there is room for, then nothing, until there is room again', async () => {
    const { simulation, disk } = onDisk('posix');
    simulation.disk.capacity = 5;
    const file = await disk.open('/f', 'append-create');
    expect(await file.append(Buffer.from('abcdefg'))).toBe(5);
    await expect(file.append(Buffer.from('h'))).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(disk.createFile('/g', Buffer.from('h'))).rejects.toMatchObject({ code: 'ENOSPC' });
    simulation.disk.capacity = 7;
    expect(await file.append(Buffer.from('fg'))).toBe(2);
  });

  test('a sync that failed is not made good by the next, and everybody who had the file open is told once', async () => {
    const outcomes = new Set<string | undefined>();
    for (let seed = 0; seed < 40; seed++) {
      const { simulation, disk } = onDisk('posix', seed);
      const [file, other] = [await disk.open('/f', 'append-create'), await disk.open('/f', 'append')];
      await disk.syncDirectory('/');
      await file.append(Buffer.from('abc'));
      simulation.disk.onOperation = ({ kind }) => (kind === 'sync' ? { code: 'EIO' } : undefined);
      await expect(file.dataSync()).rejects.toMatchObject({ code: 'EIO' });
      simulation.disk.onOperation = () => undefined;
      await expect(other.dataSync()).rejects.toMatchObject({ code: 'EIO' });
      await file.dataSync();
      await other.dataSync();
      simulation.cutPower(nothingKept);
      outcomes.add(text(simulation.disk.files().get('/f')));
    }
    expect(outcomes).toEqual(new Set(['', 'abc']));
  });

  test('a sync that could not open its file has done no harm: the next one holds', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const { simulation, disk } = onDisk('posix', seed);
      await disk.createFile('/f', Buffer.from('abc'));
      await disk.syncDirectory('/');
      simulation.disk.onOperation = ({ kind }) => (kind === 'sync' ? { code: 'EMFILE' } : undefined);
      await expect(disk.syncFile('/f')).rejects.toMatchObject({ code: 'EMFILE' });
      simulation.disk.onOperation = () => undefined;
      await disk.syncFile('/f');
      simulation.cutPower(nothingKept);
      expect(text(simulation.disk.files().get('/f'))).toBe('abc');
    }
  });
});
