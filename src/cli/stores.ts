/* Opens stores for commands. Commands that read never make anything: a mistyped folder is an error, not a new store. */
import fs from 'node:fs';
import path from 'node:path';
import type { EventStore, OpenStoreOptions } from '../index.js';
import { inputError } from './exit-codes.js';
import type { StoreLocation } from './program.js';

/** Runs `use` on the store that a reading command names, and closes it. */
export async function withReading<T>(location: StoreLocation, use: (store: EventStore) => Promise<T>): Promise<T> {
  await checkExists(location);
  const { openStore } = await import('../engine/open-store.js');
  const options = { directory: location.dir, context: location.context };
  // A store that may write can make other processes' last events durable and so read them at once.
  return useStore(await openStore(isWritable(location) ? options : { ...options, readOnly: true }), use);
}

export type WritingOptions = StoreLocation & { readonly eventFiles?: NonNullable<OpenStoreOptions['eventFiles']>; readonly lockTimeout?: number };

/** Runs `use` on the store that a writing command names, makes it when there is none, and closes it. */
export async function withWriting<T>({ dir, context, eventFiles, lockTimeout }: WritingOptions, use: (store: EventStore) => Promise<T>): Promise<T> {
  const { openStore } = await import('../engine/open-store.js');
  const store = await openStore({
    directory: dir,
    context,
    ...(eventFiles === undefined ? {} : { eventFiles }),
    ...(lockTimeout === undefined ? {} : { lockTimeout }),
  });
  return useStore(store, use);
}

/** Throws when there is no such context; says which there are. */
export async function checkExists({ dir, context }: StoreLocation): Promise<void> {
  const found = fs.statSync(dir, { throwIfNoEntry: false });
  if (!found) throw inputError(`There is no folder ${dir}.`);
  if (!found.isDirectory()) throw inputError(`${dir} is not a folder.`);
  if (hasStore({ dir, context })) return;
  const { listContexts } = await import('../index.js');
  const contexts = await listContexts(dir);
  const hint = contexts.length === 0 ? 'It holds no store.' : `There are: ${contexts.join(', ')}.`;
  throw inputError(`There is no context ${JSON.stringify(context)} in ${dir}. ${hint}`);
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
