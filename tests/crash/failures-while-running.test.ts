/*
 * goal: whatever call to the disk fails, once or until the disk is mended: the store says so with an error of its own,
 *   goes on where it can, and loses nothing that it acknowledged.
 * method: a small workload is run again and again, and each time another of its calls to the disk fails.
 */
import path from 'node:path';
import { expect, test } from 'vitest';
import type { EventStore } from '../../src/index.js';
import { openEngine } from '../../src/engine/open-store.js';
import { isOpossumError, openStore, verifyContext } from '../../src/index.js';
import { faultyPorts, type Faults } from '../support/faulty-disk.js';
import { fastFolder } from '../support/folder.js';

type Event = { type: string; id: string; tags: string[]; data: string };
const event = (id: string): Event => ({ type: 'T', id, tags: ['x:1'], data: id });
const batches = [['a'], ['b1', 'b2', 'b3'], ['c'], ['d']];

/** What became of the appends, by event id. */
type Told = { stored: string[]; notStored: string[]; unknown: string[]; calls: number; failed: string };

/** Call `failAt` to the disk fails; with `lasting`, also every later one of the same kind, until the disk is mended. */
type Fault = { readonly failAt: number; readonly code: string; readonly lasting: boolean; readonly mended: 'before closing' | 'after closing' };

const cases = [
  { code: 'EIO', lasting: false, mended: 'before closing' },
  { code: 'EIO', lasting: true, mended: 'after closing' },
  { code: 'ENOSPC', lasting: true, mended: 'before closing' },
  { code: 'EMFILE', lasting: false, mended: 'after closing' },
] as const;
const atOnce = 16;
/** So many runs in which nothing failed any more tell that there are no more calls: their number varies a little. */
const enoughWithout = 16;

test.each(cases)('any call to the disk may fail: $code, lasting: $lasting, mended $mended', async (fault) => {
  const failed = new Set<string>();
  let last = 0;
  let without = 0;
  const worker = async (): Promise<void> => {
    while (without < enoughWithout) {
      const failAt = ++last;
      const directory = fastFolder();
      const told = await run(directory, { ...fault, failAt });
      if (told.failed === '') without++;
      failed.add(told.failed);
      await expectNothingLost(directory, told, `call ${failAt} (${told.failed}) fails with ${fault.code}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  // The table of what was tried must not become shorter unnoticed.
  const kinds = [
    'open default/ledger',
    'file.append default/ledger',
    'file.stat default/ledger',
    'file.dataSync default/ledger',
    'file.read default/ledger',
    'syncDirectory default',
    'createFile default/ledger.lock.owner.*',
    'stat default/ledger.unsynced',
  ];
  // Which event's file, and which of the calls that save the checkpoint, is not the same in every run.
  const whileClosing = [
    /^makeDirectory default\/events\/0000001$/,
    /^createFile default\/events\/0000001\/.*\.tmp$/,
    /^rename default\/events\/0000001\/.*\.tmp$/,
    /^syncFile default\/events\/0000001\/\d+\.json$/,
    / default\/\.checkpoint\.\*\.tmp$/,
  ];
  expect([...failed]).toEqual(expect.arrayContaining(kinds));
  if (fault.mended === 'after closing') for (const kind of whileClosing) expect([...failed]).toEqual(expect.arrayContaining([expect.stringMatching(kind)]));
});

/** Opens, appends, reads, and appends more once the disk is mended. */
async function run(directory: string, { failAt, code, lasting, mended }: Fault): Promise<Told> {
  const told: Told = { stored: [], notStored: [], unknown: [], calls: 0, failed: '' };
  let isMended = false;
  const faults: Faults = {
    fail(verb, file) {
      // What no system refuses for such a reason.
      if (isMended || verb === 'file.close' || verb === 'watch') return undefined;
      const kind = `${verb} ${path.relative(directory, file)}`.replace(/\.[0-9a-f-]{8,36}(?=$|\.tmp)/, '.*');
      if (++told.calls === failAt) told.failed = kind;
      return told.calls === failAt || (lasting && told.failed === kind) ? code : undefined;
    },
  };
  const ports = faultyPorts(faults);
  let store = await open(directory, ports);
  if (store) await use(store, told);
  if (store && mended === 'after closing') {
    await store.close();
    store = undefined;
  }
  isMended = true;
  store ??= await openEngine({ directory }, ports);
  // What was refused can be appended now, unless the outcome of an append is unknown: then only a fresh store may go on.
  if (mended === 'after closing' || told.unknown.length === 0) {
    expect(await store.append(event('e')), `${told.failed} failed`).toMatchObject({ duplicate: false });
    told.stored.push('e');
  }
  await store.close();
  return told;
}

async function open(directory: string, ports: ReturnType<typeof faultyPorts>): Promise<EventStore | undefined> {
  try {
    return await openEngine({ directory }, ports);
  } catch (error) {
    expect(error, 'on opening').toMatchObject({ code: 'STORAGE_FAILED', outcome: 'not-committed' });
    return undefined;
  }
}

async function use(store: EventStore, told: Told): Promise<void> {
  for (const ids of batches) {
    try {
      await store.append(ids.map(event), { failIfEventsMatch: { items: [{ types: ['Never'] }] } });
      told.stored.push(...ids);
    } catch (error) {
      if (!isOpossumError(error)) throw error;
      expect(error.code, error.message).toBe('STORAGE_FAILED');
      (error.details.outcome === 'unknown' ? told.unknown : told.notStored).push(...ids);
    }
  }
  try {
    const seen = (await store.read({ items: [{ tags: ['x:1'] }] }).toArray()).map(({ id }) => id);
    expect(seen).toEqual(told.unknown.length === 0 ? told.stored : expect.arrayContaining(told.stored));
  } catch (error) {
    if (!isOpossumError(error, 'STORAGE_FAILED')) throw error;
  }
}

async function expectNothingLost(directory: string, told: Told, what: string): Promise<void> {
  const store = await openStore({ directory });
  try {
    // The next writer mends what a failed sync left; only then does everybody see all.
    await store.append(event('z'));
    const ids = (await store.read().toArray()).map(({ id }) => id);
    expect(ids.filter((id) => !told.unknown.includes(id)), what).toEqual([...told.stored, 'z']);
    for (const id of told.unknown) expect(batches.flat(), what).toContain(id);
    while ((await verifyContext({ directory })).pendingEventFiles > 0) await new Promise((resolve) => setTimeout(resolve, 2));
  } finally {
    await store.close();
  }
  const report = await verifyContext({ directory });
  expect(report, what).toMatchObject({ ok: true, problems: [] });
}
