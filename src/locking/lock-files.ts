import path from 'node:path';
import type { LockKind } from './lock.js';

/** The lock's files in a folder. Other names there that begin with the lock's and a dot are temporary. */
export type LockFiles = {
  /** The directory whose making is the taking of the lock. */
  readonly lock: string;
  /** Says who holds it. */
  readonly owner: string;
  /** How the names of seats begin. */
  readonly waiting: string;
};

export function lockFilesOf(directory: string, kind: LockKind = 'ledger'): LockFiles {
  const lock = path.join(directory, kind === 'ledger' ? 'ledger.lock' : 'lease');
  return { lock, owner: `${lock}.owner`, waiting: `${lock}.waiting.` };
}

/**
 * Tells the lock directory from the ones that had its name before. Inode numbers are used again at once, and touching the
 * directory moves its other times; so it is the time of birth, and the inode only where the file system keeps no such time.
 */
export function identityOf(stat: { readonly ino: number; readonly bornMs: number }): string {
  return stat.bornMs > 0 ? `born ${stat.bornMs}` : `inode ${stat.ino}`;
}
