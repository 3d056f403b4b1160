/*
 * Goal: type and tag queries equal a filter of the full scan after any crash, and no promise breaks, also where blocks of the index
 * are sealed; no byte of a sealed block can be wrong without verify finding it and repair making it again.
 * Method: blocks of 64 events instead of 4,096, in all rooms, and groups of two and of four, so that small stores fill them: random lives that begin
 * just before the end of the second block; a power cut at every change of sealing one; flipped bytes and cut lengths of a block.
 */
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { SyncModel } from '../../src/testing/index.js';
import type { Simulation } from '../../src/testing/simulation/simulation.js';
import { checkRandomLives } from '../support/crash-lives.js';
import { runAll } from '../support/crash-world.js';
import { changed, folder, inFolder, quickDiskWith, repair, storeFiles, verify } from '../support/damaged-store.js';
import { cutEverywhere, cuts, prepared, type Workload } from '../support/every-cut.js';
import { flipped } from '../support/ledger-bytes.js';

// Test files share modules: neither may those be used here that others loaded, nor these by others.
const segment = vi.hoisted(() => {
  vi.resetModules();
  return '../../src/indexing/segment.js';
});
vi.mock('../../src/indexing/segment.js', async (original) => ({ ...(await original<object>()), blockSize: 64, groupSizes: [2, 4] }));
afterAll(() => {
  vi.doUnmock(segment);
  vi.resetModules();
});

const blocksOn = ({ disk }: Simulation): number => [...disk.files().keys()].filter((file) => file.endsWith('.idx')).length;

test('random lives over the end of a second block', async () => {
  const blocks: number[] = [];
  await checkRandomLives({ numRuns: 30, before: 120, look: (simulation) => blocks.push(blocksOn(simulation)) });
  // Else blocks are not small, or nothing was sealed.
  expect(blocks.filter((count) => count > 1).length).toBeGreaterThan(blocks.length / 2);
}, 60_000);

const workloads: readonly Workload[] = [
  { name: 'a block', eventFiles: 'none', before: [{ do: 'append', count: 63, tag: 0 }], processes: [[{ do: 'append', count: 2, tag: 0 }]] },
  { name: 'the second block', eventFiles: 'none', before: [{ do: 'append', count: 127, tag: 1 }], processes: [[{ do: 'append', count: 3, tag: 1 }]] },
  { name: 'the fourth block', eventFiles: 'none', before: [{ do: 'append', count: 255, tag: 1 }], processes: [[{ do: 'append', count: 3, tag: 1 }]] },
  { name: 'a block, by two processes', eventFiles: 'none', before: [{ do: 'append', count: 62, tag: 2 }], processes: [[{ do: 'append', count: 2, tag: 0 }], [{ do: 'append', count: 3, tag: 1 }]] },
];

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs a cut at every change of sealing', (syncModel) => {
  test.each(workloads)('$name', async (workload) => {
    const { simulation, promises } = await prepared(workload, syncModel, 1);
    const before = blocksOn(simulation);
    await runAll(simulation, workload.processes, promises);
    expect(blocksOn(simulation)).toBe(before + 1);
    expect(await cutEverywhere(workload, syncModel, cuts)).toBeGreaterThan(5);
  });
});

test('each damage in a sample of bytes and lengths is found, and repair makes the block again as it was', async () => {
  const block = 'index/0000000001.idx';
  const files = await storeFiles('none', [0, 64, 128].map((from) => ({
    events: Array.from({ length: 64 }, (_, i) => ({ type: `T${i % 3}`, id: `${from + i}`, tags: i % 5 === 0 ? [`t:${i}`] : [], data: 1 })),
  })));
  const right = files.get(inFolder(block))!;
  const damagedOnes: Buffer[] = [];
  for (let offset = 0; offset < right.length; offset += 11) damagedOnes.push(flipped(right, offset));
  for (let length = 0; length < right.length; length += 23) damagedOnes.push(right.subarray(0, length));
  expect(damagedOnes.length).toBeGreaterThan(150);
  for (const [i, damaged] of damagedOnes.entries()) {
    const { disk, process } = await quickDiskWith(changed(files, { [block]: damaged }));
    expect(await verify(process), `damage ${i}`).toMatchObject({ ok: false, head: 192, problemCount: 1, problems: [{ what: 'index block', where: block }] });
    expect(await repair(process, { apply: true }), `damage ${i}`).toMatchObject({ ok: true, applied: true, actionCount: 1 });
    expect(disk.files().get(inFolder(block))!.equals(right), `damage ${i}`).toBe(true);
    const kept = [...disk.files()].find(([file]) => file.startsWith(`${folder}/quarantine/`) && file.endsWith(`/${block}`))?.[1];
    expect(kept?.equals(damaged), `damage ${i}`).toBe(true);
  }
});
