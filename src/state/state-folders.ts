import path from 'node:path';
import type { Disk } from '../disk/disk.js';

/** Makes the folders that states lie in. */
export class StateFolders {
  readonly #context: string;
  readonly #disk: Disk;
  /** Folders whose names are known to last, and which they were then: a folder may be removed, and made anew by another process. */
  readonly #lasting = new Map<string, string>();

  /** `context` is the context's folder, which exists and is durable. */
  constructor(context: string, disk: Disk) {
    this.#context = context;
    this.#disk = disk;
  }

  /** Makes `folder`, somewhere below the context's, and what is missing above it. */
  async make(folder: string): Promise<void> {
    for (const one of this.#pathTo(folder)) await this.#disk.makeDirectory(one);
  }

  /** Makes the names of `folder` and of those above it durable, whoever made them. Nobody removes them while there is a file in it. */
  async sync(folder: string): Promise<void> {
    for (const one of this.#pathTo(folder)) {
      const found = await this.#disk.stat(one);
      const identity = `${found?.ino} ${found?.bornMs}`;
      if (this.#lasting.get(one) === identity) continue;
      await this.#disk.syncDirectory(path.dirname(one));
      this.#lasting.set(one, identity);
    }
  }

  /** Forgets a folder that is gone for good. */
  forget(folder: string): void {
    this.#lasting.delete(folder);
  }

  /** From the outermost. */
  #pathTo(folder: string): string[] {
    const steps = path.relative(this.#context, folder).split(path.sep);
    return steps.map((_, i) => path.join(this.#context, ...steps.slice(0, i + 1)));
  }
}
