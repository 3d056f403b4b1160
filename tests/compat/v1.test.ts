/* Folders that earlier releases stored stay readable for ever: copies of them are opened, read, checked and appended to. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStore, repairContext, verifyContext } from '../../src/index.js';
import { freshFolder } from '../support/folder.js';

const fixtures = path.resolve(import.meta.dirname, '../../fixtures/v1');

const stored = [
  { position: 1, type: 'CourseDefined', tags: ['course:c1'], id: 'e1', data: { title: 'Marsupials', seats: 2 }, metadata: { by: 'fixture' }, timestamp: '2026-01-31T12:00:00.000Z' },
  { position: 2, type: 'StudentEnrolled', tags: ['course:c1', 'student:s1'], id: 'e2', data: null, metadata: {}, timestamp: '2026-01-31T12:00:01Z' },
  { position: 3, type: 'StudentEnrolled', tags: ['course:c1', 'student:é🦝'], id: 'e3', data: ['ünï', 1.5, { deep: [true, null] }], metadata: {}, timestamp: '2026-01-31T12:00:02.5Z' },
  { position: 4, type: 'Hostile/../\u0000', tags: ['CON', 'con', 'a/b', '..'], id: 'e4', data: 'x', metadata: {}, timestamp: '2026-01-31T12:00:03Z' },
];

const afterTheScar = { position: 5, type: 'AfterTheScar', tags: ['course:c1'], id: 'e5', data: 5, metadata: {}, timestamp: '2026-01-31T12:00:04Z' };

function copyOf(name: string): string {
  const folder = freshFolder();
  fs.cpSync(path.join(fixtures, name), folder, { recursive: true });
  return folder;
}

describe('format 1', () => {
  test.each([
    { name: 'small', events: stored },
    { name: 'msgpack', events: stored },
    { name: 'none', events: stored },
    { name: 'empty', events: [] },
    // A torn frame and a late one, which is whole and void, between the frames that count.
    { name: 'scar', events: [...stored, afterTheScar] },
    // Ends with a part of a frame.
    { name: 'torn', events: stored },
  ])('the folder "$name" is read, found whole, and taken further', async ({ name, events }) => {
    const directory = copyOf(name);
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: events.length, pendingEventFiles: 0, problems: [] });
    const store = await openStore({ directory });
    expect(await store.read().toArray()).toEqual(events);
    expect(await store.read({ items: [{ types: ['StudentEnrolled'], tags: ['course:c1'] }] }).toArray()).toEqual(events.slice(1, 3));
    if (events.length > 0) {
      const { id, type, data, tags } = stored[3]!;
      expect(await store.append({ id, type, data, tags })).toEqual({ first: 4, last: 4, duplicate: true });
    }
    expect(await store.append({ type: 'More', data: 1 }, { failIfEventsMatch: 'all', after: events.length })).toMatchObject({ first: events.length + 1 });
    await store.close();
    expect(await verifyContext({ directory })).toMatchObject({ ok: true, head: events.length + 1, pendingEventFiles: 0 });
  });

  test('the folder "damaged-middle", whose second frame lost a byte, is refused, told, and healed from its event files', async () => {
    const directory = copyOf('damaged-middle');
    await expect(openStore({ directory })).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', details: { position: 2, offset: 815 } });
    expect(await verifyContext({ directory })).toMatchObject({ ok: false, problems: [{ what: 'ledger', position: 2, offset: 815 }] });
    expect(await repairContext({ directory })).toMatchObject({ applied: false, ok: false, head: 4, lost: [] });
    expect(await repairContext({ directory, apply: true })).toMatchObject({ applied: true, ok: true, head: 4, lost: [] });
    const store = await openStore({ directory });
    expect(await store.read().toArray()).toEqual(stored);
    await store.close();
  });
});
