import { describe, expect, test } from 'vitest';
import { verifyBlocks, type DamagedBlock } from '../../src/indexing/verify-blocks.js';
import { blockPath, FrameList, MapDisk, openIndex, seal, testBlockSize, testLedgerId } from '../support/indexing.js';

function someLedger(blocks: number): FrameList {
  const ledger = new FrameList();
  for (let i = 0; i < blocks * testBlockSize + 3; i += 3) ledger.append([{ type: 'A', tags: ['x'] }, { type: 'B', tags: [] }, { type: 'C', tags: [`n:${i}`] }]);
  return ledger;
}

async function sealed(ledger: FrameList): Promise<MapDisk> {
  const disk = new MapDisk();
  const index = await openIndex(ledger, disk.port);
  await seal(index, ledger.last);
  index.close();
  return disk;
}

async function damagedOf(disk: MapDisk, ledger: FrameList): Promise<DamagedBlock[]> {
  const verifier = await verifyBlocks({ disk: disk.port, directory: '/index', ledgerId: testLedgerId, blockSize: testBlockSize });
  const damaged: DamagedBlock[] = [];
  for (const { point, events } of ledger.frames) damaged.push(...(await verifier.check(point, events)));
  return [...damaged, ...verifier.finish()];
}

describe('verifying index files', () => {
  test('finds nothing wrong with sound ones, with none, and with some that are not sealed yet', async () => {
    const ledger = someLedger(3);
    const disk = await sealed(ledger);
    expect(disk.files.size).toBe(3);
    expect(await damagedOf(disk, ledger)).toEqual([]);
    disk.files.delete(blockPath(2));
    expect(await damagedOf(disk, ledger)).toEqual([]);
    expect(await damagedOf(new MapDisk(), ledger)).toEqual([]);
  });

  test('names every file of which any byte is wrong', async () => {
    const ledger = someLedger(1);
    const disk = await sealed(ledger);
    const bytes = disk.files.get(blockPath(0))!;
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i]! ^= 1;
      disk.files.set(blockPath(0), damaged);
      expect(await damagedOf(disk, ledger)).toMatchObject([{ name: '0000000000.idx', first: 1 }]);
    }
  });

  test('names a file that ends at any byte too soon, or too late', async () => {
    const ledger = someLedger(1);
    const disk = await sealed(ledger);
    const bytes = disk.files.get(blockPath(0))!;
    for (let length = 0; length < bytes.length; length++) {
      disk.files.set(blockPath(0), bytes.subarray(0, length));
      expect(await damagedOf(disk, ledger), `length ${length}`).toMatchObject([{ name: '0000000000.idx', first: 1 }]);
    }
    disk.files.set(blockPath(0), Buffer.concat([bytes, Buffer.alloc(1)]));
    expect(await damagedOf(disk, ledger)).toMatchObject([{ name: '0000000000.idx', first: 1 }]);
    disk.files.set(blockPath(0), bytes);
    expect(await damagedOf(disk, ledger)).toEqual([]);
  });

  test('says what is wrong', async () => {
    const ledger = someLedger(4);
    const disk = await sealed(ledger);
    const wrong = someLedger(4);
    const { unread } = wrong.frames[0]!;
    wrong.frames[0] = { ...wrong.frames[0]!, unread: { ...unread, keys: (offset) => ({ ...unread.keys(offset), type: 'Wrong' }) } };
    disk.files.set(blockPath(0), (await sealed(wrong)).files.get(blockPath(0))!);
    disk.files.delete(blockPath(1));
    disk.files.set(blockPath(2), disk.files.get(blockPath(2))!.subarray(0, 50));
    disk.files.set(blockPath(7), disk.files.get(blockPath(3))!);
    expect((await damagedOf(disk, ledger)).map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      '0000000000.idx: The block does not say what the ledger says.',
      '0000000001.idx: The block is missing.',
      '0000000002.idx: The block is not an index block.',
      '0000000007.idx: The block is about positions that the ledger does not hold.',
    ]);
  });
});
