import path from 'node:path';
import { LedgerCorruptError, LockTimeoutError, StorageFailedError, type OpossumError } from '../../core/errors.js';
import { codeOf, messageOf } from '../../disk/error-code.js';
import type { VerifyReport } from './verify.js';

/** Somebody else holds the lock of the copy in `folder`. */
export function copyLocked(folder: string, error: OpossumError): LockTimeoutError {
  const owner = error.details['owner'] as { pid: number; host: string } | undefined;
  const who = owner ? `Process ${owner.pid} on host ${owner.host}` : 'Another process';
  return new LockTimeoutError(`${who} writes to ${folder}: another backup, or a store that is open there. Nothing was copied. Run the backup again later.`, error.details, error);
}

export function copyUnsound(folder: string, { problems, problemCount }: VerifyReport): LedgerCorruptError {
  const { where, message } = problems[0]!;
  return new LedgerCorruptError(
    `The copy in ${folder} does not pass verification: ${problemCount} problem${problemCount === 1 ? '' : 's'}, the first in ${where}: ${message} ` +
      'The store itself was found sound. Mend the copy with "opossum repair", or back up to an empty folder; if it happens again, look after that disk.',
    { file: path.join(folder, where), problems: problems.slice(0, 10), problemCount },
  );
}

/** What the operating system refused. */
export function backupFailed(destination: string, context: string, error: unknown): StorageFailedError {
  const code = codeOf(error);
  return new StorageFailedError(
    `The backup of context ${context} to ${destination} failed: ${messageOf(error)}. ${hintFor(code)} Then run it again: it completes what was begun.`,
    'not-committed',
    { destination, code },
    error,
  );
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full: make room.';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'Give this user the right to write there.';
    default:
      return 'Mend the cause.';
  }
}
