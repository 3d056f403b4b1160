/* What the processes that tests start need of the package's inside, beside all that it exports. Built into tests/.built. */
export * from '../../src/index.js';
export { systemClock } from '../../src/disk/clock.js';
export { nodeDisk } from '../../src/disk/node-disk.js';
export { systemRandom } from '../../src/disk/random.js';
export { openEngine } from '../../src/engine/open-store.js';
export { systemPorts } from '../../src/engine/system-ports.js';
export { openFileLock } from '../../src/locking/file-lock.js';
