/*
 * Goal: what the recovery table of docs/design.md says is what opening, reading and the next writer do.
 * Method: one test for each row, under its label, on a folder of the simulated disk that was brought into that state.
 */
import { describe, expect, test } from 'vitest';
import type { EventStore } from '../../src/core/event-store.js';
import type { NewEvent, SequencedEvent } from '../../src/core/event.js';
import { repairOn } from '../../src/engine/upkeep/repair.js';
import { gone, Simulation, type SimulatedDisk, type SimulatedProcess } from '../../src/testing/index.js';
import { flipped, framesOf, ofVersion, zeroed } from '../support/ledger-bytes.js';

const ledgerPath = '/data/default/ledger';
const checkpointPath = '/data/default/checkpoint';
const markPath = '/data/default/ledger.unsynced';
const blockPath = '/data/default/index/0000000000.idx';
const keysPath = '/data/default/index/0000000000-0000000003.keys';
const eventPath = (position: number): string => `/data/default/events/0000001/${String(position).padStart(9, '0')}.json`;

const event = (name: string): NewEvent => ({ type: 'Noted', tags: [`name:${name}`], id: name, data: { name } });

class Folder {
  readonly simulation: Simulation;
  readonly disk: SimulatedDisk;
  #starts = 0;

  /** Ledgers of other seeds have other ids. */
  constructor(seed = 1) {
    this.simulation = new Simulation({ seed });
    this.disk = this.simulation.disk;
  }

  /** Cleanly closed, with the events a, b, c and d; c and d are one batch. */
  static async small(seed?: number): Promise<Folder> {
    const folder = new Folder(seed);
    const store = await folder.open();
    await store.append(event('a'));
    await store.append(event('b'));
    await store.append([event('c'), event('d')]);
    await store.close();
    return folder;
  }

  /** Cleanly closed, with a full block of the index and one event more. */
  static async withBlock(seed?: number): Promise<Folder> {
    const folder = new Folder(seed);
    const store = await folder.open({ eventFiles: 'none' });
    await store.append(Array.from({ length: 4096 }, (_, i) => event(`e${i + 1}`)));
    await store.append(event('last'));
    await store.close();
    expect(folder.disk.files().has(blockPath)).toBe(true);
    return folder;
  }

  process(): SimulatedProcess {
    return this.simulation.start(`P${++this.#starts}`);
  }

  open(options: { eventFiles?: 'none' } = {}): Promise<EventStore> {
    return this.process().openStore({ directory: '/data', ...options });
  }

  bytes(path: string): Buffer {
    return this.disk.files().get(path)!;
  }

  async names(): Promise<string[]> {
    const store = await this.open();
    const events = await store.read().toArray();
    await store.close();
    return namesOf(events);
  }

  /** Waits until `isSo`, while the open stores do what they do in the background. */
  async until(isSo: () => boolean): Promise<void> {
    for (let round = 0; round < 100 && !isSo(); round++) await this.simulation.advance(100);
    expect(isSo()).toBe(true);
  }
}

const namesOf = (events: readonly SequencedEvent[]): string[] => events.map(({ id }) => id);
const corrupt = { code: 'LEDGER_CORRUPT' };

