import type { Awaitable, Disk, DiskFile } from '../disk/disk.js';
import { isOutOfDescriptors } from '../disk/error-code.js';
import { whenReady } from '../disk/when-ready.js';

type OpenFile = {
  readonly path: string;
  readonly file: DiskFile;
  /** Reads in progress: a descriptor that is closed under them could be another file's by then. */
  readers: number;
};

/** Files open for reading, at most so many at a time: the ones used longest ago are closed. */
export class OpenFiles {
  readonly #disk: Disk;
  #max: number;
  /** The one used longest ago first. */
  readonly #open = new Map<string, OpenFile>();

  constructor(disk: Disk, max: number) {
    this.#disk = disk;
    this.#max = max;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Fills `target` from byte `offset` on; returns how many bytes there were. */
  read(path: string, target: Uint8Array, offset: number): Awaitable<number> {
    const known = this.#open.get(path);
    if (!known) return whenReady(this.#openFile(path), (file) => this.#read(this.#hold(path, file), target, offset));
    this.#open.delete(path);
    this.#open.set(path, known);
    return this.#read(known, target, offset);
  }

  /** Closes a file that is about to be replaced: what is read from then on is the new one. */
  forget(path: string): void {
    const known = this.#open.get(path);
    if (!known) return;
    this.#open.delete(path);
    if (known.readers === 0) void known.file.close();
  }

  /** Closes all; files that are read nevertheless are closed right after. */
  close(): void {
    this.#max = 0;
    this.#closeOldest();
  }

  /** When the process has too many files open, ours go first. */
  #openFile(path: string): Awaitable<DiskFile> {
    const retry = (error: unknown): Awaitable<DiskFile> => {
      if (!isOutOfDescriptors(error) || this.#open.size === 0) throw error;
      this.#closeOldest(0);
      return this.#disk.open(path, 'read');
    };
    try {
      const opening = this.#disk.open(path, 'read');
      return opening instanceof Promise ? opening.catch(retry) : opening;
    } catch (error) {
      return retry(error);
    }
  }

  #hold(path: string, file: DiskFile): OpenFile {
    const opened = { path, file, readers: 0 };
    this.forget(path);
    this.#open.set(path, opened);
    return opened;
  }

  #read(opened: OpenFile, target: Uint8Array, offset: number): Awaitable<number> {
    opened.readers++;
    let reading: Awaitable<number>;
    try {
      reading = opened.file.read(target, offset);
    } catch (error) {
      this.#release(opened);
      throw error;
    }
    if (reading instanceof Promise) return reading.finally(() => this.#release(opened));
    this.#release(opened);
    return reading;
  }

  #release(opened: OpenFile): void {
    opened.readers--;
    if (opened.readers === 0 && this.#open.get(opened.path) !== opened) void opened.file.close();
    if (this.#open.size > this.#max) this.#closeOldest();
  }

  #closeOldest(max = this.#max): void {
    for (const opened of this.#open.values()) {
      if (this.#open.size <= max) return;
      if (opened.readers > 0) continue;
      this.#open.delete(opened.path);
      void opened.file.close();
    }
  }
}
