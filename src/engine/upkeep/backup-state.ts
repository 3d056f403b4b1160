/*
 * The folder `state` of a backup. Others go on saving while it is copied: each state is copied whole, and all of them as they were at one
 * moment, unless they change faster than they can be looked at.
 */
import path from 'node:path';
import type { Disk } from '../../disk/disk.js';
import { isVersionsFolder, readNewestFile, versionFile } from '../../state/state-folder.js';

/** How often the copy is brought up to date before it is taken as it is: each state whole, but not all of one moment. */
const maxPasses = 10;

/** Copies the states below `from`, and what else lies there, into the new folder `to`, durably. */
export async function stageState(from: string, to: string, disk: Disk): Promise<void> {
  const stage = new Stage(to, disk);
  // A pass that finds nothing new shows that all was as it was copied when that pass began.
  for (let pass = 1; pass <= maxPasses && (await stage.bringUpToDate(from)); pass++);
  await stage.sync();
}

class Stage {
  readonly #to: string;
  readonly #disk: Disk;
  readonly #folders = new Set<string>();
  /** What was copied, and which of its kind: the version of a state, what tells other files from each other. */
  readonly #copied = new Map<string, { mark: string; file: string }>();

  constructor(to: string, disk: Disk) {
    this.#to = to;
    this.#disk = disk;
  }

  /** Whether anything had changed. */
  async bringUpToDate(from: string): Promise<boolean> {
    const seen = new Set<string>();
    let changed = await this.#folder(from, '', seen);
    for (const [name, { file }] of this.#copied) {
      if (seen.has(name)) continue;
      this.#copied.delete(name);
      await this.#disk.removeFile(path.join(this.#to, file));
      changed = true;
    }
    return changed;
  }

  async sync(): Promise<void> {
    for (const folder of this.#folders) await this.#disk.syncDirectory(folder);
  }

  async #folder(from: string, inside: string, seen: Set<string>): Promise<boolean> {
    let changed = false;
    for (const entry of ((await this.#disk.list(path.join(from, inside))) ?? []).filter(isKept).sort()) {
      const name = path.join(inside, entry);
      const found = await this.#disk.stat(path.join(from, name));
      if (found?.kind === 'directory') changed = (await (isVersionsFolder(entry) ? this.#state(from, name, seen) : this.#folder(from, name, seen))) || changed;
      if (found?.kind !== 'file') continue;
      const mark = `${found.ino} ${found.size} ${found.modifiedMs}`;
      changed = (await this.#copy(name, name, mark, seen, () => this.#disk.readFile(path.join(from, name)))) || changed;
    }
    return changed;
  }

  async #state(from: string, name: string, seen: Set<string>): Promise<boolean> {
    const newest = await readNewestFile(path.join(from, name), name.slice(0, -1), this.#disk);
    if (!newest) return false;
    const entry = versionFile(newest.version);
    return this.#copy(name, path.join(name, entry), entry, seen, () => newest.bytes);
  }

  async #copy(name: string, file: string, mark: string, seen: Set<string>, read: () => Promise<Buffer | undefined> | Buffer | undefined): Promise<boolean> {
    const before = this.#copied.get(name);
    seen.add(name);
    if (before?.mark === mark) return false;
    const bytes = await read();
    if (!bytes) return true;
    await this.#makeFolders(path.dirname(path.join(this.#to, file)));
    if (before) await this.#disk.removeFile(path.join(this.#to, before.file));
    await this.#disk.createFile(path.join(this.#to, file), bytes);
    await this.#disk.syncFile(path.join(this.#to, file));
    this.#copied.set(name, { mark, file });
    return true;
  }

  async #makeFolders(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    if (folder !== this.#to) await this.#makeFolders(path.dirname(folder));
    await this.#disk.makeDirectory(folder);
    this.#folders.add(folder);
  }
}

/** Makes `to` hold the files of `staged` and no others, each replaced in one step. `staged` is used up. */
export async function adoptState(staged: string, to: string, disk: Disk): Promise<void> {
  const wanted = (await disk.list(staged)) ?? [];
  const present = (await disk.list(to)) ?? [];
  if (wanted.length === 0 && present.length === 0) return;
  await disk.makeDirectory(to);
  for (const name of wanted.sort()) {
    const [from, target] = [path.join(staged, name), path.join(to, name)];
    const [kind, before] = [(await disk.stat(from))?.kind, (await disk.stat(target))?.kind];
    if (before !== undefined && before !== kind) await remove(target, disk);
    if (kind === 'directory') await adoptState(from, target, disk);
    else await disk.rename(from, target);
  }
  for (const name of present.filter((name) => !wanted.includes(name))) await remove(path.join(to, name), disk);
  await disk.syncDirectory(to);
}

/** Not what is written just now, nor what is of use only to processes that are running. */
function isKept(name: string): boolean {
  return !name.startsWith('.') && !name.startsWith('@') && !name.endsWith('.tmp') && !name.endsWith('.lock');
}

async function remove(target: string, disk: Disk): Promise<void> {
  if ((await disk.stat(target))?.kind === 'directory') await disk.removeTree(target);
  else await disk.removeFile(target);
}