describe('ledger', () => {
  test('R1 nothing of a store is there: a header is made, and lasts', async () => {
    const folder = new Folder();
    await folder.open();
    const made = folder.bytes(ledgerPath);
    folder.simulation.cutPower({ data: 'lost', entries: 'lost' });
    expect(framesOf(folder.bytes(ledgerPath))).toHaveLength(1);
    expect(folder.bytes(ledgerPath)).toEqual(made);
  });

  test.each(['events', 'checkpoint', 'index'])('R2 the ledger is missing, but there is %s: refused, and no ledger is made', async (name) => {
    const folder = await (name === 'index' ? Folder.withBlock() : Folder.small());
    folder.disk.erase(ledgerPath);
    for (const other of ['events', 'checkpoint', 'index'].filter((one) => one !== name)) folder.disk.erase(`/data/default/${other}`);
    await expect(folder.open()).rejects.toMatchObject(corrupt);
    expect(folder.bytes(ledgerPath)).toBeUndefined();
  });

  test.each([
    ['the first part of one', (header: Buffer) => header.subarray(0, 60)],
    ['zeros', (header: Buffer) => Buffer.alloc(header.length)],
    ['one with a wrong byte', (header: Buffer) => flipped(header, 30)],
  ])('R3 no header, but at most 1 KiB that is %s: a new one is appended behind it', async (_, torn) => {
    const folder = new Folder();
    await (await folder.open()).close();
    const left = torn(folder.bytes(ledgerPath));
    folder.disk.overwrite(ledgerPath, left);
    const store = await folder.open();
    expect(await store.append(event('a'))).toMatchObject({ first: 1 });
    await store.close();
    expect(folder.bytes(ledgerPath).subarray(0, left.length)).toEqual(left);
    expect(await folder.names()).toEqual(['a']);
  });

  test.each([
    ['intact frames', async () => flipped((await Folder.small()).bytes(ledgerPath), 30)],
    ['more than 1 KiB', () => Promise.resolve(Buffer.alloc(1025, 0xc1))],
    ['what no header begins with', () => Promise.resolve(Buffer.from('Dear diary'))],
  ])('R4 no valid header, but %s: refused', async (_, damaged) => {
    const folder = new Folder();
    folder.disk.overwrite(ledgerPath, await damaged());
    await expect(folder.open()).rejects.toMatchObject(corrupt);
  });

  test('R5 the header is of a newer version: refused as such', async () => {
    const folder = await Folder.small();
    folder.disk.overwrite(ledgerPath, ofVersion(folder.bytes(ledgerPath), 2));
    await expect(folder.open()).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', details: { version: 2 } });
  });

  test('R6 several headers: the first valid one counts', async () => {
    const other = new Folder(2);
    await (await other.open()).close();
    const folder = new Folder();
    await (await folder.open({ eventFiles: 'none' })).close();
    const [first, second] = [folder.bytes(ledgerPath), other.bytes(ledgerPath)];
    folder.disk.overwrite(ledgerPath, Buffer.concat([first, second]));
    const store = await folder.open({ eventFiles: 'none' });
    await store.append(event('a'));
    await store.close();
    expect(await folder.names()).toEqual(['a']);
  });
});

