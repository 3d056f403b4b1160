import { LockTimeoutError, StorageFailedError, type OpossumError } from '../core/errors.js';
import { codeOf, messageOf } from '../disk/error-code.js';
import type { LockOwner } from './lock.js';
import type { OwnerRecord } from './owner.js';

export function lockTimeout(directory: string, timeoutMs: number, holder: Pick<OwnerRecord, 'owner' | 'since'> | undefined): LockTimeoutError {
  const owner = holder?.owner;
  const held = owner
    ? `process ${owner.pid} on host ${owner.host} has held it since ${holder.since}. If that process hangs, end it: its lock is then taken over.`
    : 'its owner did not say who it is. A lock that nobody touches any more is taken over after a few seconds.';
  return new LockTimeoutError(
    `The lock of ${directory} was not to be had within ${timeoutMs} ms: ${held} Nothing was changed: try again, or let appends wait longer with "lockTimeout".`,
    { directory, timeoutMs, ...(holder ? { owner, since: holder.since } : {}) },
  );
}

/** The same refusal for a call that waited for `timeoutMs` altogether; one wait may serve many calls. */
export function withTimeout({ details }: OpossumError, timeoutMs: number): LockTimeoutError {
  const { directory, owner, since } = details as { directory: string; owner?: LockOwner; since?: string };
  return lockTimeout(directory, timeoutMs, owner && since !== undefined ? { owner, since } : undefined);
}

export function cannotLock(directory: string, error: unknown): StorageFailedError {
  const code = codeOf(error);
  return new StorageFailedError(
    `The lock of ${directory} cannot be taken: ${messageOf(error)}. Nothing was changed. ${hintFor(code)}`,
    'not-committed',
    { directory, code },
    error,
  );
}

/** Whether something of that name is there, or, on Windows, was removed while somebody still looks at it. */
export function isNameTaken(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return code === 'EEXIST' || (process.platform === 'win32' && ['EPERM', 'EACCES', 'EBUSY'].includes(code));
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'Give this user the right to write in that folder, or only read it (readOnly: true).';
    case 'EROFS':
      return 'The medium is read-only: only reading is possible (readOnly: true).';
    case 'ENOENT':
      return 'The folder is gone: it was moved or deleted. Close the store and open it again.';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full: make room and try again.';
    default:
      return 'Mend the cause and try again.';
  }
}
