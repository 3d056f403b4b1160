import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/disk/clock.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { draftFrame, placeFrame } from '../../src/ledger/frame.js';
import { openLedgerFile, openLedgerFileReadOnly, type LedgerHeader } from '../../src/ledger/header.js';
import { freshFolder } from '../support/folder.js';

const ports = { disk: nodeDisk, clock: systemClock, random: systemRandom };

async function open(folder: string): Promise<LedgerHeader> {
  const { file, header } = await openLedgerFile(folder, undefined, ports);
  await file.close();
  return header;
}

/** The bytes of a fresh ledger that holds a header and nothing else. */
async function makeHeader(): Promise<Buffer> {
  const folder = freshFolder();
  await open(folder);
  return fs.readFileSync(path.join(folder, 'ledger'));
}

describe('the header', () => {
  test('is made once and read ever after, by writers and readers', async () => {
    const folder = freshFolder();
    const first = await open(folder);
    expect(first).toMatchObject({ eventFiles: 'json', offset: 0 });
    expect(first.ledgerId).toHaveLength(16);
    expect(await open(folder)).toEqual(first);
    const { file, header } = await openLedgerFileReadOnly(folder, nodeDisk);
    await file.close();
    expect(header).toEqual(first);
  });

  test('is the first valid one when several processes raced to make it', async () => {
    const [one, two] = [await makeHeader(), await makeHeader()];
    const folder = freshFolder();
    fs.writeFileSync(path.join(folder, 'ledger'), Buffer.concat([one, two]));
    const header = await open(folder);
    expect(header.end).toBe(one.length);
    expect(header.ledgerId).toEqual(one.subarray(48, 64));
  });

  test('is written again behind one that a power cut tore, at every length', async () => {
    const whole = await makeHeader();
    for (let length = 0; length < whole.length; length++) {
      const folder = freshFolder();
      fs.writeFileSync(path.join(folder, 'ledger'), whole.subarray(0, length));
      const header = await open(folder);
      expect(header.offset).toBe(length);
      expect(await open(folder)).toEqual(header);
    }
    const zeros = freshFolder();
    fs.writeFileSync(path.join(zeros, 'ledger'), Buffer.alloc(200));
    expect((await open(zeros)).offset).toBe(200);
  });

  test('that is damaged is never taken for a new store', async () => {
    const whole = await makeHeader();
    const events = draftFrame([{ type: 'T', tags: [], id: 'i', data: 1, metadata: {}, timestamp: '2026-01-31T12:00:00Z', ownId: true }], undefined);
    placeFrame(events, { writtenAt: whole.length, first: 1, time: 0, ledgerId: whole.subarray(48, 64), previous: whole.readUInt32LE(84), base: { position: 0, checksum: 0 } });
    const folder = freshFolder();
    for (let i = 0; i < whole.length; i++) {
      const damaged = Buffer.concat([whole, events.bytes]);
      damaged[i] = damaged[i]! ^ 0x10;
      fs.writeFileSync(path.join(folder, 'ledger'), damaged);
      await expect(open(folder), `byte ${i}`).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
      expect(fs.readFileSync(path.join(folder, 'ledger')).equals(damaged), 'nothing is written').toBe(true);
    }
  });

  test.each([
    ['a text file', Buffer.from('notes of mine')],
    ['a long file without a header', Buffer.alloc(2000, 0xc1)],
    ['a long file of zeros', Buffer.alloc(2000)],
  ])('refuses %s in its place and leaves it alone', async (_, bytes) => {
    const folder = freshFolder();
    fs.writeFileSync(path.join(folder, 'ledger'), bytes);
    await expect(open(folder)).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
    expect(fs.readFileSync(path.join(folder, 'ledger')).equals(bytes)).toBe(true);
  });

  test('of a newer version is refused by name', async () => {
    const bytes = await makeHeader();
    bytes[15] = 9;
    const { crc32 } = await import('node:zlib');
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 88)), 88);
    const folder = freshFolder();
    fs.writeFileSync(path.join(folder, 'ledger'), bytes);
    await expect(open(folder)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', details: { version: 9, supported: 1 } });
  });

  test.each(['events', 'index', 'checkpoint'])('is not made beside %s of a store whose ledger is missing', async (name) => {
    const folder = freshFolder();
    if (name === 'checkpoint') fs.writeFileSync(path.join(folder, name), 'x');
    else fs.mkdirSync(path.join(folder, name, '0000001'), { recursive: true });
    await expect(open(folder)).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', message: expect.stringContaining('missing') });
    expect(fs.existsSync(path.join(folder, 'ledger'))).toBe(false);
  });

  test('must exist for a reader', async () => {
    const folder = freshFolder();
    await expect(openLedgerFileReadOnly(folder, nodeDisk)).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'options.directory' });
    fs.writeFileSync(path.join(folder, 'ledger'), '');
    await expect(openLedgerFileReadOnly(folder, nodeDisk)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(fs.readFileSync(path.join(folder, 'ledger'))).toHaveLength(0);
  });
});
