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
};

/** The real disk, but for the faults; `faults` may be changed at any time. */
export function faultyPorts(faults: Faults, warnings: string[] = []): EnginePorts {
  const disk: Disk = {
    ...nodeDisk,
    async open(path, mode) {
      const file = await nodeDisk.open(path, mode);
      if (!path.endsWith('ledger')) return file;
      return {
        read: (target, offset) => file.read(target, offset),
        append: (bytes) => faults.append?.(file, bytes) ?? file.append(bytes),
        writeAt: (bytes, offset) => file.writeAt(bytes, offset),
        stat: () => file.stat(),
        dataSync: () => (faults.dataSync ? faults.dataSync() : file.dataSync()),
        close: () => file.close(),
      };
    },
    createFile: (path, bytes) => faults.createFile?.(path) ?? nodeDisk.createFile(path, bytes),
  };
  return {
    disk,
    clock: systemClock,
    random: systemRandom,
    openLock: (directory) => openFileLock(directory, { disk: nodeDisk, clock: systemClock, random: systemRandom }),
    engines: processRegistry(),
    warn: (message) => warnings.push(message),
  };
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made up by the test`), { code });
}
