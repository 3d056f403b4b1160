/*
 * The program of a worker: opens the store, imports the handler, says that it is ready, and runs its commands once it is told to.
 * A history line is written to its file, by a call that returns when the system has it, before the append that it tells of is made:
 * a killed process leaves everything that it asked for.
 */
import { isOpossumError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { DiskFile } from '../../disk/disk.js';
import { nodeDisk } from '../../disk/node-disk.js';
import { openStore } from '../../engine/open-store.js';
import { recordHistory } from '../history/record-history.js';
import type { FromWorker, Job, Task, ToWorker } from './messages.js';
import type { RaceContext, RemoteError } from './options.js';

type Act = (store: EventStore, command: unknown, context: RaceContext) => unknown;

let job: Job;
let store: EventStore;
let act: Act;

// The race is gone: nobody is left to tell, or to be raced.
process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToWorker) => void follow(message));

async function follow(message: ToWorker): Promise<void> {
  try {
    if (message.kind === 'prepare') await prepare(message.job);
    else if (message.kind === 'begin') await work();
    else await leave();
  } catch (error) {
    tell({ kind: 'broken', problem: error instanceof Problem ? error.message : remoteError(error).stack });
  }
}

/** Says all there is to say: where it was thrown does not matter. */
class Problem extends Error {}

async function prepare(given: Job): Promise<void> {
  job = given;
  act = await importHandler(job);
  const write = writerTo(await nodeDisk.open(job.historyPath, 'append-create'));
  ({ store } = recordHistory(await openStore(job.storeOptions), { process: job.name, write }));
  // The first look at the ledger is slower than those that follow: it is no part of the race.
  await store.head();
  tell({ kind: 'ready' });
}

async function importHandler({ module, exportName }: Job): Promise<Act> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(module)) as Record<string, unknown>;
  } catch (error) {
    throw new Problem(`The module ${module} cannot be imported: ${remoteError(error).stack}`);
  }
  const found = exports[exportName];
  if (typeof found === 'function') return found as Act;
  const names = Object.keys(exports);
  throw new Problem(
    `The module ${module} exports no function "${exportName}": it exports ${names.length === 0 ? 'nothing' : names.join(', ')}. ` +
      `Write "export async function ${exportName}(store, command, context)" there, or name another export ("exportName").`,
  );
}

async function work(): Promise<void> {
  const queue = job.tasks.values();
  await Promise.all(
    Array.from({ length: job.atOnce }, async () => {
      for (const task of queue) await run(task);
    }),
  );
}

async function run({ index, command, context }: Task): Promise<void> {
  tell({ kind: 'begun', index });
  let value: unknown;
  try {
    value = await act(store, command, context);
  } catch (error) {
    tell({ kind: 'rejected', index, reason: remoteError(error) });
    return;
  }
  try {
    tell({ kind: 'fulfilled', index, value });
  } catch (error) {
    throw new Problem(`What "${job.exportName}" returned cannot be sent to another process (${remoteError(error).message}). Return plain data.`);
  }
}

async function leave(): Promise<void> {
  await store.close();
  // A handler may have left timers or sockets behind: they are not waited for.
  process.exit(0);
}

function tell(message: FromWorker): void {
  process.send?.(message);
}

/** Small writes of this port are made before it returns; what it would put off is cut up. */
function writerTo(file: DiskFile): (line: string) => void {
  const mostBytes = 64 * 1024;
  return (line) => {
    const bytes = Buffer.from(line);
    for (let at = 0; at < bytes.length; ) {
      const written = file.append(bytes.subarray(at, at + mostBytes));
      if (typeof written !== 'number') throw new Problem('The history could not be written at once.');
      at += written;
    }
  };
}

function remoteError(error: unknown): RemoteError {
  const { name = 'Error', message = String(error), code, stack } = (typeof error === 'object' && error !== null ? error : {}) as Partial<Record<keyof RemoteError, unknown>>;
  const line = `${String(name)}: ${String(message)}`;
  return {
    name: String(name),
    message: String(message),
    code: typeof code === 'string' ? code : undefined,
    retryable: isOpossumError(error) && error.retryable,
    stack: typeof stack === 'string' ? stack : line,
  };
}
