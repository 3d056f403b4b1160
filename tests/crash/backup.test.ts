/*
 * Goal: a backup that resolved survives any power cut; one that was cut off leaves a whole copy, none, or one that the next
 * run completes; the events of the older copy are there after that, and nothing of the source is ever changed.
 * Method: a first and a further backup on the simulated disk, cut at every change of the disk and with each thing that the
 * cut may leave; then backed up again, cut once more, and compared with the source.
 */
import { describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engine/open-store.js';
import { backupOn, type BackupReport } from '../../src/engine/upkeep/backup.js';
import { verifyOn } from '../../src/engine/upkeep/verify.js';
import type { EnginePorts } from '../../src/engine/engine.js';
import type { SequencedEvent } from '../../src/index.js';
import type { PowerCut, SyncModel } from '../../src/testing/index.js';
import { gone, Simulation } from '../../src/testing/simulation/simulation.js';

const directory = '/data';
const destination = '/copies';
const lost: PowerCut = { data: 'lost', entries: 'lost' };
const torn: readonly PowerCut[] = [{ data: 'torn', entries: 'torn' }, { data: 'torn', entries: 'kept' }];
// What is lost or kept as a whole is the same under both models.
const cuts: Record<SyncModel, readonly PowerCut[]> = { posix: [lost, { data: 'lost', entries: 'kept' }, ...torn], ext4: torn };

async function append(simulation: Simulation, numbers: readonly number[]): Promise<void> {
  const writer = simulation.start('writer');
  const store = await writer.openStore({ directory });
  for (const n of numbers) await store.append([{ id: `a${n}`, type: 'A', data: n }, { id: `b${n}`, type: 'B', data: 'x'.repeat(300) }]);
  await store.close();
}

async function eventsIn(root: string, ports: EnginePorts): Promise<SequencedEvent[]> {
  const store = await openEngine({ directory: root, readOnly: true }, ports);
  try {
    return await store.read().toArray();
  } finally {
    await store.close();
  }
}

const backup = (simulation: Simulation): Promise<BackupReport | typeof gone> => {
  const process = simulation.start('backup');
  return process.run(backupOn({ directory, destination }, process.ports));
};

/** Backs up, with the power cut at the given change of the disk; returns how many changes there were. */
async function backUpCutAt(simulation: Simulation, cutAt: number, cut: PowerCut): Promise<number> {
  let changes = 0;
  simulation.disk.onOperation = ({ changes: isChange }) => {
    if (isChange && ++changes === cutAt) simulation.cutPower(cut);
    return undefined;
  };
  await backup(simulation);
  simulation.disk.onOperation = () => undefined;
  return changes;
}

/** What a person finds under the copy's name before it is backed up again. */
async function lookAtCopy(simulation: Simulation, source: readonly SequencedEvent[], olderEvents: number): Promise<void> {
  const hasCopy = [...simulation.disk.files().keys()].some((file) => file === `${destination}/default/ledger`);
  if (!hasCopy) return expect(olderEvents).toBe(0);
  const { ports } = simulation.start('reader');
  const report = await verifyOn({ directory: destination }, ports);
  if (olderEvents === 0) expect(report).toMatchObject({ ok: true, head: source.length });
  else if (report.ok) expect(await eventsIn(destination, ports)).toEqual(source.slice(0, report.head));
  else expect(report.head).toBeGreaterThanOrEqual(olderEvents);
}

async function prepared(seed: number, syncModel: SyncModel, isFirst: boolean): Promise<Simulation> {
  const simulation = new Simulation({ seed, syncModel });
  await append(simulation, [1, 2]);
  if (isFirst) return simulation;
  await backup(simulation);
  await append(simulation, [3, 4, 5]);
  return simulation;
}

describe.each<SyncModel>(['posix', 'ext4'])('on a disk with %s syncs', (syncModel) => {
  test.each([
    ['a first backup', true],
    ['a further backup', false],
  ])('%s is cut at every change', async (_, isFirst) => {
    const changes = await backUpCutAt(await prepared(1, syncModel, isFirst), Infinity, lost);
    expect(changes).toBeGreaterThan(15);
    // Cut behind the last change, too: then it had resolved.
    for (let cutAt = 1; cutAt <= changes + 1; cutAt++) {
      for (const [i, cut] of cuts[syncModel].entries()) {
        const simulation = await prepared(i + 1, syncModel, isFirst);
        const source = await eventsIn(directory, simulation.start('reader').ports);
        try {
          await backUpCutAt(simulation, cutAt, cut);
          simulation.cutPower(cut);
          await lookAtCopy(simulation, source, isFirst ? 0 : 4);
          // The run that is to complete it is cut as well, now here, now there.
          await backUpCutAt(simulation, 1 + ((cutAt * 7 + i * 3) % changes), cut);
          simulation.cutPower(cut);
          expect(await backup(simulation)).toMatchObject({ head: source.length });
          simulation.cutPower(lost);
          expect(simulation.disk.files().get(`${destination}/default/checkpoint`)?.toString()).toMatch(new RegExp(`"durable":{"position":${source.length},.*"eventFiles":{"position":${source.length},`));
          const { ports } = simulation.start('reader');
          expect(await verifyOn({ directory: destination }, ports)).toMatchObject({ ok: true, head: source.length, pendingEventFiles: 0 });
          expect(await eventsIn(destination, ports)).toEqual(source);
          expect(await eventsIn(directory, ports)).toEqual(source);
        } catch (error) {
          throw new Error(`cut ${JSON.stringify(cut)} at change ${cutAt} of ${changes}:\n${simulation.disk.trace.slice(-40).join('\n')}`, { cause: error });
        }
      }
    }
  });

  test('a copy never holds what the source can still lose', async () => {
    const simulation = await prepared(1, syncModel, true);
    const writer = simulation.start('writer');
    const store = await writer.openStore({ directory, durability: 'os' });
    await store.append({ type: 'C', data: 'written, and not synced' });
    expect(await backup(simulation)).toMatchObject({ head: 5 });
    simulation.cutPower(lost);
    const { ports } = simulation.start('reader');
    expect(await eventsIn(directory, ports)).toEqual(await eventsIn(destination, ports));
  });
});
