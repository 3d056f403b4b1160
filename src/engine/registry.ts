/*
 * All stores that one process opens on the same real path share one engine, even when the package is installed twice: the
 * process's registry hangs on `globalThis`. The engine closes with its last store. A simulation has a registry for each of
 * its processes.
 */
import type { Engine } from './engine.js';

type Entry = { readonly engine: Promise<Engine>; users: number; closing?: Promise<void> };

// The version changes when engines of two releases could not share a queue.
const registryKey = Symbol.for('opossum-store.engines.1');

/** The engines that a process has open, by real path and mode. */
export type EngineRegistry = Map<string, Entry>;

export function processRegistry(): EngineRegistry {
  const holder = globalThis as { [registryKey]?: EngineRegistry };
  return (holder[registryKey] ??= new Map());
}

/** Returns the engine for `key`, opened by `open` if nobody has it open, and how to give it back. */
export async function shareEngine(
  entries: EngineRegistry,
  key: string,
  open: () => Promise<Engine>,
): Promise<{ engine: Engine; release: () => Promise<void> }> {
  for (;;) {
    const known = entries.get(key);
    const entry = known ?? startEntry(entries, key, open);
    if (entry.closing) {
      // Why closing failed is told to whoever closed.
      await entry.closing.catch(() => undefined);
      continue;
    }
    entry.users++;
    const engine = await openOrForget(entries, key, entry);
    if (!known || (await engine.isSound())) return { engine, release: () => release(entries, key, entry, engine) };
    // An engine that is of no use any more stays with those who have it; whoever opens the folder now gets a fresh one.
    if (entries.get(key) === entry) entries.delete(key);
    await release(entries, key, entry, engine);
  }
}

/** Whether a store of this process has `key` open. */
export function isShared(entries: EngineRegistry, key: string): boolean {
  return entries.has(key);
}

function startEntry(entries: EngineRegistry, key: string, open: () => Promise<Engine>): Entry {
  const entry: Entry = { engine: open(), users: 0 };
  entries.set(key, entry);
  return entry;
}

async function openOrForget(entries: EngineRegistry, key: string, entry: Entry): Promise<Engine> {
  try {
    return await entry.engine;
  } catch (error) {
    if (entries.get(key) === entry) entries.delete(key);
    throw error;
  }
}

async function release(entries: EngineRegistry, key: string, entry: Entry, engine: Engine): Promise<void> {
  entry.users--;
  if (entry.users > 0) return;
  entry.closing = engine.close().finally(() => {
    if (entries.get(key) === entry) entries.delete(key);
  });
  await entry.closing;
}
