/*
 * Puts event files into their folders. A file appears whole, by rename, or not at all; one that is right already stays as
 * it is. Nothing here deletes an event file: another event's that is in the way is set aside, and only temporary files whose
 * event file is in place are removed.
 */
import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import type { EventFileCodec } from './event-file.js';
import { eventsPerFolder, fileName, folderName, positionOf, voidFolder } from './paths.js';

export type EventFoldersOptions = {
  readonly disk: Disk;
  /** Folder `events` of the context. */
  readonly directory: string;
  readonly codec: EventFileCodec;
  /** Part of the temporary names: unique to this process. */
  readonly token: () => string;
};

export type PutMode =
  /** It is probably not there yet. */
  | 'write'
  /** It is probably there. */
  | 'compare'
  /** It is made anew, whatever is there. */
  | 'replace';

export class EventFolders {
  readonly #options: EventFoldersOptions;
  /** The folder that is known to be there. */
  #folder = '';

  constructor(options: EventFoldersOptions) {
    this.#options = options;
  }

  pathOf(position: number): string {
    const { directory, codec } = this.#options;
    return path.join(directory, folderName(position), fileName(position, codec.format));
  }

  /** Puts the file of `position` in place, of whatever is there (R14, R15). */
  async put(position: number, bytes: Buffer, mode: PutMode): Promise<void> {
    const { disk, codec } = this.#options;
    const target = this.pathOf(position);
    // A file that is right stays as it is, whoever made it: another process may have made it durable and said so.
    if (mode === 'compare' || (mode === 'write' && (await disk.stat(target)))) {
      const found = await disk.readFile(target);
      if (found?.equals(bytes)) return;
      // It may be the only copy of an event that the ledger lost.
      if (found && codec.decode(found)?.position === position) await this.#moveToVoid(target);
    }
    try {
      await this.#replace(target, bytes, mode);
    } catch (error) {
      // Somebody removed the folder or, cleaning up, the temporary file; or one with its name was left by a failure of ours.
      if (!['ENOENT', 'EEXIST'].includes(codeOf(error) ?? '')) throw error;
      this.#folder = '';
      await this.#replace(target, bytes, mode);
    }
  }

  /** Gives the file of `position` a temporary name, so that nobody takes it for right. Never fails. */
  async withdraw(position: number): Promise<void> {
    const target = this.pathOf(position);
    try {
      await this.#options.disk.rename(target, this.#temporaryOf(target));
    } catch {
      // The failure that led here is told.
    }
  }

  /**
   * R17. Removes temporary files in the folder of `position` whose event file, at `position` or before, is in place, and when
   * `position` is the folder's last, folders that were filled aside to become this one: so they are of no use even to a process
   * that lives. Costs a listing; never fails.
   */
  async removeLeftovers(position: number): Promise<void> {
    const { disk, directory, codec } = this.#options;
    const folder = path.dirname(this.pathOf(position));
    try {
      for (const name of (await disk.list(folder)) ?? []) {
        const own = positionOf(nameBehind(name), codec.format);
        if (own !== undefined && own <= position) await disk.removeFile(path.join(folder, name));
      }
      if (position % eventsPerFolder !== 0) return;
      for (const name of (await disk.list(directory)) ?? []) {
        if (nameBehind(name) === path.basename(folder)) await disk.removeTree(path.join(directory, name));
      }
    } catch {
      // A leftover is harmless.
    }
  }

  #temporaryOf(target: string): string {
    return path.join(path.dirname(target), `.${path.basename(target)}.${this.#options.token()}.tmp`);
  }

  async #moveToVoid(target: string): Promise<void> {
    const { disk, directory } = this.#options;
    const folder = path.join(directory, voidFolder);
    await disk.makeDirectory(folder);
    let aside = path.join(folder, path.basename(target));
    for (let n = 2; await disk.stat(aside); n++) aside = path.join(folder, `${path.basename(target)}.${n}`);
    await disk.rename(target, aside);
  }

  async #replace(target: string, bytes: Buffer, mode: PutMode): Promise<void> {
    const { disk } = this.#options;
    await this.#makeFolder(path.dirname(target));
    const temporary = this.#temporaryOf(target);
    try {
      await disk.createFile(temporary, bytes);
      // Another process may have called the file durable that this one takes the place of.
      if (mode === 'replace') await disk.syncFile(temporary);
      await disk.rename(temporary, target);
    } catch (error) {
      await this.#removeQuietly(temporary);
      throw error;
    }
  }

  async #removeQuietly(temporary: string): Promise<void> {
    try {
      await this.#options.disk.removeFile(temporary);
    } catch {
      // The first error tells more; a leftover is harmless.
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#folder === folder) return;
    await this.#options.disk.makeDirectory(this.#options.directory);
    await this.#options.disk.makeDirectory(folder);
    this.#folder = folder;
  }
}

/** The name for which a temporary name stands, or nothing. */
function nameBehind(temporary: string): string {
  return /^\.(.+)\.[^.]+\.tmp$/.exec(temporary)?.[1] ?? '';
}
