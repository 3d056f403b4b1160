import path from 'node:path';
import type { BackupProgress, BackupReport } from '../index.js';
import { withJson, withStore, type Command, type StoreLocation } from './program.js';
import { startProgress } from './progress-bar.js';
import { checkExists } from './stores.js';
import type { Terminal } from './terminal.js';
import { bytes, count, number, seconds, visible } from './text.js';

type Options = StoreLocation & { json?: boolean };

const help = `
The copy is DEST/CONTEXT and is itself a store: to restore, copy that folder back, or open it where it is. Writers may go on
meanwhile. Running it again with the same DEST copies only what is new; it is refused where events were appended to the copy.
A backup that was cut off is completed by running it again.`;

export function addBackupCommand(program: Command, terminal: Terminal): void {
  withJson(withStore(program.command('backup').description('Copy a context while writers go on, or bring an earlier copy up to date, and verify the copy.')), 'the result as JSON')
    .argument('<dest>', 'folder for copies of contexts; made when absent')
    .addHelpText('after', help)
    .action((destination: string, options: Options) => backup(destination, options, terminal));
}

async function backup(destination: string, options: Options, terminal: Terminal): Promise<void> {
  await checkExists(options);
  const started = performance.now();
  const report = await runBackup(destination, options, terminal);
  const ms = performance.now() - started;
  await terminal.out.result(options.json ? JSON.stringify({ ...report, seconds: Number((ms / 1000).toFixed(3)) }) : describeBackup(report, ms), 'The backup is complete.');
}

async function runBackup(destination: string, { dir, context }: StoreLocation, terminal: Terminal): Promise<BackupReport> {
  const { backupContext } = await import('../index.js');
  const progress = await startProgress(terminal, 'backup', steps.length);
  try {
    return await backupContext({
      directory: dir,
      context,
      destination,
      signal: terminal.interruptible('the store is as it was, and no copy was damaged. Run the same backup again to complete it.'),
      onProgress: (now) => progress.update(overall(now), describeProgress(now)),
    });
  } finally {
    progress.stop();
  }
}

const steps: readonly BackupProgress['step'][] = ['reading', 'copying', 'event files', 'verifying'];

/** Counts steps: 1.5 is in the middle of the second. */
function overall({ step, done, total }: BackupProgress): number {
  return steps.indexOf(step) + (total === 0 ? 1 : done / total);
}

function describeProgress({ step, done, total }: BackupProgress): string {
  return step === 'event files' ? `${number(done)} of ${count(total, 'event file')}` : `${step}, ${bytes(done)} of ${bytes(total)}`;
}

function describeBackup({ folder, head, copiedEvents, copiedBytes, incremental }: BackupReport, ms: number): string {
  const place = path.relative('', folder).startsWith('..') ? folder : path.relative('', folder);
  const what = incremental ? `${count(copiedEvents, 'new event')} (${bytes(copiedBytes)}) added to the backup` : `${count(copiedEvents, 'event')} (${bytes(copiedBytes)}) copied`;
  return `${what} in ${visible(place)}, which now ends with position ${head} and is verified (${seconds(ms)})`;
}
