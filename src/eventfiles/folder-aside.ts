/*
 * A folder of event files that is filled under a temporary name and appears whole: that saves a look and a rename for each of
 * its files. Only for a folder that is not there yet, so nobody's file can be in the way of one of these.
 */
import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';

export type FolderAsideOptions = {
  readonly disk: Disk;
  /** Makes the files: its name is nobody else's, so no look is needed at whose folder it lies in. */
  readonly plainDisk: Disk;
  /** Where the folder is to appear. */
  readonly target: string;
  /** Part of the temporary name: unique to this process. */
  readonly token: string;
};

export class FolderAside {
  readonly #disk: Disk;
  readonly #plainDisk: Disk;
  readonly #target: string;
  readonly #temporary: string;

  /** Undefined when there is something of that name already, or the rest of an earlier attempt. */
  static async open(options: FolderAsideOptions): Promise<FolderAside | undefined> {
    const { disk, target, token } = options;
    if (await disk.stat(target)) return undefined;
    const temporary = path.join(path.dirname(target), `.${path.basename(target)}.${token}.tmp`);
    await disk.makeDirectory(path.dirname(target));
    return (await disk.makeDirectory(temporary)) ? new FolderAside(options, temporary) : undefined;
  }

  private constructor({ disk, plainDisk, target }: FolderAsideOptions, temporary: string) {
    this.#disk = disk;
    this.#plainDisk = plainDisk;
    this.#target = target;
    this.#temporary = temporary;
  }

  /** Makes a file in it; a promise only where the disk takes its time. */
  put(name: string, bytes: Uint8Array): void | Promise<void> {
    return this.#plainDisk.createFile(path.join(this.#temporary, name), bytes);
  }

  /** Gives the folder its name. Returns false, and leaves it aside, when another process made one of that name meanwhile. */
  async finish(): Promise<boolean> {
    try {
      // Where an empty folder could be replaced this is as good; where it could not, the look says so at once.
      if (await this.#disk.stat(this.#target)) return false;
      await this.#disk.rename(this.#temporary, this.#target);
      return true;
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) return false;
      throw error;
    }
  }

  /** Removes it, with what is in it, as far as that is possible. Never fails. */
  async discard(): Promise<void> {
    try {
      await this.#disk.removeTree(this.#temporary);
    } catch {
      // A leftover is harmless: healing removes it when the folder is complete (R17).
    }
  }
}
