import { systemClock } from '../disk/clock.js';
import { nodeDisk } from '../disk/node-disk.js';
import { systemRandom } from '../disk/random.js';
import type { EnginePorts } from './engine.js';
import { processRegistry } from './registry.js';
import { openFileLock } from '../locking/file-lock.js';

/** The ports on this machine. */
export const systemPorts: EnginePorts = {
  disk: nodeDisk,
  clock: systemClock,
  random: systemRandom,
  openLock: (directory, kind) => openFileLock(directory, { disk: nodeDisk, clock: systemClock, random: systemRandom }, kind),
  get engines() {
    return processRegistry();
  },
  warn: (message) => process.emitWarning(message, 'OpossumWarning'),
};
