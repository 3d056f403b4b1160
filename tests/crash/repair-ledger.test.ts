/*
 * Goal: no byte of a ledger can be wrong without verify finding it, and repair heals it or says exactly what is lost.
 * Method: a small store on the simulated disk; each byte of its ledger flipped, and the ledger cut at every length.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { changed, inFolder, quickDiskWith, readAll, readFrames, repair, root, storeFiles, verify, type Files, type StoredFrame } from '../support/damaged-store.js';
import { flipped, framesOf } from '../support/ledger-bytes.js';
import { at, headLength } from '../../src/ledger/format.js';

const formats = ['json', 'msgpack', 'none'] as const;
const stores = new Map<string, { files: Files; ledger: Buffer; frames: StoredFrame[] }>();

beforeAll(async () => {
  for (const format of formats) {
    const files = await storeFiles(format);
    const { process } = await quickDiskWith(files);
    expect(await verify(process)).toMatchObject({ ok: true, head: 5, pendingEventFiles: 0, notes: [] });
    stores.set(format, { files, ledger: files.get(inFolder('ledger'))!, frames: await readFrames(process) });
  }
});

/** Repairs what a disk holds, and looks whether it is the same store again, and can be appended to. */
async function healAndCompare(files: Files, frames: readonly StoredFrame[]): Promise<void> {
  const { process, disk } = await quickDiskWith(files);
  expect(await verify(process)).toMatchObject({ ok: false });
  expect(await repair(process, { apply: true })).toMatchObject({ ok: true, applied: true, head: 5, lost: [] });
  expect(await readFrames(process)).toEqual(frames);
  const kept = disk.files();
  for (const [file, bytes] of files) if (file.includes('/events/')) expect(bytes.equals(kept.get(file)!), file).toBe(true);
  const store = await process.openStore({ directory: root });
  expect(await store.append({ type: 'More', data: 1 }, { failIfEventsMatch: 'all', after: 5 })).toMatchObject({ first: 6 });
  await store.close();
  expect(await verify(process)).toMatchObject({ ok: true, head: 6, pendingEventFiles: 0, notes: [] });
}

// What the ledger holds does not depend on the format of the event files: for msgpack one byte and length in seven will do.
describe.each([
  { format: 'json', step: 1 },
  { format: 'msgpack', step: 7 },
])('with event files as $format', ({ format, step }) => {
  test('each flipped byte of the ledger is found and healed', async () => {
    const { files, ledger, frames } = stores.get(format)!;
    expect(ledger.length).toBeLessThan(2048);
    for (let offset = 0; offset < ledger.length; offset += step) {
      await healAndCompare(changed(files, { ledger: flipped(ledger, offset) }), frames).catch((error: unknown) => {
        throw new Error(`byte ${offset} of ${ledger.length}`, { cause: error });
      });
    }
  });

  test('the ledger cut at any length, or gone, is found and healed', async () => {
    const { files, ledger, frames } = stores.get(format)!;
    for (let length = 0; length < ledger.length; length += step) {
      await healAndCompare(changed(files, { ledger: ledger.subarray(0, length) }), frames).catch((error: unknown) => {
        throw new Error(`length ${length} of ${ledger.length}`, { cause: error });
      });
    }
    await healAndCompare(changed(files, { ledger: undefined }), frames);
  });
});

/** Positions whose record holds this byte. */
function positionsAt(ledger: Buffer, offset: number): number[] {
  for (const { offset: start, end } of framesOf(ledger).slice(1)) {
    if (offset < start || offset >= end) continue;
    let record = start + headLength + ledger.readUInt32LE(start + at.conditionLength);
    for (let position = ledger.readDoubleLE(start + at.first); record < end; position++) {
      const next = record + 12 + ledger.readUInt32LE(record) + ledger.readUInt32LE(record + 4);
      if (offset >= record && offset < next) return [position];
      record = next;
    }
  }
  return [];
}

describe('without event files', () => {
  test('each flipped byte of the ledger is found, and exactly the event that it hit is lost', async () => {
    const { files, ledger, frames } = stores.get('none')!;
    const events = frames.flatMap((frame) => frame.events);
    for (let offset = 0; offset < ledger.length; offset++) {
      const { process } = await quickDiskWith(changed(files, { ledger: flipped(ledger, offset) }));
      const where = `byte ${offset} of ${ledger.length}`;
      const lost = positionsAt(ledger, offset);
      const expected = lost.map((position) => ({ first: position, last: position }));
      expect(await verify(process), where).toMatchObject({ ok: false });
      const refused = await repair(process, { apply: true });
      expect(refused, where).toMatchObject({ ok: lost.length === 0, applied: lost.length === 0, lost: expected });
      if (lost.length > 0) {
        expect(await repair(process, { apply: true, acceptLoss: true }), where).toMatchObject({ ok: true, applied: true, lost: expected });
      }
      const found = await readAll(process);
      expect(found.filter(({ position }) => !lost.includes(position)), where).toEqual(events.filter(({ position }) => !lost.includes(position)));
      expect(found.filter(({ position }) => lost.includes(position)).map(({ type }) => type)).toEqual(lost.map(() => 'opossum.lost'));
    }
  });

  test('the ledger cut at any length is found, and the events behind the last whole frame are lost', async () => {
    const { files, ledger, frames } = stores.get('none')!;
    const ends = framesOf(ledger).map(({ end }) => end);
    for (let length = 0; length < ledger.length; length++) {
      const { process } = await quickDiskWith(changed(files, { ledger: ledger.subarray(0, length) }));
      const whole = ends.slice(1).filter((end) => end <= length).length;
      const head = frames.slice(0, whole).flatMap(({ events }) => events).length;
      expect(await verify(process), `length ${length}`).toMatchObject({ ok: false });
      expect(await repair(process), `length ${length}`).toMatchObject({ ok: false, applied: false, head: 5, lost: [{ first: head + 1, last: 5 }] });
    }
  });
});
