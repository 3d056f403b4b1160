import fs from 'node:fs';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { EventStore } from '../../src/core/event-store.js';
import { openStore, type OpenStoreOptions } from '../../src/engine/open-store.js';

/** A fresh context, and how to open more stores on it. `reopen` closes all of them first. */
export type FileStores = {
  readonly store: EventStore;
  another(): Promise<EventStore>;
  reopen(): Promise<EventStore>;
  dispose(): Promise<void>;
};

/**
 * Returns what makes fresh contexts in one folder below `root`. The folder is removed at the end, not in between: deleting
 * thousands of files slows down the creation of others for a while.
 */
export function fileStoresIn(root: string): (options: Partial<OpenStoreOptions>) => Promise<FileStores> {
  const directory = fs.mkdtempSync(path.join(root, 'opossum-stores-'));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  let contexts = 0;
  return async (options) => {
    const context = `c${++contexts}`;
    const opened: EventStore[] = [];
    const another = async (): Promise<EventStore> => {
      const store = await openStore({ directory, context, ...options });
      opened.push(store);
      return store;
    };
    const dispose = async (): Promise<void> => {
      await Promise.all(opened.splice(0).map((store) => store.close()));
    };
    const reopen = async (): Promise<EventStore> => {
      await dispose();
      return another();
    };
    return { store: await another(), another, reopen, dispose };
  };
}
