/* Backups of a store that other processes append to. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { backupContext, openStore, verifyContext } from '../../src/index.js';
import { freshFolder } from '../support/folder.js';
import { eventsIn } from '../support/read-events.js';
import { startWorkers } from '../support/workers.js';

const backupProcess = path.join(import.meta.dirname, 'fixtures/backup-process.mjs');

// goal: every backup taken while writers go on is a consistent, durable prefix of the store, and holds what was acknowledged before it began.
// method: two processes append batches of three; meanwhile backups are taken one after another and each is compared with the store.
test('a backup beside writers is a prefix that holds all that was acknowledged before', async () => {
  const directory = freshFolder();
  const destination = path.join(freshFolder(), 'copies');
  const workers = await startWorkers(['a', 'b'].map((name) => ({ job: 'append', directory, name, count: 150, batch: 3, reports: true })));
  for (const worker of workers) worker.go();
  let running = true;
  const done = Promise.all(workers.map(({ result }) => result)).finally(() => (running = false));
  const heads: number[] = [];
  const acknowledged = (): number => Math.max(0, ...workers.flatMap(({ reports }) => (reports as { last: number }[]).map(({ last }) => last)));
  do {
    const before = acknowledged();
    const { head, incremental } = await backupContext({ directory, destination });
    expect(head).toBeGreaterThanOrEqual(before);
    expect(head % 3).toBe(0);
    expect(incremental).toBe(heads.length > 0);
    heads.push(head);
    expect((await verifyContext({ directory: destination })).head).toBe(head);
  } while (running);
  await done;
  expect(heads.filter((head) => head > 0 && head < 900).length).toBeGreaterThan(0);
  await backupContext({ directory, destination });
  const events = await eventsIn(directory);
  expect(events).toHaveLength(900);
  expect(await eventsIn(destination)).toEqual(events);
  expect(fs.readFileSync(path.join(destination, 'default', 'ledger'))).toEqual(fs.readFileSync(path.join(directory, 'default', 'ledger')));
  expect(await verifyContext({ directory: destination })).toMatchObject({ ok: true, pendingEventFiles: 0 });
});

// goal: a backup process that is killed leaves nothing under the copy's name, or a copy that the next run completes.
// method: it is killed when it gets to each of its steps, over first and further backups, with and without a completing run between.
test('a backup that is killed is completed by the next', async () => {
  const directory = freshFolder();
  const destination = path.join(freshFolder(), 'copies');
  const store = await openStore({ directory, durability: 'os' });
  const kills = [
    { step: 'reading', after: 0 },
    { step: 'event files', after: 50 },
    { step: 'verifying', after: 0 },
    { step: 'copying', after: 0 },
    { step: 'copying', after: 1 },
    { step: 'event files', after: 0 },
    { step: 'verifying', after: 0 },
  ];
  let appended = 0;
  try {
    for (const [round, kill] of kills.entries()) {
      await store.append(Array.from({ length: 100 }, (_, i) => ({ type: 'A', data: { round, i, text: 'x'.repeat(15_000) } })));
      appended += 100;
      const { signal, stderr } = spawnSync(process.execPath, [backupProcess, JSON.stringify({ directory, destination, ...kill })], { encoding: 'utf8' });
      expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
      // Until a first backup was let run to its end.
      if (round <= 3) expect(fs.existsSync(path.join(destination, 'default'))).toBe(false);
      if (round !== 3 && round !== 5) continue;
      expect(await backupContext({ directory, destination })).toMatchObject({ head: appended, incremental: round === 5 });
      expect((await eventsIn(destination)).length).toBe(appended);
      expect(fs.readdirSync(destination)).toEqual(['default']);
    }
  } finally {
    await store.close();
  }
  expect(await backupContext({ directory, destination })).toMatchObject({ head: appended, incremental: true });
  expect(await eventsIn(destination)).toEqual(await eventsIn(directory));
});
