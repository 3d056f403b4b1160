import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PreparedEvent } from '../../src/core/event.js';
import { systemClock } from '../../src/disk/clock.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { draftFrame } from '../../src/ledger/frame.js';
import { FrameScan } from '../../src/ledger/frame-scan.js';
import { headerPoint, openLedgerFile } from '../../src/ledger/header.js';
import { Ledger, type CountedFrame } from '../../src/ledger/ledger.js';
import { chainPoint, scanChain } from '../../src/ledger/scan-chain.js';
import { freshFolder } from '../support/folder.js';

const ports = { disk: nodeDisk, clock: systemClock, random: systemRandom };

function draft(id: string, count = 1): ReturnType<typeof draftFrame> {
  const events: PreparedEvent[] = Array.from({ length: count }, (_, i) => ({
    type: 'T', tags: ['a:b'], id: `${id}-${i}`, data: { text: 'x'.repeat(50) }, metadata: {}, timestamp: '2026-01-31T12:00:00Z', ownId: true,
  }));
  return draftFrame(events, undefined);
}

async function openLedger(folder: string): Promise<Ledger> {
  const { file, header } = await openLedgerFile(folder, 'none', ports);
  const ledger = new Ledger(path.join(folder, 'ledger'), file, header, undefined, systemClock);
  await newFrames(ledger);
  return ledger;
}

async function commit(ledger: Ledger, ...drafts: ReturnType<typeof draftFrame>[]): Promise<boolean> {
  for (const one of drafts) ledger.plan(one);
  return ledger.write();
}

/** What is new in the ledger. */
async function newFrames(ledger: Ledger): Promise<CountedFrame[]> {
  const frames: CountedFrame[] = [];
  await ledger.catchUp((frame) => void frames.push(frame));
  return frames;
}

const ids = (frames: readonly CountedFrame[]): string[] =>
  frames.flatMap(({ events: { records, keys } }) => [...records.slice(0, -1)].map((offset) => keys(offset).id));

