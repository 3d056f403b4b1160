/*
 * A disk for the engine that keeps what is written apart from what is durable, tells of each operation before it is done,
 * and can let it fail. Operations of a process that is gone never return, as after a power cut or SIGKILL.
 */
import path from 'node:path';
import type { Disk, DiskFile, FileStat, FileSystemFacts, OpenMode } from '../../disk/disk.js';
import { isOutOfDescriptors } from '../../disk/error-code.js';
import { DirectoryNode, FileNode, Medium, type Node, type SyncModel } from './medium.js';
import { cutPower, type PowerCut } from './power-cut.js';
import type { Actor, Scheduler } from './scheduler.js';
import type { SeededRandom } from './seeded-random.js';
import { syncBadly } from './failed-sync.js';

export type OperationKind = 'open' | 'read' | 'append' | 'write' | 'stat' | 'sync' | 'list' | 'create' | 'makeDirectory' | 'rename' | 'link' | 'remove' | 'syncDirectory';

/** A disk operation that is about to be done. */
export type Operation = {
  /** Counts from 1. */
  readonly number: number;
  readonly process: string;
  readonly kind: OperationKind;
  readonly path: string;
  /** Whether it changes what a power cut would leave. */
  readonly changes: boolean;
};

/** What happens instead of the operation. */
export type Fault =
  /** It fails with this code. An append or a created file takes the first `take` bytes all the same; none when absent. */
  | { readonly code: 'ENOSPC' | 'EIO' | 'EMFILE' | 'EACCES' | (string & {}); readonly take?: number }
  /** A write that takes only so many bytes and says so. */
  | { readonly shortWrite: number };

/** Called before each operation; may cut the power. */
export type OnOperation = (operation: Operation) => Fault | undefined;

/** Bytes in one file system block, for what `stat` tells. */
const blockLength = 4096;
/** Steps that `trace` keeps. */
const maxTrace = 5000;

export class SimulatedDisk {
  /** Called before each operation. */
  onOperation: OnOperation = () => undefined;
  /** Bytes that the files may hold together; writes beyond fail with ENOSPC. */
  capacity = Infinity;
  readonly #medium: Medium;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #trace: string[] = [];
  #operations = 0;

  constructor(syncModel: SyncModel, scheduler: Scheduler, random: SeededRandom) {
    this.#medium = new Medium(syncModel);
    this.#scheduler = scheduler;
    this.#random = random;
  }

  /** Operations begun so far. */
  get operations(): number {
    return this.#operations;
  }

  /** What was done, one line for each change, for people who look for a mistake. */
  get trace(): readonly string[] {
    return this.#trace;
  }

