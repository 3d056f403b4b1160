import fs from 'node:fs';
import type { EventStore, ExportOptions, Query } from '../index.js';
import { CommandError, exitCodes, inputError } from './exit-codes.js';
import { choice, wholeNumber, withQuery, withStore, type Command, type StoreLocation } from './program.js';
import { startProgress } from './progress-bar.js';
import { toQuery, type QueryOptions } from './queries.js';
import { withReading } from './stores.js';
import type { Terminal } from './terminal.js';
import { bytes, count, seconds } from './text.js';

type Options = StoreLocation & QueryOptions & { format?: NonNullable<ExportOptions['format']>; after?: number; before?: number; force?: boolean };

export function addExportCommand(program: Command, terminal: Terminal): void {
  withQuery(withStore(program.command('export').description('Write events to a file as NDJSON or OCEL 2.0 JSON.')))
    .argument('<file>', 'file to write; - for standard output')
    .addOption(choice('--format <format>', 'when absent: ocel for names that end in .json or .jsonocel, else ndjson', ['ndjson', 'ocel']))
    .option('--after <position>', 'only events after this position', wholeNumber(0))
    .option('--before <position>', 'only events before this position', wholeNumber(1))
    .option('--force', 'replace the file if there is one')
    .action((file: string, options: Options) => exportFile(file, options, terminal));
}

async function exportFile(file: string, options: Options, terminal: Terminal): Promise<void> {
  const { after, before, force = false } = options;
  const format = options.format ?? (/\.(json|jsonocel)$/i.test(file) ? 'ocel' : 'ndjson');
  const query = toQuery(options);
  if (file !== '-' && !force && fs.existsSync(file)) throw inputError(`${file} is there already. Use --force to replace it.`);
  const bounds = { ...(after === undefined ? {} : { after }), ...(before === undefined ? {} : { before }) };
  const request = { format, query, ...bounds, signal: terminal.interruptible(afterInterrupt(file)) };
  await withReading(options, (store) => (file === '-' ? toOutput(store, request, terminal) : toFile(store, file, request, terminal)));
}

function afterInterrupt(file: string): string {
  if (file === '-') return 'what was written is not all. The store is as it was: run the same export again.';
  return `${file} was not written, and the store is as it was. Run the same export again.`;
}

type Request = ExportOptions & { readonly query: Query };

async function toOutput(store: EventStore, request: Request, { out }: Terminal): Promise<void> {
  const { exportEvents } = await import('../index.js');
  for await (const piece of exportEvents(store, request)) await out.write(piece);
}

/** Written beside its place and then renamed: the file is there whole, or not at all. */
async function toFile(store: EventStore, file: string, request: Request, terminal: Terminal): Promise<void> {
  const { exportEvents } = await import('../index.js');
  const started = performance.now();
  const total = request.query === 'all' ? (await store.head()) - (request.after ?? 0) : undefined;
  const progress = await startProgress(terminal, file, total);
  const unfinished = `${file}.${process.pid}.part`;
  let events = 0;
  let handle: fs.promises.FileHandle | undefined;
  try {
    handle = await fs.promises.open(unfinished, 'wx');
    const onProgress = (now: { events: number }): void => progress.update((events = now.events), count(now.events, 'event'));
    for await (const piece of exportEvents(store, { ...request, onProgress })) await handle.appendFile(piece);
    const { size } = await handle.stat();
    await handle.close();
    fs.renameSync(unfinished, file);
    progress.stop();
    await terminal.err.line(`${count(events, 'event')} exported to ${file} (${bytes(size)}, ${seconds(performance.now() - started)})`);
  } catch (error) {
    progress.stop();
    await handle?.close().catch(() => undefined);
    fs.rmSync(unfinished, { force: true });
    throw asWriteError(error, file);
  }
}

function asWriteError(error: unknown, file: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const exitCode = code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' ? exitCodes.invalidInput : exitCodes.unexpected;
  return new CommandError(exitCode, `${file} cannot be written: ${(error as Error).message}.`, error);
}
