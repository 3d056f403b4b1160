import fs from 'node:fs';
import type { ImportOptions, ImportProgress, ImportResult } from '../index.js';
import { inputError, usageError } from './exit-codes.js';
import { choice, wholeNumber, withJson, withStore, withWriting as withWritingOptions, type Command } from './program.js';
import { startProgress } from './progress-bar.js';
import { withWriting, type WritingOptions } from './stores.js';
import type { Terminal } from './terminal.js';
import { count, number, seconds } from './text.js';

type Options = WritingOptions & { format?: NonNullable<ImportOptions['format']>; batchSize: number; json?: boolean };

const help = `
Running the same import again adds what is missing and nothing twice: events are known by their ids. An NDJSON line without
id gets one made of the file's name, the line and its number among the events: that holds as long as the file keeps its name and
the lines before stay as they are. From standard input there is no name: equal lines in equal places count as one event.
Ctrl-C lets the batch in hand finish.`;

export function addImportCommand(program: Command, terminal: Terminal): void {
  withJson(withWritingOptions(withStore(program.command('import').description('Append the events of a file.'))), 'the result as JSON')
    .argument('<file>', 'NDJSON or OCEL 2.0 JSON; - for standard input')
    .addOption(choice('--format <format>', 'format of the file; told by its content when absent', ['ndjson', 'ocel']))
    .option('--batch-size <count>', 'events per append; each batch is stored whole or not at all', wholeNumber(1), 1000)
    .addHelpText('after', help)
    .action((file: string, options: Options) => importFile(file, options, terminal));
}

async function importFile(file: string, options: Options, terminal: Terminal): Promise<void> {
  if (options.batchSize > 100_000) throw usageError('--batch-size may be 100000 at most.');
  const { source, size, name } = openSource(file);
  const signal = terminal.interruptible(interruption({ imported: 0, present: 0 }));
  const started = performance.now();
  const progress = await startProgress(terminal, name, size);
  let notice: NodeJS.Timeout | undefined;
  try {
    const { importEvents } = await import('../index.js');
    await withWriting(options, terminal, async (store) => {
      const result = await importEvents(store, source, {
        ...(options.format ? { format: options.format } : {}),
        batchSize: options.batchSize,
        name,
        signal,
        onProgress(now) {
          terminal.afterInterrupt = interruption(now);
          progress.update(now.bytes, `${count(now.imported + now.present, 'event')}, ${number(rate(now, started))}/s`);
        },
      });
      progress.stop();
      // Told as soon as the events are acknowledged: closing the store may take a while longer.
      await report({ ...result, ms: performance.now() - started }, options.json === true, terminal);
      notice = setTimeout(() => void terminal.err.line('All events are stored; their event files are still being written.').catch(() => undefined), 1000);
    });
  } finally {
    progress.stop();
    clearTimeout(notice);
    source.destroy();
  }
}

function openSource(file: string): { source: NodeJS.ReadStream | fs.ReadStream; size: number | undefined; name: string } {
  if (file === '-') return { source: process.stdin, size: undefined, name: 'standard input' };
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found) throw inputError(`There is no file ${file}.`);
  if (found.isDirectory()) throw inputError(`${file} is a folder, not a file.`);
  return { source: fs.createReadStream(file, { highWaterMark: 256 * 1024 }), size: found.isFile() ? found.size : undefined, name: file };
}

async function report({ ms, ...result }: ImportResult & { ms: number }, json: boolean, { out, err }: Terminal): Promise<void> {
  const { imported, present, descriptions } = result;
  const perSecond = Math.round(((imported + present) / ms) * 1000);
  const done = 'The events are stored.';
  if (json) return out.result(JSON.stringify({ ...result, seconds: Number((ms / 1000).toFixed(3)), eventsPerSecond: perSecond }), done);
  await out.result(`${count(imported, 'event')} imported, ${number(present)} were there already (${seconds(ms)}, ${number(perSecond)} events/s)`, done);
  if (descriptions > 0) await err.line(`Types and objects of the log are kept in ${count(descriptions, 'event')} of type "ocel:log", for exports.`);
}

function interruption({ imported, present }: Pick<ImportProgress, 'imported' | 'present'>): string {
  return `${count(imported, 'event')} imported, ${number(present)} were there already. Run the same import again to go on: what is stored is skipped.`;
}

function rate({ imported, present }: ImportProgress, started: number): number {
  return ((imported + present) / Math.max(1, performance.now() - started)) * 1000;
}
