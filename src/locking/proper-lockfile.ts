import { codeOf } from '../disk/error-code.js';
import { lockFileSystem, type NoParamCallback, type PathLike } from '../disk/node-disk.js';

/** How long a lock that nobody touches is respected, in milliseconds. */
export const staleMs = 5000;

export type LockDirectory = {
  /** Gives the lock up; with `keepDirectory` its directory stays, since it is somebody else's by now. */
  release(keepDirectory: boolean): Promise<void>;
};

/**
 * Takes the lock directory, once, without waiting; undefined when somebody has it. `onLost` tells that it was taken away.
 * Loaded when first needed: the package patches `fs.close` and installs signal handlers.
 */
export async function tryLock(file: string, lockPath: string, stale: number, onLost: () => void): Promise<LockDirectory | undefined> {
  const { lock } = (await import('proper-lockfile')).default;
  let keep = false;
  const rmdir = (directory: PathLike, done: NoParamCallback): void =>
    keep ? done(null) : lockFileSystem.rmdir(directory, done);
  try {
    const release = await lock(file, {
      lockfilePath: lockPath,
      stale,
      update: stale / 4,
      retries: 0,
      realpath: false,
      fs: { ...lockFileSystem, rmdir: rmdir as typeof lockFileSystem.rmdir },
      // The default throws from a timer and ends the process.
      onCompromised: onLost,
    });
    return {
      async release(keepDirectory) {
        keep = keepDirectory;
        await release();
      },
    };
  } catch (error) {
    if (codeOf(error) === 'ELOCKED') return undefined;
    throw error;
  }
}
