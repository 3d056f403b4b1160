/* Gathers what the doctor judges. Reads only, takes no lock, and goes on where something cannot be read. */
import path from 'node:path';
import { isOpossumError } from '../../core/errors.js';
import type { ChainPoint } from '../../core/stored.js';
import type { Disk, DiskFile, FileSystemFacts } from '../../disk/disk.js';
import { messageOf } from '../../disk/error-code.js';
import { fileName, folderName } from '../../eventfiles/paths.js';
import { headerPoint, openLedgerFileReadOnly, type LedgerHeader } from '../../ledger/header.js';
import { chainPoint, scanChain } from '../../ledger/scan-chain.js';
import { isUnsynced } from '../../ledger/unsynced.js';
import { openHost, type ProcessState } from '../../locking/host.js';
import { lockFilesOf } from '../../locking/lock-files.js';
import type { LockOwner } from '../../locking/lock.js';
import { readHolder } from '../../locking/owner.js';
import { readCheckpoint, type Checkpoint } from '../checkpoint.js';
import type { EnginePorts } from '../engine.js';
import { openEngine } from '../open-store.js';
import { cloudMarkers } from './doctor-places.js';

export type DoctorFacts = {
  readonly platform: string;
  /** The context's folder as it was named, and its real path. */
  readonly folder: string;
  readonly realFolder: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Names of `cloudMarkers` in the folder and those above it. */
  readonly markers: readonly string[];
  readonly fileSystem: FileSystemFacts | undefined;
  readonly ledger: LedgerFacts;
  /** What opening it for reading ran into; undefined too when the end of the ledger has told already. */
  readonly openingFailure: { readonly code: string; readonly message: string } | undefined;
  readonly checkpoint: 'right' | 'missing' | 'foreign or damaged';
  /** The folder of event files is not there, though files of the store were complete on disk. */
  readonly isEventFolderGone: boolean;
  /** Event files that are not there, of those that need not be there yet; counted up to `maxLooked`. */
  readonly missingEventFiles: number;
  readonly lock: LockFacts | undefined;
  readonly isUnsynced: boolean;
  readonly isRepairing: boolean;
  /** Temporary files and folders, relative to the folder. */
  readonly leftovers: readonly Leftover[];
};

export type LedgerFacts = {
  readonly head: number;
  /** Bytes. */
  readonly size: number;
  /** By the newest frame, milliseconds since 1970; undefined when there is none. */
  readonly newestMs: number | undefined;
  /** What a look at the end of the ledger ran into. */
  readonly damage: string | undefined;
};

export type LockFacts = {
  readonly owner: LockOwner | undefined;
  readonly state: ProcessState;
  /** How long nobody touched it, milliseconds. */
  readonly untouchedMs: number;
};

export type Leftover = { readonly name: string; readonly ageMs: number };

/** More event files than this are not looked for. */
const maxLooked = 100_000;

/** @throws InvalidInputError when there is no such store; UnsupportedFormatError. */
export async function gatherFacts(folder: string, ports: EnginePorts): Promise<DoctorFacts> {
  const { disk, clock } = ports;
  const opened = await openOrDamage(folder, disk);
  const realFolder = await disk.realPath(folder);
  const nowMs = clock.now();
  try {
    const checkpoint = 'header' in opened ? await readCheckpoint(folder, opened.header.ledgerId, disk) : undefined;
    const ledger = 'header' in opened ? await lookAtEnd(opened.file, opened.header, checkpoint) : { head: 0, size: 0, newestMs: undefined, damage: opened.damage };
    return {
      platform: process.platform,
      folder,
      realFolder,
      nowMs,
      markers: await findMarkers([folder, realFolder], disk),
      fileSystem: await quietly(() => disk.fileSystem(realFolder)),
      ledger,
      openingFailure: ledger.damage === undefined ? await tryToOpen(folder, ports) : undefined,
      checkpoint: checkpoint ? 'right' : (await disk.stat(path.join(folder, 'checkpoint'))) ? 'foreign or damaged' : 'missing',
      isEventFolderGone: checkpoint?.eventFiles !== undefined && checkpoint.eventFiles.position > 0 && (await disk.stat(path.join(folder, 'events'))) === undefined,
      missingEventFiles: 'header' in opened ? await countMissing(folder, opened.header, checkpoint?.eventFiles?.position ?? 0, ledger.head, disk) : 0,
      lock: await lookAtLock(folder, nowMs, disk),
      isUnsynced: await isUnsynced(folder, disk),
      isRepairing: (await disk.stat(path.join(folder, 'ledger.repairing'))) !== undefined,
      leftovers: await findLeftovers(folder, nowMs, disk),
    };
  } finally {
    if ('file' in opened) await opened.file.close();
  }
}

