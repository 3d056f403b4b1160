/*
 * Whether the ledger's path still leads to the file that this process has open. A folder can be deleted, renamed away or
 * replaced beneath an open store; whatever has its name then belongs to somebody else. Guarantee: through `disk` no file
 * and no folder is made beside another ledger, but for the moment between a look and the call behind it.
 */
import { StorageFailedError } from '../core/errors.js';
import type { Awaitable, Disk, FileStat } from '../disk/disk.js';
import { whenReady } from '../disk/when-ready.js';

export class LedgerPlace {
  /** The disk, refusing to make files and folders once the ledger is not in its place. */
  readonly disk: Disk;
  readonly #path: string;
  readonly #opened: FileStat;
  readonly #disk: Disk;

  /** `opened` is what the open file says of itself. */
  constructor(ledgerPath: string, opened: FileStat, disk: Disk) {
    this.#path = ledgerPath;
    this.#opened = opened;
    this.#disk = disk;
    this.disk = guardedDisk(disk, () => this.#refuse('not-committed', 'Nothing is written into its folder any more.'));
  }

  /** @throws what the operating system says when it cannot tell. */
  async isOurs(): Promise<boolean> {
    return this.#isOurs(await this.#disk.stat(this.#path));
  }

  /** Before anything of an append was done. @throws StorageFailedError with outcome 'not-committed'. */
  checkBefore(): Awaitable<void> {
    return this.#refuse('not-committed', 'Nothing of this append is stored.');
  }

  /** After an append was written. @throws StorageFailedError with outcome 'unknown'. */
  checkAfter(): Awaitable<void> {
    return this.#refuse('unknown', 'What was appended last is not in its place.');
  }

  /** Comes with every append: no promise where the disk answers at once. */
  #refuse(outcome: 'not-committed' | 'unknown', consequence: string): Awaitable<void> {
    return whenReady(this.#disk.stat(this.#path), (found) => {
      if (!this.#isOurs(found)) throw this.#notInPlace(found, outcome, consequence);
    });
  }

  #isOurs(found: FileStat | undefined): boolean {
    return found?.ino === this.#opened.ino && found.dev === this.#opened.dev;
  }

  #notInPlace(found: FileStat | undefined, outcome: 'not-committed' | 'unknown', consequence: string): StorageFailedError {
    return new StorageFailedError(
      `The file ${this.#path} was ${found ? 'replaced' : 'removed'} while the store was open. ${consequence} Close the store, find out what moved the folder, and open it again.`,
      outcome,
      { file: this.#path },
    );
  }
}

/** Every rename and link of ours follows the making of a file, so that looking before the latter is enough. */
function guardedDisk(disk: Disk, check: () => Awaitable<void>): Disk {
  return {
    open: (file, mode) => disk.open(file, mode),
    stat: (file) => disk.stat(file),
    list: (directory) => disk.list(directory),
    readFile: (file) => disk.readFile(file),
    createFile: (file, bytes) => whenReady(check(), () => disk.createFile(file, bytes)),
    async makeDirectory(directory) {
      await check();
      return disk.makeDirectory(directory);
    },
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => disk.link(from, to),
    removeFile: (file) => disk.removeFile(file),
    removeDirectory: (directory) => disk.removeDirectory(directory),
    removeTree: (directory) => disk.removeTree(directory),
    syncFile: (file) => disk.syncFile(file),
    syncDirectory: (directory) => disk.syncDirectory(directory),
    realPath: (directory) => disk.realPath(directory),
    fileSystem: (file) => disk.fileSystem(file),
    watch: (file, onChange) => disk.watch(file, onChange),
  };
}
