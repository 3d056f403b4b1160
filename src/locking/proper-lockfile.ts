/*
 * Takes and gives back a lock directory with proper-lockfile, which makes the directory, touches it while it is held, and
 * removes it when the process exits. It removes by name alone; here it removes only a directory that this hold made, so that
 * neither a late release, nor an exit, nor its own guess that a lock is stale can take a lock from somebody else.
 */
import type { LockOptions } from 'proper-lockfile';
import type { Clock } from '../disk/clock.js';
import { codeOf } from '../disk/error-code.js';
import { lockFileSystem } from '../disk/node-disk.js';
import { isNameTaken } from './lock-errors.js';
import { identityOf } from './lock-files.js';

export type LockDirectoryOptions = {
  /** One per hold: proper-lockfile keeps one lock for each key. */
  readonly key: string;
  /** For how long the directory may go untouched, milliseconds. */
  readonly staleMs: number;
  /** Called when the directory turns out to be gone, or another. */
  readonly onLost: () => void;
};

export type HeldDirectory = {
  /** What `identityOf` says of the directory. */
  readonly identity: string;
  /** Whether the directory is still the one that this hold made, or was passed on to it. */
  isOurs(): boolean;
  /** From now on neither `release` nor an exit of the process removes the directory. */
  disown(): void;
  /** Ends the hold; removes the directory that it made, unless it was disowned. @throws when the operating system refuses. */
  release(): Promise<void>;
};

/** Makes the directory `lockPath`; returns undefined when it is there already. @throws what the operating system says. */
export async function holdDirectory(lockPath: string, { key, staleMs, onLost }: LockDirectoryOptions): Promise<HeldDirectory | undefined> {
  const { lock } = await loadPackage();
  const guarded = guardedFileSystem(lockPath);
  try {
    const unlock = await lock(key, {
      lockfilePath: lockPath,
      stale: staleMs,
      update: touchEveryMs,
      realpath: false,
      retries: 0,
      fs: guarded.fileSystem,
      onCompromised: onLost,
    } satisfies LockOptions);
    return {
      identity: guarded.identity(),
      isOurs: guarded.isOurs,
      disown: guarded.disown,
      release: () => unlock().catch(ignoreLost),
    };
  } catch (error) {
    if (codeOf(error) === 'ELOCKED' || isNameTaken(error)) return undefined;
    throw error;
  }
}

/**
 * The directory that another hold made and passed on, last touched at `touchedMs`. It is touched while it is held; what
 * proper-lockfile does beyond that when a process exits is not done: waiters find its owner dead.
 */
export function adoptDirectory(lockPath: string, identity: string, touchedMs: number, clock: Clock): HeldDirectory {
  const { isOurs } = guardedFileSystem(lockPath, identity);
  let cancel = (): void => undefined;
  const touchLater = (): void => void (cancel = clock.timer(touchEveryMs, touch, false));
  const touch = (): void => {
    touchLater();
    const seconds = clock.now() / 1000;
    try {
      if (isOurs()) lockFileSystem.utimesSync(lockPath, seconds, seconds);
    } catch {
      // What cannot be touched goes stale.
    }
  };
  // Those who have it for moments only, one after another, would else never touch it.
  if (clock.now() - touchedMs >= touchEveryMs) touch();
  else touchLater();
  return {
    identity,
    isOurs,
    disown: () => undefined,
    release: async () => cancel(),
  };
}

/** Whether this user may touch the directory: only whom it belongs to may. True where the system does not tell. */
export function canTouch(lockPath: string): boolean {
  const user = process.geteuid?.() ?? 0;
  return user === 0 || lockFileSystem.statSync(lockPath, { throwIfNoEntry: false })?.uid === user;
}

/**
 * Removes an empty directory in the background. Some file systems discard its block on the device before they answer, which
 * takes milliseconds when the device is busy; renaming a lock directory first frees its name without that.
 */
export function removeLater(directory: string): void {
  const removal = new Promise<void>((resolve) => lockFileSystem.rmdir(directory, () => resolve())).then(() => void removals.delete(directory));
  removals.set(directory, removal);
}

/** Resolves when what was left behind of the lock at this path, by `removeLater`, is gone. */
export async function removed(lockPath: string): Promise<void> {
  await Promise.all([...removals].map(([directory, removal]) => (directory.startsWith(`${lockPath}.`) ? removal : undefined)));
}

const removals = new Map<string, Promise<void>>();

let loading: Promise<{ lock: typeof import('proper-lockfile').lock }> | undefined;

/** Importing the package installs signal handlers: a process that never writes is spared that. */
function loadPackage(): Promise<{ lock: typeof import('proper-lockfile').lock }> {
  return (loading ??= import('proper-lockfile').then((module) => module.default));
}

function ignoreLost(error: unknown): void {
  if (codeOf(error) !== 'ERELEASED') throw error;
}

/** Often, so that a loss is soon noticed and one late turn of the event loop does not make the lock stale. */
const touchEveryMs = 1000;

type Done<T> = (error: unknown, value?: T) => void;

/** The calls that proper-lockfile makes, answered at once: the directory is in the cache, a thread costs more than the call. */
function guardedFileSystem(lockPath: string, made = 'none'): { fileSystem: object; identity: () => string; isOurs: () => boolean; disown: () => void } {
  const { mkdirSync, rmdirSync, statSync, utimesSync } = lockFileSystem;
  const identify = (): string => {
    const stats = statSync(lockPath, { throwIfNoEntry: false });
    return stats ? identityOf({ ino: stats.ino, bornMs: stats.birthtimeMs }) : 'absent';
  };
  const isOurs = (): boolean => identify() === made;
  let isDisowned = false;
  const removeOurs = (): void => {
    if (!isDisowned && isOurs()) rmdirSync(lockPath);
  };
  const fileSystem = {
    mkdir: (path: string, done: Done<void>) =>
      answer(done, () => {
        mkdirSync(path);
        made = identify();
      }),
    stat: (path: string, done: Done<unknown>) => answer(done, () => statSync(path)),
    utimes: (path: string, accessed: Date, modified: Date, done: Done<void>) => answer(done, () => utimesSync(path, accessed, modified)),
    rmdir: (_path: string, done: Done<void>) => answer(done, removeOurs),
    rmdirSync: removeOurs,
  };
  return { fileSystem, identity: () => made, isOurs, disown: () => void (isDisowned = true) };
}

function answer<T>(done: Done<T>, call: () => T): void {
  let value: T;
  try {
    value = call();
  } catch (error) {
    done(error);
    return;
  }
  done(null, value);
}