describe('the ledger', () => {
  test('continues the chain over what another process added', async () => {
    const folder = freshFolder();
    const [mine, theirs] = [await openLedger(folder), await openLedger(folder)];
    expect(await commit(mine, draft('a', 2), draft('b'))).toBe(true);
    expect(ids(await newFrames(theirs))).toEqual(['a-0', 'a-1', 'b-0']);
    expect(theirs.written).toBe(3);
    expect(await newFrames(theirs)).toEqual([]);
    expect(await commit(theirs, draft('c'))).toBe(true);
    expect(ids(await newFrames(mine))).toEqual(['c-0']);
    expect(mine.last).toBe(4);
  });

  test('lets only one of two writers win a position: the late frame is void by its own bytes', async () => {
    const folder = freshFolder();
    const [mine, stale] = [await openLedger(folder), await openLedger(folder)];
    stale.plan(draft('late'));
    expect(await commit(mine, draft('a'))).toBe(true);
    expect(await stale.write()).toBe(false);
    expect(ids(await newFrames(stale))).toEqual(['a-0']);
    expect(await commit(stale, draft('late'))).toBe(true);
    expect(ids(await newFrames(mine))).toEqual(['late-0']);
    expect(ids(await (await openLedgerAfresh(folder)))).toEqual(['a-0', 'late-0']);
  });

  test('treats a torn tail as pending, and as a scar once something was appended behind it', async () => {
    const folder = freshFolder();
    const ledger = await openLedger(folder);
    await commit(ledger, draft('a'));
    fs.appendFileSync(path.join(folder, 'ledger'), lastFrame(folder).subarray(0, 120));
    expect(await newFrames(ledger)).toEqual([]);
    expect(await commit(ledger, draft('b'))).toBe(true);
    expect(ids(await openLedgerAfresh(folder))).toEqual(['a-0', 'b-0']);
  });

  test('reports a damaged committed frame instead of skipping it', async () => {
    const folder = freshFolder();
    const ledger = await openLedger(folder);
    await commit(ledger, draft('a'));
    const secondAt = (await ledger.file.stat()).size;
    await commit(ledger, draft('b'));
    await ledger.makeDurable(2);
    await commit(ledger, draft('c'));
    const file = path.join(folder, 'ledger');
    const bytes = fs.readFileSync(file);
    bytes[secondAt + 150] = bytes[secondAt + 150]! ^ 1;
    fs.writeFileSync(file, bytes);
    await expect(openLedgerAfresh(folder)).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', details: { position: 2 } });
  });

  test('holds a frame void, not damaged, whose writer did not yet know the lost one to be durable', async () => {
    const folder = freshFolder();
    const ledger = await openLedger(folder);
    await commit(ledger, draft('a'));
    await ledger.makeDurable(1);
    const secondAt = (await ledger.file.stat()).size;
    await commit(ledger, draft('b'));
    await commit(ledger, draft('c'));
    const file = path.join(folder, 'ledger');
    const bytes = fs.readFileSync(file);
    bytes.fill(0, secondAt, secondAt + 100);
    fs.writeFileSync(file, bytes);
    expect(ids(await openLedgerAfresh(folder))).toEqual(['a-0']);
  });

  test('knows what is durable only after a sync, and by the base of later frames', async () => {
    const folder = freshFolder();
    const [mine, theirs] = [await openLedger(folder), await openLedger(folder)];
    await commit(mine, draft('a'));
    expect(mine.durable).toBe(0);
    await mine.makeDurable(1);
    expect(mine.durable).toBe(1);
    await newFrames(theirs);
    expect(theirs.durable).toBe(0);
    await commit(mine, draft('b'));
    await newFrames(theirs);
    expect(theirs.durable).toBe(1);
  });

  test('scans again from any of its frames', async () => {
    const folder = freshFolder();
    const ledger = await openLedger(folder);
    for (const id of ['a', 'b', 'c', 'd']) await commit(ledger, draft(id, 2));
    const { size } = await ledger.file.stat();
    const points = [];
    for await (const frame of scanChain(ledger.file, ledger.header, headerPoint(ledger.header), size)) points.push(chainPoint(frame));
    expect(points.map(({ position }) => position)).toEqual([2, 4, 6, 8]);
    const rest = [];
    for await (const frame of scanChain(ledger.file, ledger.header, points[2]!, size)) rest.push(chainPoint(frame));
    expect(rest).toEqual(points.slice(2));
    const wrong = scanChain(ledger.file, ledger.header, { ...points[2]!, checksum: 1 }, size);
    await expect(wrong.next()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT' });
  });
});

describe('the search for frames', () => {
  test('finds every intact frame behind any amount of damage', async () => {
    const folder = freshFolder();
    const ledger = await openLedger(folder);
    const starts: number[] = [];
    for (const id of ['a', 'b', 'c']) {
      starts.push((await ledger.file.stat()).size);
      await commit(ledger, draft(id));
    }
    const whole = fs.readFileSync(path.join(folder, 'ledger'));
    const damagedAt = starts[1]!;
    const file = path.join(folder, 'copy');
    for (let i = damagedAt; i < starts[2]!; i++) {
      const bytes = Buffer.from(whole);
      bytes[i] = bytes[i]! ^ 0xff;
      fs.writeFileSync(file, bytes);
      const copy = await nodeDisk.open(file, 'read');
      const scan = new FrameScan(copy, starts[0]!, bytes.length);
      const found: number[] = [];
      for (let frame = await scan.next(); frame; frame = await scan.next()) found.push(frame.offset);
      await copy.close();
      expect(found, `byte ${i}`).toEqual([starts[0], starts[2]]);
    }
  });
});

async function openLedgerAfresh(folder: string): Promise<CountedFrame[]> {
  const { file, header } = await openLedgerFile(folder, 'none', ports);
  try {
    return await newFrames(new Ledger(path.join(folder, 'ledger'), file, header, undefined, systemClock));
  } finally {
    await file.close();
  }
}

/** Bytes of the last frame in the file. */
function lastFrame(folder: string): Buffer {
  const bytes = fs.readFileSync(path.join(folder, 'ledger'));
  return bytes.subarray(bytes.lastIndexOf(Buffer.alloc(12, 0xc1)));
}
