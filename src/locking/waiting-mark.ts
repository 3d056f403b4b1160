import type { Disk } from '../disk/disk.js';
import { isNameTaken } from './lock-errors.js';

/**
 * A file that is there while somebody waits. Waiters make it again when it is gone; a new owner, and one that lets go,
 * remove it, so that the mark of a waiter that died is believed once at the most.
 */
export class WaitingMark {
  readonly #file: string;
  readonly #disk: Disk;
  #lastAnswer = false;

  constructor(file: string, disk: Disk) {
    this.#file = file;
    this.#disk = disk;
  }

  isSet(): boolean {
    try {
      const found = this.#disk.stat(this.#file);
      if (found instanceof Promise) {
        // A disk that answers later tells the next caller.
        found.then((stat) => (this.#lastAnswer = stat !== undefined), () => undefined);
      } else {
        this.#lastAnswer = found !== undefined;
      }
    } catch {
      // Whoever appends next learns what is wrong with the disk.
    }
    return this.#lastAnswer;
  }

  async set(): Promise<void> {
    if (await this.#disk.stat(this.#file)) return;
    try {
      await this.#disk.createFile(this.#file, new Uint8Array());
    } catch (error) {
      if (!isNameTaken(error)) throw error;
    }
  }

  async clear(): Promise<void> {
    // A look is ten times as cheap as a removal that finds nothing.
    if (await this.#disk.stat(this.#file)) await this.#disk.removeFile(this.#file);
  }
}
