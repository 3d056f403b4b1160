/*
 * goal: wherever a process dies, or the power goes, while it fills a folder of event files aside, the next writer completes
 * the files and leaves nothing under a temporary name.
 * method: the real engine on the simulated disk; one run finds the moments, then each of them is the last of a run.
 */
import { describe, expect, test } from 'vitest';
import { openEventFileCodec } from '../../src/eventfiles/event-file.js';
import { eventFilePath } from '../../src/eventfiles/paths.js';
import { gone, Simulation, type PowerCut } from '../../src/testing/index.js';

const json = await openEventFileCodec('json');
const folder = '/data/default';
const count = 1100;

/** Appends, waits for the event files, and closes; `onChange` is told of each change below `events/`. */
async function fill(simulation: Simulation, onChange: (change: string, number: number) => void): Promise<void> {
  const process = simulation.start('W');
  let changes = 0;
  simulation.disk.onOperation = ({ kind, path, changes: isChange }) => {
    if (isChange && path.includes('/events')) onChange(`${kind} ${path.replace(/\d{9}\.json$/, 'N')}`, ++changes);
    return undefined;
  };
  const work = async (): Promise<void> => {
    const store = await process.openStore({ directory: '/data' });
    for (let done = 0; done < count; done += count / 2) await store.append(Array.from({ length: count / 2 }, (_, i) => ({ type: 'T', data: done + i })));
    await store.close();
  };
  await process.run(work());
  simulation.disk.onOperation = () => undefined;
}

/** The first and the last change of each kind in a row, and one in between. */
async function findMoments(): Promise<number[]> {
  const changes: string[] = [];
  await fill(new Simulation({ seed: 1 }), (change) => changes.push(change));
  const moments: number[] = [];
  for (let i = 0, from = 0; i < changes.length; i++) {
    if (changes[i] === changes[i + 1]) continue;
    if (i < 2 || i - from > 100 || changes[i]!.startsWith('rename /data/default/events/.0')) moments.push(from + 1, i + 1, Math.floor((from + i) / 2) + 1);
    from = i + 1;
  }
  return [...new Set(moments)].slice(0, 7);
}

describe('a folder of event files that is filled aside', async () => {
  const moments = await findMoments();

  test('is filled here', () => {
    expect(moments.length).toBeGreaterThan(6);
  });

  const ends: (PowerCut | 'kill')[] = ['kill', { data: 'torn', entries: 'torn' }];
  test.each(ends)('is completed by the next writer after %o', async (end) => {
    for (const moment of moments) {
      const simulation = new Simulation({ seed: moment });
      await fill(simulation, (_, number) => {
        if (number !== moment) return;
        if (end === 'kill') simulation.kill('W');
        else simulation.cutPower(end);
      });
      await recover(simulation, moment);
    }
  });
});

async function recover(simulation: Simulation, moment: number): Promise<void> {
  const next = simulation.start('N');
  const store = await next.openStore({ directory: '/data' });
  const { last } = await store.append({ type: 'Next', data: null });
  // Committed before the files were begun.
  expect(last, `moment ${moment}`).toBeGreaterThan(count / 2);
  const isDone = (): boolean => {
    const files = simulation.disk.files();
    if ([...files.keys()].some((name) => name.startsWith(`${folder}/events/`) && name.includes('.tmp'))) return false;
    for (let position = last; position >= 1; position--) {
      const bytes = files.get(`${folder}/${eventFilePath(position, 'json')}`);
      if (!bytes || json.decode(bytes)?.position !== position) return false;
    }
    return true;
  };
  for (let round = 0; round < 300 && !isDone(); round++) await simulation.advance(100);
  expect(isDone(), `moment ${moment}`).toBe(true);
  expect(await next.run(store.close())).not.toBe(gone);
}
