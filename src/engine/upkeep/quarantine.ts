/*
 * Where repair moves what is damaged or in the way: `quarantine/<time stamp>/`, under the same path as in the context.
 * Nothing is deleted. While a ledger is being rebuilt, a state file says so; without a ledger in the context, the next
 * repair goes on with the one that lies there.
 */
import path from 'node:path';
import type { Clock } from '../../disk/clock.js';
import type { Disk } from '../../disk/disk.js';
import { unfinishedName } from '../foreign-ledger.js';

export type QuarantineOptions = {
  /** The context's folder. */
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
};

const finishedName = 'finished';

export class Quarantine {
  readonly #options: QuarantineOptions;
  #folder: string | undefined;
  /** Folders with entries that are not synced yet. */
  readonly #touched = new Set<string>();

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** Relative to the context's folder; undefined as long as nothing was moved. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /** The newest folder of a repair that did not finish and that holds the ledger, relative to the context's folder. */
  async findUnfinished(): Promise<string | undefined> {
    const { directory, disk } = this.#options;
    for (const folder of (await this.#unfinished()).reverse()) {
      if (await disk.stat(path.join(directory, folder, 'ledger'))) return folder;
    }
    return undefined;
  }

  /**
   * Goes on with a folder that `findUnfinished` found, or makes one, and says in it that a ledger with this id is being made;
   * durable when it resolves.
   */
  async begin(unfinished: string | undefined, ledgerId: Buffer): Promise<void> {
    const { directory, disk } = this.#options;
    this.#folder = unfinished;
    const state = path.join(directory, await this.#makeFolder(), unfinishedName);
    const temporary = `${state}.tmp`;
    await disk.removeFile(temporary);
    await disk.createFile(temporary, Buffer.from(`The ledger ${ledgerId.toString('hex')} is being made of what lies here. Run "opossum repair" again.\n`));
    await disk.syncFile(temporary);
    await disk.rename(temporary, state);
    this.#touched.add(path.dirname(state));
    await this.settle();
  }

  /** Moves a file of the context here; does nothing when there is none. */
  async moveAside(where: string): Promise<void> {
    const { directory, disk } = this.#options;
    if (!(await disk.stat(path.join(directory, where)))) return;
    const target = await this.#freeName(path.join(await this.#makeFolder(), where));
    await this.makeFolders(path.dirname(target));
    await disk.rename(path.join(directory, where), path.join(directory, target));
    this.touch(path.dirname(where));
    this.touch(path.dirname(target));
  }

  /** Makes the moves durable. */
  async settle(): Promise<void> {
    for (const folder of this.#touched) await this.#options.disk.syncDirectory(folder);
    this.#touched.clear();
  }

  /** Says that all repairs so far are done with. */
  async finish(): Promise<void> {
    const { directory, disk } = this.#options;
    for (const folder of await this.#unfinished()) {
      await disk.rename(path.join(directory, folder, unfinishedName), path.join(directory, folder, finishedName));
      this.touch(folder);
    }
    await this.settle();
  }

  /** Makes a folder of the context and those that lead to it. */
  async makeFolders(folder: string): Promise<void> {
    const { directory, disk } = this.#options;
    const found = folder === '.' ? undefined : await disk.stat(path.join(directory, folder));
    if (folder === '.' || found?.kind === 'directory') return;
    if (found && folder === 'quarantine') throw new Error(`${path.join(directory, folder)} is no folder: move it away`);
    if (found) await this.moveAside(folder);
    await this.makeFolders(path.dirname(folder));
    await disk.makeDirectory(path.join(directory, folder));
    this.touch(path.dirname(folder));
  }

  /** Notes that entries of a folder of the context changed: `settle` syncs it. */
  touch(folder: string): void {
    this.#touched.add(path.join(this.#options.directory, folder));
  }

  async #makeFolder(): Promise<string> {
    if (this.#folder !== undefined) return this.#folder;
    const { directory, disk, clock } = this.#options;
    await this.makeFolders('quarantine');
    const stamp = new Date(clock.now()).toISOString().replaceAll(':', '-');
    for (let i = 1; ; i++) {
      const folder = path.join('quarantine', i === 1 ? stamp : `${stamp}-${i}`);
      if (!(await disk.makeDirectory(path.join(directory, folder)))) continue;
      this.touch('quarantine');
      return (this.#folder = folder);
    }
  }

  async #freeName(where: string): Promise<string> {
    const { directory, disk } = this.#options;
    let name = where;
    for (let i = 2; await disk.stat(path.join(directory, name)); i++) name = `${where}.${i}`;
    return name;
  }

  async #unfinished(): Promise<string[]> {
    const { directory, disk } = this.#options;
    const found: string[] = [];
    for (const name of ((await disk.list(path.join(directory, 'quarantine'))) ?? []).sort()) {
      const folder = path.join('quarantine', name);
      if (await disk.stat(path.join(directory, folder, unfinishedName))) found.push(folder);
    }
    return found;
  }
}
