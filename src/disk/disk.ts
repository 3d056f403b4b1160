/*
 * The port through which the engine touches the disk. A real disk answers most calls at once from the page cache, so
 * calls may return a value or a promise: callers always `await`. Nothing is durable before it was synced, and a new or
 * renamed directory entry only after its directory was. Failures throw with the `code` of the operating system (ENOSPC, EIO, …).
 */

export type Awaitable<T> = T | Promise<T>;

export type OpenMode =
  /** Reads only. */
  | 'read'
  /** Reads, and appends with O_APPEND. The file must exist. */
  | 'append'
  /** Like 'append', and makes the file when it is absent. */
  | 'append-create'
  /** Reads, and writes in place. The file must exist. */
  | 'update';

export type FileStat = {
  /** Bytes. */
  readonly size: number;
  readonly kind: 'file' | 'directory' | 'other';
  /** Identity of the file, whatever its name. */
  readonly dev: number;
  readonly ino: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Milliseconds since 1970; 0 where the file system does not know. */
  readonly bornMs: number;
  /** Bytes that the file system has set aside, for `opossum stats`. */
  readonly allocated: number;
};

/** What the system tells of the file system that a path lies on. */
export type FileSystemFacts = {
  /** The system's number for its kind: on Linux the magic number of statfs. 0 where the system does not tell. */
  readonly type: number;
  /** Bytes that this user may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
};

export interface DiskFile {
  /** Reads into `target` from byte `offset` of the file; returns how many bytes there were: fewer only at the end of the file. */
  read(target: Uint8Array, offset: number): Awaitable<number>;
  /** One write behind the end of the file; returns how many bytes it took, which may be fewer than given. */
  append(bytes: Uint8Array): Awaitable<number>;
  /** Writes all of `bytes` at `offset`; only for files opened with 'update'. */
  writeAt(bytes: Uint8Array, offset: number): Awaitable<void>;
  stat(): Awaitable<FileStat>;
  /** Makes the file's bytes and length durable. After a failure nothing is known of bytes written before: never retry. */
  dataSync(): Awaitable<void>;
  close(): Awaitable<void>;
}

export interface Disk {
  open(path: string, mode: OpenMode): Awaitable<DiskFile>;
  /** Undefined when nothing is there. */
  stat(path: string): Awaitable<FileStat | undefined>;
  /** Names in a directory, unsorted; undefined when it is absent. */
  list(path: string): Awaitable<string[] | undefined>;
  /** The whole file; undefined when it is absent. */
  readFile(path: string): Awaitable<Buffer | undefined>;
  /** Makes a new file with these bytes, all of them, not synced. Fails with EEXIST when the path is taken. */
  createFile(path: string, bytes: Uint8Array): Awaitable<void>;
  /** Returns false when the directory is there already. Its parent must exist. */
  makeDirectory(path: string): Awaitable<boolean>;
  /** Replaces the target if there is one, in one step that no crash can split. */
  rename(from: string, to: string): Awaitable<void>;
  /** Gives a file a second name, in one step. Fails with EEXIST when that is taken, and as the system likes where it has no such call. */
  link(from: string, to: string): Awaitable<void>;
  /** Removes a file; does nothing when it is absent. */
  removeFile(path: string): Awaitable<void>;
  /** Removes an empty directory; does nothing when it is absent. */
  removeDirectory(path: string): Awaitable<void>;
  /** Removes a directory with all that is in it. */
  removeTree(path: string): Awaitable<void>;
  /** Makes one file durable that was written before, by path. */
  syncFile(path: string): Awaitable<void>;
  /** Makes the entries of a directory durable; does nothing where the system has no such call. */
  syncDirectory(path: string): Awaitable<void>;
  /** The one path that all names of this existing directory lead to. */
  realPath(path: string): Awaitable<string>;
  /** Of the file system that holds this existing path. */
  fileSystem(path: string): Awaitable<FileSystemFacts>;
  /** Calls `onChange` when the file may have changed: a hint that can be missed. Returns how to stop. */
  watch(path: string, onChange: () => void): () => void;
}
