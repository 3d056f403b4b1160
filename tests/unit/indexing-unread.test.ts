import { describe, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { MapDisk, FrameList, openIndex, positionsOf, type Keys } from '../support/indexing.js';
import { freshFolder } from '../support/folder.js';

const seats: Keys[] = Array.from({ length: 50 }, (_, i) => ({ type: i % 10 === 0 ? 'Tenth' : 'Other', tags: [`seat:${i}`, 'room:1'] }));

/** A ledger that notes of which events the keys were read. */
function watched(keys: readonly Keys[]): { ledger: FrameList; read: number[] } {
  const ledger = new FrameList();
  const read: number[] = [];
  const frame = ledger.append(keys);
  const { unread } = frame;
  ledger.frames[0] = { ...frame, unread: { ...unread, keys: (offset) => (read.push(unread.records.indexOf(offset)), unread.keys(offset)) } };
  return { ledger, read };
}

describe('frames that were found and not read', () => {
  test('are searched for their bytes: only what holds them is read', async () => {
    const { ledger, read } = watched(seats);
    const index = await openIndex(ledger, new MapDisk().port);
    expect(index.last).toBe(50);
    expect(await index.locate([7, 50])).toEqual([ledger.events[6], ledger.events[49]].map((event) => ({ offset: event!.offset, length: event!.length })));
    expect(read).toEqual([]);
    expect(await positionsOf(index, { items: [{ tags: ['seat:7'] }] })).toEqual([8]);
    // The content of the event before names it as well.
    expect(read).toEqual([6, 7]);
    expect(await positionsOf(index, { items: [{ tags: ['seat:70'] }] })).toEqual([]);
    expect(read).toEqual([6, 7]);
  });

  test('are read as a whole when many events have the key, when much is asked, or when an id is', async () => {
    for (const ask of [
      async (index: Awaited<ReturnType<typeof openIndex>>) => void (await index.candidates('id-3')),
      async (index: Awaited<ReturnType<typeof openIndex>>) => {
        for (let i = 0; i < 20; i++) expect(await positionsOf(index, { items: [{ types: ['Absent'] }] })).toEqual([]);
      },
    ]) {
      const { ledger, read } = watched(seats);
      const index = await openIndex(ledger, new MapDisk().port);
      await ask(index);
      expect(read).toEqual(seats.map((_, i) => i));
      expect(await positionsOf(index, { items: [{ types: ['Tenth'] }] })).toEqual([1, 11, 21, 31, 41]);
      expect(read).toHaveLength(50);
    }
  });

  test('hold what a store says after it was opened again, whatever its texts are', async () => {
    const directory = freshFolder();
    const texts = ['plain', 'quo"te', 'back\\slash', 'line\nbreak', 'nul\0', '\u001f', 'é', 'e\u0301', '😀', '/', '\u2028', '</script>', '\u007f'];
    const first = await openStore({ directory, durability: 'os', eventFiles: 'none' });
    for (const text of texts) await first.append({ type: `T${text}`, tags: [`t:${text}`], data: { text, type: `T${text}`, tag: `t:${text}` } }, { failIfEventsMatch: { items: [{ tags: [`t:${text}`] }] } });
    await first.close();
    for (const text of texts) {
      const again = await openStore({ directory, durability: 'os' });
      const types = (await again.read({ items: [{ types: [`T${text}`] }] }).toArray()).map(({ data }) => (data as { text: string }).text);
      const tags = (await again.read({ items: [{ tags: [`t:${text}`] }] }).toArray()).map(({ data }) => (data as { text: string }).text);
      await again.close();
      expect([types, tags]).toEqual([[text], [text]]);
    }
  });

  test('give way to events that are added one by one', async () => {
    const directory = freshFolder();
    const one = await openStore({ directory, durability: 'os', eventFiles: 'none' });
    for (let i = 0; i < 20; i++) await one.append({ type: 'A', tags: [`n:${i}`], data: null });
    await one.close();
    const two = await openStore({ directory, durability: 'os' });
    await two.append({ type: 'A', tags: ['n:3'], data: null });
    expect((await two.read({ items: [{ tags: ['n:3'] }] }).toArray()).map(({ position }) => position)).toEqual([4, 21]);
    expect((await two.read({ items: [{ types: ['A'] }] }, { backwards: true, limit: 2 }).toArray()).map(({ position }) => position)).toEqual([21, 20]);
    await two.close();
  });
});
