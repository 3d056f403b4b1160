/*
 * Where states lie. The versions of `consumers/mailer` have a folder of their own, `state/consumers/mailer@`: few entries, which
 * the system lists in one step, however many states there are. No name holds an `@`, so folders of versions and folders of names
 * below a name are never taken for each other.
 */
import path from 'node:path';
import { StateDamagedError } from '../core/errors.js';
import { isName } from '../core/names.js';
import type { SavedState } from '../core/state-store.js';
import type { Awaitable, Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import { decodeStateFile, isRemoval, maxRemovalBytes } from './state-file.js';

/** The folder of all states of the context in `directory`. */
export function stateRootOf(directory: string): string {
  return path.join(directory, 'state');
}

/** The folder of the versions of one state, and of its lease. */
export function stateFolderOf(directory: string, name: string): string {
  return `${path.join(stateRootOf(directory), ...name.split('/'))}@`;
}

/** Whether a name in a folder of states is that of a folder of versions. */
export function isVersionsFolder(entry: string): boolean {
  return entry.endsWith('@') && isName(entry.slice(0, -1));
}

export function versionFile(version: number): string {
  return `${version}.json`;
}

/** What a save writes before it gives the file its name; `token` is random. */
export function temporaryFile(version: number, token: string): string {
  return `${version}.${token}.tmp`;
}

/** The entries of a folder of versions, each kind by rising number. */
export type Versions = { readonly files: readonly number[]; readonly temporaries: readonly { readonly version: number; readonly entry: string }[] };

/** Undefined when there is no such folder. */
export async function listVersions(folder: string, disk: Disk): Promise<Versions | undefined> {
  const entries = await disk.list(folder);
  if (!entries) return undefined;
  const numbered = (pattern: RegExp): { version: number; entry: string }[] =>
    entries
      .map((entry) => ({ version: Number(pattern.exec(entry)?.[1] ?? 0), entry }))
      .filter(({ version }) => version > 0)
      .sort((a, b) => a.version - b.version);
  return { files: numbered(/^([1-9]\d{0,15})\.json$/).map(({ version }) => version), temporaries: numbered(/^([1-9]\d{0,15})\..+\.tmp$/) };
}

/** The version that was saved last; 0 when none was. */
export function newestOf(versions: Versions | undefined): number {
  return versions?.files.at(-1) ?? 0;
}

/** Names of the states below `prefix`, all when it is absent, and their folders. Removed ones are among them. */
export async function* findStates(directory: string, prefix: string | undefined, disk: Disk): AsyncGenerator<{ name: string; folder: string }> {
  const parts = prefix === undefined ? [] : prefix.split('/');
  yield* walk(path.join(stateRootOf(directory), ...parts), parts, disk, true);
}

const maxParts = 8;

async function* walk(folder: string, parts: readonly string[], disk: Disk, isRoot: boolean): AsyncGenerator<{ name: string; folder: string }> {
  if (parts.length === maxParts) return;
  for (const entry of (await listFolder(folder, disk, isRoot)) ?? []) {
    const inside = path.join(folder, entry);
    if (isVersionsFolder(entry)) yield { name: [...parts, entry.slice(0, -1)].join('/'), folder: inside };
    else if (isName(entry)) yield* walk(inside, [...parts, entry], disk, false);
  }
}

/** A file among the folders was put there by somebody else, and holds no states; in the place of the first folder it is an error. */
async function listFolder(folder: string, disk: Disk, isRoot: boolean): Promise<string[] | undefined> {
  try {
    return await disk.list(folder);
  } catch (error) {
    if (!isRoot && codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The newest value in `folder`; undefined when nothing is saved. @throws StateDamagedError, UnsupportedFormatError */
export async function readState(folder: string, name: string, disk: Disk): Promise<SavedState | undefined> {
  const newest = await readNewestFile(folder, name, disk);
  if (!newest) return undefined;
  const { version, file, bytes } = newest;
  const value = decodeStateFile(bytes, name, version, file);
  return value === undefined ? undefined : { value, version };
}

/** The newest version's file in `folder`, right or not; undefined when there is none. `name` is for errors. */
export async function readNewestFile(folder: string, name: string, disk: Disk): Promise<{ version: number; file: string; bytes: Buffer } | undefined> {
  const newest = await lookAtNewest(folder, name, disk, (file) => disk.readFile(file));
  return newest && { version: newest.version, file: newest.file, bytes: newest.seen };
}

/** The newest version in `folder`, which may say that the state was removed; undefined when there is none. A damaged one is there. */
export async function findNewest(folder: string, name: string, disk: Disk): Promise<{ version: number; removed: boolean } | undefined> {
  const newest = await lookAtNewest(folder, name, disk, async (file) => {
    const found = await disk.stat(file);
    return found && { bytes: found.kind === 'file' && found.size < maxRemovalBytes ? await disk.readFile(file) : undefined };
  });
  return newest && { version: newest.version, removed: newest.seen.bytes !== undefined && isRemoval(newest.seen.bytes, name, newest.version) };
}

/** How often a file that is listed may be gone before it is looked at: others save that fast for a moment, not for ever. */
const maxLooks = 1000;

type Newest<T> = { version: number; file: string; seen: T };

/** What `look` sees in the newest version's file; where it sees nothing, that version is old by now, or all were removed. */
async function lookAtNewest<T>(folder: string, name: string, disk: Disk, look: (file: string) => Awaitable<T | undefined>): Promise<Newest<T> | undefined> {
  for (let looks = 1; ; looks++) {
    const version = newestOf(await listVersions(folder, disk));
    if (version === 0) return undefined;
    const file = path.join(folder, versionFile(version));
    const seen = await look(file);
    if (seen !== undefined) return { version, file, seen };
    if (looks === maxLooks) throw new StateDamagedError(name, `${file} is listed in its folder but leads to no file`, { file, version });
  }
}