async function openOrDamage(folder: string, disk: Disk): Promise<{ file: DiskFile; header: LedgerHeader } | { damage: string }> {
  try {
    return await openLedgerFileReadOnly(folder, disk);
  } catch (error) {
    if (isOpossumError(error, 'LEDGER_CORRUPT')) return { damage: error.message };
    throw error;
  }
}

/** Opens the store as a reader does, which follows the chain from the newest index block on. */
async function tryToOpen(folder: string, ports: EnginePorts): Promise<DoctorFacts['openingFailure']> {
  try {
    const store = await openEngine({ directory: path.dirname(folder), context: path.basename(folder), readOnly: true }, ports);
    await store.close();
    return undefined;
  } catch (error) {
    if (!isOpossumError(error)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** Goes on from the checkpoint: the doctor is no verification. */
async function lookAtEnd(file: DiskFile, header: LedgerHeader, checkpoint: Checkpoint | undefined): Promise<LedgerFacts> {
  const { size } = await file.stat();
  const start: ChainPoint = checkpoint?.durable ?? headerPoint(header);
  let head = start.position;
  let newestMs: number | undefined;
  try {
    for await (const frame of scanChain(file, header, start, size)) {
      head = chainPoint(frame).position;
      newestMs = Math.max(newestMs ?? 0, frame.head.time);
    }
    return { head, size, newestMs, damage: undefined };
  } catch (error) {
    return { head, size, newestMs, damage: messageOf(error) };
  }
}

async function findMarkers(folders: readonly string[], disk: Disk): Promise<string[]> {
  const found = new Set<string>();
  const seen = new Set<string>();
  for (const folder of folders) {
    for (let place = path.resolve(folder); !seen.has(place); place = path.dirname(place)) {
      seen.add(place);
      // Folders above may be closed to this user.
      for (const name of cloudMarkers.keys()) if (await quietly(() => disk.stat(path.join(place, name)))) found.add(name);
    }
  }
  return [...found];
}

async function countMissing(folder: string, header: LedgerHeader, complete: number, head: number, disk: Disk): Promise<number> {
  if (header.eventFiles === 'none') return 0;
  let missing = 0;
  for (let position = complete + 1; position <= Math.min(head, complete + maxLooked); position++) {
    if (!(await disk.stat(path.join(folder, 'events', folderName(position), fileName(position, header.eventFiles))))) missing++;
  }
  return missing;
}

async function lookAtLock(folder: string, nowMs: number, disk: Disk): Promise<LockFacts | undefined> {
  const files = lockFilesOf(folder);
  const found = await disk.stat(files.lock);
  if (!found) return undefined;
  const owner = (await readHolder(disk, files))?.owner;
  const state = owner ? await (await openHost(disk)).stateOf(owner) : 'unknown';
  return { owner, state, untouchedMs: nowMs - found.modifiedMs };
}

/** What killed processes leave under temporary names, beside the context's folder too. */
async function findLeftovers(folder: string, nowMs: number, disk: Disk): Promise<Leftover[]> {
  const context = path.basename(folder);
  const beside = (await quietly(() => disk.list(path.dirname(folder)))) ?? [];
  const unfinished = beside.filter((name) => name === `.backup-${context}` || name.startsWith(`.deleted-${context}-`));
  const own = ((await disk.list(folder)) ?? []).filter(isTemporary);
  const index = await temporaryIn(folder, 'index', disk);
  const events = await temporaryIn(folder, 'events', disk);
  for (const inner of (await listFolder(path.join(folder, 'events'), disk)).filter((name) => /^\d+$/.test(name))) {
    events.push(...(await temporaryIn(folder, path.join('events', inner), disk)));
  }
  const leftovers: Leftover[] = [];
  for (const name of [...unfinished.map((name) => path.join('..', name)), ...own, ...index, ...events]) {
    // A file that is gone by now was in use.
    const found = await disk.stat(path.join(folder, name));
    if (found) leftovers.push({ name, ageMs: nowMs - found.modifiedMs });
  }
  return leftovers;
}

function isTemporary(name: string): boolean {
  const isLock = name.startsWith('ledger.lock.') && name !== 'ledger.lock.owner' && !name.startsWith('ledger.lock.waiting.');
  return name.endsWith('.tmp') || isLock || name === 'ledger.backup' || name === 'state.backup';
}

async function temporaryIn(folder: string, inner: string, disk: Disk): Promise<string[]> {
  return (await listFolder(path.join(folder, inner), disk)).filter((name) => name.endsWith('.tmp')).map((name) => path.join(inner, name));
}

/** Nothing where there is no such folder, or a file in its place. */
async function listFolder(folder: string, disk: Disk): Promise<string[]> {
  return (await quietly(() => disk.list(folder))) ?? [];
}

async function quietly<T>(look: () => T): Promise<Awaited<T> | undefined> {
  try {
    return await look();
  } catch {
    return undefined;
  }
}