describe('frames', () => {
  test('R7 a frame is incomplete at the end: readers stay before it, the next writer appends behind it', async () => {
    const folder = await Folder.small();
    const ledger = folder.bytes(ledgerPath);
    const { offset, end } = framesOf(ledger)[3]!;
    const torn = ledger.subarray(offset, end - 20);
    folder.disk.overwrite(ledgerPath, Buffer.concat([ledger, torn]));
    expect(await folder.names()).toEqual(['a', 'b', 'c', 'd']);
    const store = await folder.open();
    expect(await store.append(event('e'))).toMatchObject({ first: 5 });
    await store.close();
    expect(folder.bytes(ledgerPath).subarray(0, ledger.length + torn.length)).toEqual(Buffer.concat([ledger, torn]));
    expect(await folder.names()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('R8 a frame is damaged, and those behind it build on what is there: they are void', async () => {
    const folder = await Folder.small();
    const before = folder.bytes(ledgerPath).length;
    const writer = folder.process();
    const store = await writer.openStore({ directory: '/data' });
    folder.disk.onOperation = ({ kind }) => {
      if (kind === 'sync') writer.kill();
      return undefined;
    };
    await writer.run(Promise.all([store.append(event('x')), store.append(event('y'))]));
    folder.disk.onOperation = () => undefined;
    const ledger = folder.bytes(ledgerPath);
    const [x, y] = framesOf(ledger).filter(({ offset }) => offset >= before);
    expect(y!.end).toBe(ledger.length);
    // Power went, and of the two pages only the second was written back.
    folder.disk.overwrite(ledgerPath, zeroed(ledger, x!.offset, x!.end));
    expect(await folder.names()).toEqual(['a', 'b', 'c', 'd']);
    const next = await folder.open();
    expect(await next.append(event('e'))).toMatchObject({ first: 5 });
    await next.close();
    expect(await folder.names()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test.each([1, 2])('R9 frame %i is damaged, and a frame behind it was written when it was durable: refused', async (index) => {
    const folder = await Folder.small();
    const ledger = folder.bytes(ledgerPath);
    folder.disk.overwrite(ledgerPath, flipped(ledger, framesOf(ledger)[index]!.end - 5));
    folder.disk.erase(checkpointPath);
    await expect(folder.open()).rejects.toMatchObject({ ...corrupt, details: { position: index } });
  });

  test('R9 a frame is of another ledger: refused', async () => {
    const [folder, other] = [await Folder.small(), await Folder.small(2)];
    const frames = other.bytes(ledgerPath);
    folder.disk.overwrite(ledgerPath, Buffer.concat([folder.bytes(ledgerPath), frames.subarray(framesOf(frames)[1]!.offset)]));
    await expect(folder.open()).rejects.toMatchObject(corrupt);
  });

  test('R10 the ledger ends before what the checkpoint says was durable: refused', async () => {
    const folder = await Folder.small();
    const ledger = folder.bytes(ledgerPath);
    folder.disk.overwrite(ledgerPath, ledger.subarray(0, framesOf(ledger)[3]!.offset));
    await expect(folder.open()).rejects.toMatchObject(corrupt);
  });

  test('R11 the frame that the newest block of the index ends with is not in its place: refused', async () => {
    const folder = await Folder.withBlock();
    const ledger = folder.bytes(ledgerPath);
    folder.disk.erase(checkpointPath);
    folder.disk.overwrite(ledgerPath, flipped(ledger, framesOf(ledger)[1]!.offset + 40));
    await expect(folder.open().then((store) => store.head())).rejects.toMatchObject(corrupt);
  });

  test('R19 a repair moved the ledger aside and did not finish: refused, until repairing again has finished it', async () => {
    const folder = await Folder.small();
    const ledger = folder.bytes(ledgerPath);
    folder.disk.overwrite(ledgerPath, flipped(ledger, framesOf(ledger)[2]!.end - 5));
    folder.disk.onOperation = ({ kind, path }) => {
      if (kind === 'create' || (kind === 'open' && path.endsWith('ledger.repairing'))) {
        if (!folder.disk.files().has(ledgerPath)) folder.simulation.cutPower({ data: 'kept', entries: 'kept' });
      }
      return undefined;
    };
    const process = folder.process();
    expect(await process.run(repairOn({ directory: '/data', apply: true }, process.ports))).toBe(gone);
    folder.disk.onOperation = () => undefined;
    expect(folder.disk.files().has(ledgerPath)).toBe(false);
    await expect(folder.open()).rejects.toMatchObject(corrupt);
    expect(await repairOn({ directory: '/data', apply: true }, folder.process().ports)).toMatchObject({ ok: true, head: 4, lost: [] });
    expect(await folder.names()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('R20 the record of an event is damaged where opening does not look: the read that touches it fails, others do not', async () => {
    const folder = await Folder.withBlock();
    const store = await folder.open();
    const ledger = folder.bytes(ledgerPath);
    folder.disk.overwrite(ledgerPath, flipped(ledger, ledger.indexOf('"e17"')));
    await expect(store.read().toArray()).rejects.toMatchObject({ ...corrupt, details: { position: 17 } });
    await expect(store.read({ items: [{ tags: ['name:e17'] }] }).toArray()).rejects.toMatchObject(corrupt);
    expect(namesOf(await store.read('all', { after: 17, limit: 1 }).toArray())).toEqual(['e18']);
    await store.close();
  });
});

describe('checkpoint and index', () => {
  test.each([false, true])('R21 the ledger is another store’s (readOnly: %s): refused, and the event files stay, the only copies of what is right', async (readOnly) => {
    const folder = await Folder.small();
    const other = new Folder(2);
    const store = await other.open();
    for (const id of ['a', 'b', 'x', 'y', 'z']) await store.append(event(id));
    await store.close();
    folder.disk.overwrite(ledgerPath, other.bytes(ledgerPath));
    const before = folder.disk.files();
    await expect(folder.process().openStore({ directory: '/data', readOnly })).rejects.toMatchObject({ ...corrupt, details: { position: 3 } });
    expect(folder.disk.files()).toEqual(before);
  });

  test.each([
    ['damaged', (bytes: Buffer) => flipped(bytes, 20)],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, 30)],
    ['of another ledger', (_: Buffer, foreign: Buffer) => foreign],
  ])('R12 the checkpoint is %s: ignored, and the next writer compares all event files', async (_, damage) => {
    const [folder, other] = [await Folder.small(), await Folder.small(2)];
    folder.disk.overwrite(checkpointPath, damage(folder.bytes(checkpointPath), other.bytes(checkpointPath)));
    const right = folder.bytes(eventPath(1));
    folder.disk.overwrite(eventPath(1), Buffer.from('{}'));
    const store = await folder.open();
    expect(namesOf(await store.read().toArray())).toEqual(['a', 'b', 'c', 'd']);
    await store.append(event('e'));
    await folder.until(() => folder.bytes(eventPath(1)).equals(right));
    await store.close();
    expect(await folder.names()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test.each([
    ['missing', undefined],
    ['empty', () => Buffer.alloc(0)],
    ['damaged', (bytes: Buffer) => flipped(bytes, 100)],
    ['of another ledger', async () => (await Folder.withBlock(2)).bytes(blockPath)],
  ])('R13 a block of the index is %s: the answer comes from the ledger, and the block is made again', async (_, damage) => {
    const folder = await Folder.withBlock();
    const right = folder.bytes(blockPath);
    if (damage) folder.disk.overwrite(blockPath, await damage(right));
    else folder.disk.erase(blockPath);
    const store = await folder.open();
    for (const name of ['e1', 'e4096', 'last']) {
      expect(namesOf(await store.read({ items: [{ tags: [`name:${name}`] }] }).toArray())).toEqual([name]);
    }
    expect(await store.append(event('e5'))).toMatchObject({ first: 5, duplicate: true });
    expect(await store.read({ items: [{ types: ['Noted'] }] }).toArray()).toHaveLength(4097);
    await store.close();
    expect(folder.bytes(blockPath).equals(right)).toBe(true);
  });

  test('R13 a file of keys is damaged: the answer comes from its blocks, and the file is made again', async () => {
    const folder = new Folder();
    const batch = (from: number, count: number): NewEvent[] => Array.from({ length: count }, (_, i) => event(`e${from + i}`));
    let store = await folder.open({ eventFiles: 'none' });
    await store.append(batch(1, 16_384));
    await store.close();
    const right = folder.bytes(keysPath);
    folder.disk.overwrite(keysPath, flipped(right, right.length - 1));
    store = await folder.open();
    for (const name of ['e1', 'e5000', 'e16384']) {
      expect(namesOf(await store.read({ items: [{ types: ['Noted'], tags: [`name:${name}`] }] }).toArray())).toEqual([name]);
    }
    await store.append(batch(16_385, 4096));
    await store.close();
    expect(folder.bytes(keysPath).equals(right)).toBe(true);
  }, 60_000);
});

describe('event files, marks and leftovers', () => {
  test.each([
    ['missing', undefined],
    ['empty', Buffer.alloc(0)],
    ['cut off', Buffer.from('{\n  "position": 3')],
  ])('R14 an event file behind the complete mark is %s: the next writer writes it', async (_, left) => {
    const folder = await Folder.small();
    const right = folder.bytes(eventPath(3));
    folder.disk.erase(checkpointPath);
    if (left) folder.disk.overwrite(eventPath(3), left);
    else folder.disk.erase(eventPath(3));
    const store = await folder.open();
    await store.append(event('e'));
    await folder.until(() => folder.bytes(eventPath(3))?.equals(right));
    await store.close();
  });

  test('R15 an event file belongs to no frame: left alone until its position is taken', async () => {
    const folder = await Folder.small();
    folder.disk.overwrite(eventPath(5), Buffer.from('someone else’s'));
    folder.disk.overwrite(eventPath(6), Buffer.from('someone else’s'));
    folder.disk.overwrite('/data/default/events/0000001/notes.txt', Buffer.from('mine'));
    const store = await folder.open();
    await store.append(event('e'));
    await folder.until(() => folder.bytes(eventPath(5)).includes('"e"'));
    await store.close();
    expect(folder.bytes(eventPath(6)).toString()).toBe('someone else’s');
    expect(folder.bytes('/data/default/events/0000001/notes.txt').toString()).toBe('mine');
  });

  test('R15 an event file of another event is in the way: it is set aside, since it may be the only copy of what the ledger lost', async () => {
    const [folder, other] = [await Folder.small(), await Folder.small(2)];
    const store = await other.open();
    await store.append([event('x'), event('y')]);
    await store.close();
    const foreign = other.bytes(eventPath(5));
    for (const round of [1, 2]) {
      folder.disk.overwrite(eventPath(4 + round), other.bytes(eventPath(4 + round)));
      const next = await folder.open();
      await next.append(event(`e${round}`));
      await folder.until(() => folder.bytes(eventPath(4 + round)).includes(`"e${round}"`));
      await next.close();
    }
    expect(folder.bytes('/data/default/events/void/000000005.json')).toEqual(foreign);
    expect(folder.disk.files().has('/data/default/events/void/000000006.json')).toBe(true);
  });

  test('R16 a failed sync left its mark: the bytes are written and synced again before anything else', async () => {
    const folder = await Folder.small();
    const store = await folder.open();
    folder.disk.onOperation = ({ kind, path }) => (kind === 'sync' && path === ledgerPath ? { code: 'EIO' } : undefined);
    await expect(store.append(event('e'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', details: { outcome: 'unknown' } });
    folder.disk.onOperation = () => undefined;
    await store.close();
    expect(folder.disk.files().has(markPath)).toBe(true);
    const next = await folder.open();
    const answer = await next.append(event('f'));
    expect(folder.disk.files().has(markPath)).toBe(false);
    const names = namesOf(await next.read().toArray());
    expect(names[answer.first - 1]).toBe('f');
    folder.simulation.cutPower({ data: 'lost', entries: 'lost' });
    expect(await folder.names()).toEqual(names);
  });

  test('R16 a failed sync left its mark: a reader that may write mends it, and sees what was acknowledged before', async () => {
    const folder = await Folder.small();
    const failing = await folder.open();
    expect(await failing.append(event('e'))).toMatchObject({ first: 5 });
    folder.disk.onOperation = ({ kind, path }) => (kind === 'sync' && path === ledgerPath ? { code: 'EIO' } : undefined);
    await expect(failing.append(event('f'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    folder.disk.onOperation = () => undefined;
    await failing.close();
    folder.disk.erase(checkpointPath);
    const store = await folder.open();
    expect(namesOf(await store.read().toArray()).slice(0, 5)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(folder.disk.files().has(markPath)).toBe(false);
    await store.close();
  });

  test('R17 temporary files were left behind: they go when they can be of no use to anybody', async () => {
    const folder = await Folder.small();
    const left = ['checkpoint', 'events/0000001/.000000002.json'].map((name) => `/data/default/${name.replace('checkpoint', '.checkpoint')}.0badcafe.tmp`);
    for (const path of left) folder.disk.overwrite(path, Buffer.from('{'));
    folder.disk.erase(checkpointPath);
    const mine = '/data/default/notes.tmp';
    folder.disk.overwrite(mine, Buffer.from('mine'));
    const store = await folder.open();
    expect(await store.append(event('e'))).toMatchObject({ first: 5 });
    await folder.until(() => !folder.disk.files().has(left[1]!));
    await store.close();
    expect(folder.disk.files().has(left[0]!), 'young: its process may live').toBe(true);
    await folder.simulation.advance(11 * 60_000);
    const later = await folder.open();
    await later.append(event('f'));
    await later.close();
    expect([...folder.disk.files().keys()].filter((path) => path.endsWith('.tmp'))).toEqual([mine]);
  });

  test('R18 the lock is held by a process that died: taken over, and the event files that it owed are written', async () => {
    const folder = await Folder.small();
    const dying = folder.process();
    const store = await dying.openStore({ directory: '/data' });
    folder.disk.onOperation = ({ kind, path }) => {
      if (kind === 'create' && path.includes('/events/')) dying.kill();
      return undefined;
    };
    const answer = await store.append(event('e'));
    expect(answer).toMatchObject({ first: 5 });
    await folder.simulation.advance(100);
    folder.disk.onOperation = () => undefined;
    expect(folder.disk.files().has(eventPath(5))).toBe(false);
    const next = await folder.open();
    expect(await next.append(event('f'))).toMatchObject({ first: 6 });
    await folder.until(() => folder.disk.files().has(eventPath(5)));
    await next.close();
  });
});