  /** All files, as programs see them, by path. */
  files(): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    const visit = (directory: DirectoryNode, at: string): void => {
      for (const [name, node] of [...directory.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const inside = at === '' ? name : path.join(at, name);
        if (node.kind === 'directory') visit(node, inside);
        else found.set(path.resolve(path.sep, inside), node.bytes);
      }
    };
    visit(this.#medium.root, '');
    return found;
  }

  /** Replaces a file's bytes, durably and behind everybody's back; makes the file and its folders when they are absent. */
  overwrite(file: string, bytes: Uint8Array): void {
    const directory = this.#makeFolders(path.dirname(file));
    const name = path.basename(file);
    const known = directory.entries.get(name);
    const node = known?.kind === 'file' ? known : this.#medium.newFile();
    node.bytes = node.durable = Buffer.from(bytes);
    node.unsynced = [];
    node.modifiedMs = this.#scheduler.wallMs;
    directory.entries.set(name, node);
    directory.durable.set(name, node);
  }

  /** Takes a file or directory away, durably and behind everybody's back. */
  erase(target: string): void {
    const directory = this.#directory(path.dirname(target));
    directory.entries.delete(path.basename(target));
    directory.durable.delete(path.basename(target));
  }

  /** Leaves what a power cut leaves. Whoever was running must be gone. */
  cutPower(cut: PowerCut): void {
    this.note(`-- power cut: data ${cut.data}, entries ${cut.entries}`);
    cutPower(this.#medium, cut, this.#random);
  }

  note(line: string): void {
    this.#trace.push(line);
    if (this.#trace.length > maxTrace) this.#trace.shift();
  }

  /** The disk as one process sees it. */
  portOf(actor: Actor): Disk {
    const run = async <T>(kind: OperationKind, target: string, work: (fault: Fault | undefined) => T): Promise<T> => {
      await this.#scheduler.turn(actor);
      const operation = { number: ++this.#operations, process: actor.name, kind, path: target, changes: changing.has(kind) };
      const fault = this.onOperation(operation);
      if (!actor.isAlive) return new Promise<T>(() => undefined);
      try {
        const result = work(fault);
        if (operation.changes) this.note(`${operation.number} ${actor.name}: ${kind} ${target}${fault ? ` ${JSON.stringify(fault)}` : ''}`);
        return result;
      } catch (error) {
        this.note(`${operation.number} ${actor.name}: ${kind} ${target} fails: ${(error as { code?: string }).code}`);
        throw error;
      }
    };
    /** Most operations either fail or are done. */
    const attempt = <T>(kind: OperationKind, target: string, work: () => T): Promise<T> =>
      run(kind, target, (fault) => {
        if (fault && 'code' in fault) throw systemError(fault.code, kind, target);
        return work();
      });

    return {
      open: (file, mode) => attempt('open', file, () => this.#open(file, mode, run)),
      stat: (target) =>
        attempt('stat', target, () => {
          const node = this.#find(target);
          return node && statOf(node);
        }),
      list: (target) =>
        attempt('list', target, () => {
          const node = this.#find(target);
          if (node?.kind === 'file') throw systemError('ENOTDIR', 'list', target);
          return node && [...node.entries.keys()];
        }),
      readFile: (file) =>
        attempt('read', file, () => {
          const node = this.#find(file);
          if (node?.kind === 'directory') throw systemError('EISDIR', 'read', file);
          return node && Buffer.from(node.bytes);
        }),
      createFile: (file, bytes) => run('create', file, (fault) => this.#create(file, bytes, fault)),
      makeDirectory: (target) =>
        attempt('makeDirectory', target, () => {
          const directory = this.#directory(path.dirname(target));
          const name = path.basename(target);
          if (directory.entries.has(name)) return false;
          this.#medium.change({ kind: 'make', directory, name, node: this.#medium.newDirectory() });
          return true;
        }),
      rename: (from, to) => attempt('rename', `${from} -> ${to}`, () => this.#rename(from, to)),
      link: (from, to) => attempt('link', `${from} -> ${to}`, () => this.#link(from, to)),
      removeFile: (target) =>
        attempt('remove', target, () => {
          const node = this.#find(target);
          if (node?.kind === 'directory') throw systemError('EPERM', 'remove', target);
          if (node) this.#remove(target);
        }),
      removeDirectory: (target) =>
        attempt('remove', target, () => {
          const node = this.#find(target);
          if (node?.kind === 'file') throw systemError('ENOTDIR', 'remove', target);
          if (node && node.entries.size > 0) throw systemError('ENOTEMPTY', 'remove', target);
          if (node) this.#remove(target);
        }),
      removeTree: (target) => attempt('remove', target, () => (this.#find(target) ? this.#remove(target) : undefined)),
      syncFile: (file) =>
        run('sync', file, (fault) => this.#sync(this.#file(file), undefined, file, fault)),
      syncDirectory: (target) => attempt('syncDirectory', target, () => this.#medium.syncDirectory(this.#directory(target))),
      realPath: (target) => attempt('stat', target, () => (this.#directory(target), path.resolve(target))),
      fileSystem: (target) => attempt('stat', target, () => this.#fileSystem()),
      watch: () => () => undefined,
    };
  }

  #open(file: string, mode: OpenMode, run: <T>(kind: OperationKind, target: string, work: (fault: Fault | undefined) => T) => Promise<T>): DiskFile {
    let node = this.#find(file);
    if (node?.kind === 'directory') throw systemError('EISDIR', 'open', file);
    if (!node) {
      if (mode !== 'append-create') throw systemError('ENOENT', 'open', file);
      node = this.#make(file);
    }
    const opened = node;
    let failuresSeen = opened.failedSyncs;
    const attempt = <T>(kind: OperationKind, work: () => T): Promise<T> =>
      run(kind, file, (fault) => {
        if (fault && 'code' in fault) throw systemError(fault.code, kind, file);
        return work();
      });
    return {
      read: (target, offset) => attempt('read', () => opened.bytes.copy(target, 0, Math.min(offset, opened.bytes.length), offset + target.length)),
      append: (bytes) =>
        run('append', file, (fault) => {
          const taken = this.#write(opened, opened.bytes.length, bytes, fault);
          if (fault && 'code' in fault) throw systemError(fault.code, 'append', file);
          if (taken === 0 && bytes.length > 0) throw systemError('ENOSPC', 'append', file);
          return taken;
        }),
      writeAt: (bytes, offset) => attempt('write', () => void this.#write(opened, offset, bytes, undefined)),
      stat: () => attempt('stat', () => statOf(opened)),
      dataSync: () =>
        run('sync', file, (fault) => {
          const before = failuresSeen;
          try {
            this.#sync(opened, before, file, fault);
          } finally {
            failuresSeen = opened.failedSyncs;
          }
        }),
      close: () => undefined,
    };
  }

  #create(file: string, bytes: Uint8Array, fault: Fault | undefined): void {
    if (this.#find(file)) throw systemError('EEXIST', 'create', file);
    const isRefused = fault && 'code' in fault && fault.take === undefined;
    if (isRefused) throw systemError(fault.code, 'create', file);
    const taken = this.#write(this.#make(file), 0, bytes, fault);
    if (fault && 'code' in fault) throw systemError(fault.code, 'create', file);
    if (taken < bytes.length) throw systemError('ENOSPC', 'create', file);
  }

  #make(file: string): FileNode {
    const node = this.#medium.newFile();
    node.modifiedMs = this.#scheduler.wallMs;
    this.#medium.change({ kind: 'make', directory: this.#directory(path.dirname(file)), name: path.basename(file), node });
    return node;
  }

  /** Writes what there is room for, or what the fault allows; returns how many bytes. */
  #write(node: FileNode, offset: number, bytes: Uint8Array, fault: Fault | undefined): number {
    const allowed = fault === undefined ? bytes.length : 'shortWrite' in fault ? fault.shortWrite : (fault.take ?? 0);
    const room = this.capacity === Infinity ? Infinity : this.capacity - this.#used();
    const grows = Math.max(0, offset + bytes.length - node.bytes.length);
    const taken = Math.max(0, Math.min(bytes.length, allowed, room + bytes.length - grows));
    if (taken > 0) node.write(offset, bytes.subarray(0, taken));
    node.modifiedMs = this.#scheduler.wallMs;
    return taken;
  }

  #used(): number {
    return [...this.files().values()].reduce((sum, { length }) => sum + length, 0);
  }

  #sync(node: FileNode, failuresSeen: number | undefined, file: string, fault: Fault | undefined): void {
    if (fault && 'code' in fault) {
      // Who cannot open the file never comes to sync it.
      if (!isOutOfDescriptors(fault)) syncBadly(node, this.#random);
      throw systemError(fault.code, 'sync', file);
    }
    if (node.failedSyncs > (failuresSeen ?? Infinity)) throw systemError('EIO', 'sync', file);
    this.#medium.syncFile(node);
  }

  #rename(from: string, to: string): void {
    const node = this.#find(from);
    if (!node) throw systemError('ENOENT', 'rename', from);
    const directory = this.#directory(path.dirname(to));
    const replaced = directory.entries.get(path.basename(to));
    if (replaced === node) return;
    if (replaced?.kind === 'directory' && (node.kind === 'file' || replaced.entries.size > 0)) {
      throw systemError(node.kind === 'file' ? 'EISDIR' : 'ENOTEMPTY', 'rename', to);
    }
    if (replaced?.kind === 'file' && node.kind === 'directory') throw systemError('ENOTDIR', 'rename', to);
    this.#medium.change({
      kind: 'rename',
      directory,
      name: path.basename(to),
      node,
      from: this.#directory(path.dirname(from)),
      fromName: path.basename(from),
      replaces: replaced !== undefined,
    });
  }

  #link(from: string, to: string): void {
    const node = this.#file(from);
    if (this.#find(to)) throw systemError('EEXIST', 'link', to);
    this.#medium.change({ kind: 'make', directory: this.#directory(path.dirname(to)), name: path.basename(to), node });
  }

  #remove(target: string): void {
    this.#medium.change({ kind: 'remove', directory: this.#directory(path.dirname(target)), name: path.basename(target) });
  }

  #fileSystem(): FileSystemFacts {
    const totalBytes = Math.min(this.capacity, 2 ** 40);
    return { type: 0, freeBytes: Math.max(0, totalBytes - this.#used()), totalBytes };
  }

  #find(target: string): Node | undefined {
    let node: Node | undefined = this.#medium.root;
    for (const part of path.resolve(target).split(path.sep)) {
      if (part === '') continue;
      if (node?.kind === 'file') throw systemError('ENOTDIR', 'find', target);
      node = node?.entries.get(part);
      if (!node) return undefined;
    }
    return node;
  }

  #makeFolders(target: string): DirectoryNode {
    const known = this.#find(target);
    if (known?.kind === 'directory') return known;
    const parent = this.#makeFolders(path.dirname(target));
    const made = this.#medium.newDirectory();
    parent.entries.set(path.basename(target), made);
    parent.durable.set(path.basename(target), made);
    return made;
  }

  #file(target: string): FileNode {
    const node = this.#find(target);
    if (node?.kind !== 'file') throw systemError(node ? 'EISDIR' : 'ENOENT', 'open', target);
    return node;
  }

  #directory(target: string): DirectoryNode {
    const node = this.#find(target);
    if (node?.kind !== 'directory') throw systemError(node ? 'ENOTDIR' : 'ENOENT', 'open', target);
    return node;
  }
}

function statOf(node: Node): FileStat {
  const size = node.kind === 'file' ? node.bytes.length : 0;
  return { size, kind: node.kind, dev: 1, ino: node.ino, modifiedMs: node.modifiedMs, bornMs: 0, allocated: Math.ceil(size / blockLength) * blockLength };
}

const changing = new Set<OperationKind>(['append', 'write', 'sync', 'create', 'makeDirectory', 'rename', 'link', 'remove', 'syncDirectory']);

function systemError(code: string, verb: string, target: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${verb} '${target}'`), { code });
}
