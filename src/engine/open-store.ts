import path from 'node:path';
import { checkFields } from '../core/check-values.js';
import { checkCosmosState, checkStoreLimits } from '../core/cosmos-limits.js';
import { InvalidInputError, isOpossumError, StorageFailedError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { describe } from '../core/json.js';
import { checkName } from '../core/names.js';
import type { Disk } from '../disk/disk.js';
import { codeOf, isOutOfDescriptors, messageOf } from '../disk/error-code.js';
import type { EventFileFormat } from '../ledger/header.js';
import { FileStateStore } from '../state/file-state-store.js';
import { checkDirectory, refuseContextWithin } from './context-location.js';
import { Engine, type EnginePorts } from './engine.js';
import { FileEventStore } from './file-event-store.js';
import type { Durability } from './ledger-view.js';
import { shareEngine } from './registry.js';
import { systemPorts } from './system-ports.js';

export type OpenStoreOptions = {
  /** Folder that holds the contexts; made when absent. */
  directory: string;
  /** Name of the independent store within it; `default` when absent. */
  context?: string;
  /**
   * `'commit'` (default): an append resolves when its events are on the disk; they survive a power cut.
   * `'os'`: when the operating system has them; they survive the process, not a power cut. For tests.
   */
  durability?: Durability;
  /** Format of the one-file-per-event copy; fixed when the store is made, `'json'` unless said otherwise. */
  eventFiles?: EventFileFormat;
  /** How long an append waits for the lock of another process, in milliseconds; 15,000 when absent. */
  lockTimeout?: number;
  /** Reads only: takes no lock, writes nothing, works on read-only media. The store must exist. */
  readOnly?: boolean;
  /**
   * `'cosmos'`: refuses what `opossum-store/cosmos` would refuse, so that code which would fail in production fails at the desk:
   * above 99 events or 1,900,000 bytes an append, above 1,900,000 bytes a saved state. For this store object only; the folder
   * does not remember it.
   */
  limits?: 'cosmos';
};

/**
 * Opens the event store in a folder, and makes it when there is none.
 *
 * @example const store = await openStore({ directory: './data' })
 * @throws InvalidInputError, LedgerCorruptError, StorageFailedError, UnsupportedFormatError
 */
export function openStore(options: OpenStoreOptions): Promise<EventStore> {
  return openEngine(options, systemPorts);
}

/** `openStore` on other ports: what a simulation drives. */
export async function openEngine(options: OpenStoreOptions, ports: EnginePorts): Promise<EventStore> {
  const { directory, context, durability, eventFiles, lockTimeout, readOnly, limits } = checkOptions(options);
  const folder = path.join(path.resolve(directory), context);
  try {
    if (!readOnly) await makeFolders(folder, ports.disk);
    const real = await realFolder(folder, ports.disk);
    const { engine, release } = await shareEngine(ports.engines, `${readOnly ? 'read' : 'write'}:${real}`, () =>
      Engine.open({ directory: real, eventFiles, readOnly }, ports),
    );
    try {
      checkEventFiles(engine, eventFiles);
    } catch (error) {
      await release();
      throw error;
    }
    const { clock, random, openLock } = ports;
    const checkText = limits && ((name: string, text: string) => checkCosmosState(name, text, context));
    const state = new FileStateStore({ directory: real, durable: durability === 'commit', readOnly, disk: engine.disk, clock, random, openLock, checkText });
    return new FileEventStore({ engine, state, release, durability, lockTimeoutMs: lockTimeout, readOnly, limits: limits && { context }, clock, random });
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') throw new InvalidInputError('options.directory', `leads to ${folder}, but a part of that path is a file, not a folder.`);
    throw isOpossumError(error) ? error : cannotOpen(folder, error);
  }
}

const optionKeys = new Set(['directory', 'context', 'durability', 'eventFiles', 'lockTimeout', 'readOnly', 'limits']);

type CheckedOptions = Required<Omit<OpenStoreOptions, 'eventFiles' | 'limits'>> & { readonly eventFiles?: EventFileFormat; readonly limits: 'cosmos' | undefined };

function checkOptions(options: OpenStoreOptions): CheckedOptions {
  checkFields(options, 'options', optionKeys, 'openStore options');
  const { directory, context = 'default', durability = 'commit', eventFiles, lockTimeout = 15_000, readOnly = false } = options;
  checkDirectory(directory, 'options.directory');
  checkName(context, 'options.context');
  checkOneOf(durability, ['commit', 'os'], 'options.durability');
  if (eventFiles !== undefined) checkOneOf(eventFiles, ['json', 'msgpack', 'none'], 'options.eventFiles');
  if (typeof lockTimeout !== 'number' || !(lockTimeout >= 0)) {
    throw new InvalidInputError('options.lockTimeout', `is ${describe(lockTimeout)}; it must be a number of milliseconds from 0.`);
  }
  if (typeof readOnly !== 'boolean') throw new InvalidInputError('options.readOnly', `is ${describe(readOnly)}; it must be true or false.`);
  const limits = checkStoreLimits(options.limits);
  return { directory, context, durability, lockTimeout, readOnly, limits, ...(eventFiles === undefined ? {} : { eventFiles }) };
}

function checkOneOf(value: unknown, allowed: readonly string[], name: string): void {
  if (!allowed.includes(value as string)) {
    throw new InvalidInputError(name, `is ${describe(value)}; it must be ${allowed.map((word) => `'${word}'`).join(' or ')}.`);
  }
}

function checkEventFiles(engine: Engine, wanted: EventFileFormat | undefined): void {
  if (wanted !== undefined && wanted !== engine.header.eventFiles) {
    throw new InvalidInputError(
      'options.eventFiles',
      `is '${wanted}', but this store was made with '${engine.header.eventFiles}', which all processes share. ` +
        'Leave the option out, or copy the events into a new store.',
    );
  }
}

/** Makes the folder and the missing ones above it, and makes their names durable. */
async function makeFolders(folder: string, disk: Disk): Promise<void> {
  const found = await disk.stat(folder);
  if (found?.kind === 'directory') return;
  if (found) throw new InvalidInputError('options.directory', `leads to ${folder}, which is not a folder.`);
  const parent = path.dirname(folder);
  await refuseContextWithin(parent, disk);
  if (parent !== folder) await makeFolders(parent, disk);
  if (await disk.makeDirectory(folder)) await disk.syncDirectory(parent);
}

async function realFolder(folder: string, disk: Disk): Promise<string> {
  const found = await disk.stat(folder);
  if (!found) throw new InvalidInputError('options.directory', `leads to no store: there is no folder ${folder}.`);
  if (found.kind !== 'directory') throw new InvalidInputError('options.directory', `leads to ${folder}, which is not a folder.`);
  return disk.realPath(folder);
}

function cannotOpen(folder: string, error: unknown): StorageFailedError {
  const code = codeOf(error);
  const hint =
    code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
      ? 'Give this user the right to write there, or open the store with readOnly: true.'
      : code === 'ENOSPC'
        ? 'The disk is full: make room and open the store again.'
        : isOutOfDescriptors(error)
          ? 'Too many files are open: close some, or raise the limit (ulimit -n), and open the store again.'
          : 'Mend the cause and open the store again.';
  return new StorageFailedError(`The store in ${folder} cannot be opened: ${messageOf(error)}. ${hint}`, 'not-committed', { directory: folder, code }, error);
}
