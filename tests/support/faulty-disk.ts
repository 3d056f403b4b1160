import type { Awaitable, Disk, DiskFile } from '../../src/disk/disk.js';
import { systemClock } from '../../src/disk/clock.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import type { EnginePorts } from '../../src/engine/engine.js';
import { processRegistry } from '../../src/engine/registry.js';
import { openFileLock } from '../../src/locking/file-lock.js';

/** What a test wants to happen instead of the real thing; each is asked before every such call. */
export type Faults = {
  /** Returns what to do instead of appending to the ledger, or undefined. */
  append?: (file: DiskFile, bytes: Uint8Array) => Awaitable<number> | undefined;
  dataSync?: () => Awaitable<void> | undefined;
  createFile?: (path: string) => Awaitable<void> | undefined;
  /** Asked before every call, also of the lock; `verb` is a method of `Disk`, or of `DiskFile` behind `file.`. Returns the code of the error to throw. */
  fail?: (verb: string, path: string) => string | undefined;
};

/** The real disk, but for the faults; `faults` may be changed at any time. */
export function faultyPorts(faults: Faults, warnings: string[] = []): EnginePorts {
  const failing = failingCalls(nodeDisk, faults);
  const disk: Disk = {
    ...failing,
    async open(path, mode) {
      const file = failingCalls(await failing.open(path, mode), faults, path);
      if (!path.endsWith('ledger')) return file;
      return {
        ...file,
        append: (bytes) => faults.append?.(file, bytes) ?? file.append(bytes),
        dataSync: () => (faults.dataSync ? faults.dataSync() : file.dataSync()),
      };
    },
    createFile: (path, bytes) => faults.createFile?.(path) ?? failing.createFile(path, bytes),
  };
  return {
    disk,
    clock: systemClock,
    random: systemRandom,
    openLock: (directory, kind) => openFileLock(directory, { disk: failing, clock: systemClock, random: systemRandom }, kind),
    engines: processRegistry(),
    warn: (message) => warnings.push(message),
  };
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made up by the test`), { code });
}

/** The same methods, each of which asks `faults` first. */
function failingCalls(disk: Disk, faults: Faults): Disk;
function failingCalls(file: DiskFile, faults: Faults, path: string): DiskFile;
function failingCalls(target: Disk | DiskFile, faults: Faults, path?: string): Disk | DiskFile {
  const source = target as unknown as Record<string, (...args: unknown[]) => unknown>;
  const calls: Record<string, unknown> = {};
  const verbs = path === undefined ? Object.keys(source) : ['read', 'append', 'writeAt', 'stat', 'dataSync', 'close'];
  for (const verb of verbs) {
    calls[verb] = (...args: unknown[]): unknown => {
      const code = faults.fail?.(path === undefined ? verb : `file.${verb}`, path ?? String(args[0]));
      if (code !== undefined) throw systemError(code);
      return source[verb]!(...args);
    };
  }
  return calls as unknown as Disk | DiskFile;
}
