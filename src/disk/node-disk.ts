/*
 * The port on Node's file system. Small calls are made synchronously: the page cache answers in a microsecond, a trip
 * through the thread pool costs twenty. When the medium turns out to be slow (a sleeping disk, a cold cache), reads and
 * syncs go through the thread pool for a while, so that the event loop is not held up.
 */
import fs from 'node:fs';
import { systemClock } from './clock.js';
import type { Disk, DiskFile, FileStat, FileSystemFacts, OpenMode } from './disk.js';
import { codeOf } from './error-code.js';

const isWindows = process.platform === 'win32';

const openFlags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  append: fs.constants.O_RDWR | fs.constants.O_APPEND,
  'append-create': fs.constants.O_RDWR | fs.constants.O_APPEND | fs.constants.O_CREAT,
  update: fs.constants.O_RDWR,
};

/** Larger transfers go through the thread pool: they take longer than the trip. What is read is in the page cache, mostly. */
const largeBytes = { read: 1024 * 1024, append: 256 * 1024 };

/** After a slow call the thread pool is used for so long; after the next slow one for twice as long, as that is no accident. */
const poolMs = { least: 10, most: 200 };

/** Chooses between a synchronous call and the thread pool by how long the last synchronous ones took. */
class Pace {
  readonly #slowMs: number;
  #asyncUntil = 0;
  #asyncMs = 0;

  constructor(slowMs: number) {
    this.#slowMs = slowMs;
  }

  allowsSync(): boolean {
    return this.#asyncUntil === 0 || systemClock.monotonic() >= this.#asyncUntil;
  }

  /** Notes how long a synchronous call took that began at `start` and ended just now. */
  note(start: number): void {
    const end = systemClock.monotonic();
    if (end - start <= this.#slowMs) {
      this.#asyncMs = this.#asyncUntil = 0;
      return;
    }
    this.#asyncMs = Math.min(poolMs.most, Math.max(poolMs.least, 2 * this.#asyncMs));
    this.#asyncUntil = end + this.#asyncMs;
  }
}

// Well above what a busy machine adds by switching to another process, well below what a person notices.
const readPace = new Pace(4);
const syncPace = new Pace(4);

class NodeFile implements DiskFile {
  readonly #descriptor: number;
  #closed = false;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    if (target.length > largeBytes.read || !readPace.allowsSync()) return this.#readAsync(target, offset);
    const start = systemClock.monotonic();
    let done = 0;
    while (done < target.length) {
      const count = fs.readSync(this.#descriptor, target, done, target.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    readPace.note(start);
    return done;
  }

  async #readAsync(target: Uint8Array, offset: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const count = await new Promise<number>((resolve, reject) => {
        fs.read(this.#descriptor, target, done, target.length - done, offset + done, (error, bytes) =>
          error ? reject(error) : resolve(bytes),
        );
      });
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  append(bytes: Uint8Array): number | Promise<number> {
    if (bytes.length <= largeBytes.append) return fs.writeSync(this.#descriptor, bytes, 0, bytes.length, null);
    return new Promise((resolve, reject) => {
      fs.write(this.#descriptor, bytes, 0, bytes.length, null, (error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  writeAt(bytes: Uint8Array, offset: number): void {
    let done = 0;
    while (done < bytes.length) done += fs.writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
  }

  stat(): FileStat {
    return toFileStat(fs.fstatSync(this.#descriptor));
  }

  dataSync(): void | Promise<void> {
    if (syncPace.allowsSync()) {
      const start = systemClock.monotonic();
      fs.fdatasyncSync(this.#descriptor);
      return syncPace.note(start);
    }
    return new Promise((resolve, reject) => fs.fdatasync(this.#descriptor, (error) => (error ? reject(error) : resolve())));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    fs.closeSync(this.#descriptor);
  }
}

export const nodeDisk: Disk = {
  open: (file, mode) => new NodeFile(openRegular(file, openFlags[mode])),

  stat(file) {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    return stats && toFileStat(stats);
  },

  list: (directory) => absent(() => fs.readdirSync(directory)),
  readFile: (file) => absent(() => readRegular(file)),

  createFile(file, bytes) {
    const descriptor = fs.openSync(file, 'wx', 0o666);
    try {
      let done = 0;
      while (done < bytes.length) done += fs.writeSync(descriptor, bytes, done, bytes.length - done);
    } finally {
      fs.closeSync(descriptor);
    }
  },

  makeDirectory(directory) {
    try {
      fs.mkdirSync(directory);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  },

  rename: (from, to) => (isWindows ? renameOnWindows(from, to) : fs.renameSync(from, to)),
  link: (from, to) => fs.linkSync(from, to),
  removeFile: (file) => void absent(() => fs.unlinkSync(file)),
  removeDirectory: (directory) => void absent(() => fs.rmdirSync(directory)),
  removeTree: (directory) => fs.promises.rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),

  async syncFile(file) {
    // Windows refuses to flush a descriptor that cannot write.
    const handle = await fs.promises.open(file, 'r+');
    try {
      await handle.datasync();
    } finally {
      await handle.close();
    }
  },

  async syncDirectory(directory) {
    if (isWindows) return;
    const handle = await fs.promises.open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  realPath: (directory) => fs.realpathSync.native(directory),

  fileSystem(file): FileSystemFacts {
    const { type, bavail, bsize, blocks } = fs.statfsSync(file);
    return { type, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  },

  watch(file, onChange) {
    try {
      const watcher = fs.watch(file, { persistent: false }, onChange);
      watcher.on('error', () => watcher.close());
      return () => watcher.close();
    } catch {
      return () => undefined;
    }
  },
};

/** Windows has no such flag, and no pipes among its files. */
const nonBlocking = fs.constants.O_NONBLOCK ?? 0;

/** Opening a pipe in the place of a file would wait for somebody to write into it, which may be for ever: it is refused at once. */
function openRegular(file: string, flags: number): number {
  const descriptor = fs.openSync(file, flags | nonBlocking, 0o666);
  const stats = fs.fstatSync(descriptor);
  if (stats.isFile()) return descriptor;
  fs.closeSync(descriptor);
  const code = stats.isDirectory() ? 'EISDIR' : 'EINVAL';
  throw Object.assign(new Error(`${code}: not a regular file, open '${file}'`), { code });
}

function readRegular(file: string): Buffer {
  const descriptor = openRegular(file, fs.constants.O_RDONLY);
  try {
    return fs.readFileSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Virus scanners and indexers hold files open for a moment on Windows, and a rename fails meanwhile. */
async function renameOnWindows(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return fs.renameSync(from, to);
    } catch (error) {
      if (attempt === 10 || !['EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error) ?? '')) throw error;
      await new Promise((resolve) => setTimeout(resolve, attempt * 10));
    }
  }
}

function absent<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function toFileStat(stats: fs.Stats): FileStat {
  return {
    size: stats.size,
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
    dev: stats.dev,
    ino: stats.ino,
    modifiedMs: stats.mtimeMs,
    bornMs: stats.birthtimeMs,
    allocated: (stats.blocks ?? 0) * 512,
  };
}

/** What proper-lockfile calls: a plain object, since it cannot take the module itself. */
export const lockFileSystem = {
  mkdirSync: fs.mkdirSync,
  rmdir: fs.rmdir,
  rmdirSync: fs.rmdirSync,
  statSync: fs.statSync,
  utimesSync: fs.utimesSync,
};
