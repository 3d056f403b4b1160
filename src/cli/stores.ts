/* Opens stores for commands. Commands that read never make anything: a mistyped folder is an error, not a new store. */
import fs from 'node:fs';
import path from 'node:path';
import type { EventStore, OpenStoreOptions } from '../index.js';
import { CommandError, exitCodes, inputError } from './exit-codes.js';
import type { Terminal } from './terminal.js';
import { visible } from './text.js';

/** Where a store is: the value of the options that every command has. */
export type StoreLocation = { readonly dir: string; readonly context: string };

/** Runs `use` on the store that a reading command names, and closes it. */
export async function withReading<T>(location: StoreLocation, use: (store: EventStore) => Promise<T>): Promise<T> {
  await checkExists(location);
  // A store that may write can make other processes' last events durable and so read them at once.
  return useStore(isWritable(location) ? await open(location) : await openReadOnly(location), use);
}

async function open({ dir, context }: StoreLocation, options: Partial<OpenStoreOptions> = {}): Promise<EventStore> {
  const { openStore } = await import('../engine/open-store.js');
  return openStore({ directory: dir, context, ...options });
}

/** The library advises to open the store with `readOnly`, which was done already. */
async function openReadOnly(location: StoreLocation): Promise<EventStore> {
  try {
    return await open(location, { readOnly: true });
  } catch (error) {
    const reason: unknown = (error as Error).cause;
    throw isDenied(reason) ? deniedError(`${path.join(location.dir, location.context)} cannot be read`, reason) : error;
  }
}

export type WritingOptions = StoreLocation & { readonly eventFiles?: NonNullable<OpenStoreOptions['eventFiles']>; readonly lockTimeout?: number };

/**
 * Runs `use` on the store that a writing command names, makes it when there is none, and closes it. Says on standard error that
 * it made one: the name may be mistyped.
 */
export async function withWriting<T>(location: WritingOptions, { err }: Terminal, use: (store: EventStore) => Promise<T>): Promise<T> {
  const isThere = hasStore(location);
  return withOwn(location, async (store) => {
    if (!isThere) await err.line(`new context ${JSON.stringify(location.context)} in ${visible(location.dir)}`);
    return use(store);
  });
}

/** The same for a store of which the command tells by itself. */
export async function withOwn<T>({ eventFiles, lockTimeout, ...location }: WritingOptions, use: (store: EventStore) => Promise<T>): Promise<T> {
  const options = { ...(eventFiles === undefined ? {} : { eventFiles }), ...(lockTimeout === undefined ? {} : { lockTimeout }) };
  return useStore(await open(location, options), use);
}

/** Throws when there is no such context; says which there are. */
export async function checkExists({ dir, context }: StoreLocation): Promise<void> {
  const found = fs.statSync(dir, { throwIfNoEntry: false });
  if (!found) throw inputError(`There is no folder ${dir}.`);
  if (!found.isDirectory()) throw inputError(`${dir} is not a folder.`);
  if (hasStore({ dir, context })) return;
  const contexts = await contextsIn(dir);
  const hint = contexts.length === 0 ? 'It holds no store.' : `There are: ${contexts.join(', ')}.`;
  throw inputError(`There is no context ${JSON.stringify(context)} in ${dir}. ${hint}`);
}

/** Names of the contexts in a folder. */
export async function contextsIn(dir: string): Promise<string[]> {
  const { listContexts } = await import('../index.js');
  try {
    return await listContexts(dir);
  } catch (error) {
    throw isDenied(error) ? deniedError(`The contexts in ${dir} cannot be listed`, error) : error;
  }
}

function isDenied(error: unknown): error is Error {
  return error instanceof Error && ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function deniedError(what: string, reason: Error): CommandError {
  return new CommandError(exitCodes.unexpected, `${what}: ${reason.message}. Give this user the right to read that.`, reason);
}

/** Whether anything of a store is there; a ledger that is missing beside event files, or that a repair moved aside, is for the library to judge. */
export function hasStore({ dir, context }: StoreLocation): boolean {
  return ['ledger', 'events', 'index', 'checkpoint', 'quarantine'].some((name) => fs.existsSync(path.join(dir, context, name)));
}

function isWritable({ dir, context }: StoreLocation): boolean {
  const folder = path.join(dir, context);
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    fs.accessSync(path.join(folder, 'ledger'), fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function useStore<T>(store: EventStore, use: (store: EventStore) => Promise<T>): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
