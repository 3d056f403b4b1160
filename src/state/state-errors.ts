import { InvalidInputError, isOpossumError, LockTimeoutError, StorageFailedError, type OpossumError } from '../core/errors.js';
import { codeOf, messageOf } from '../disk/error-code.js';

export function refuseReadOnly(what: string): InvalidInputError {
  return new InvalidInputError('options.readOnly', `is true for this store, so it cannot ${what}. Open it without readOnly.`);
}

export type StateCall = 'load' | 'save' | 'remove' | 'list' | 'lease';

/** What to throw for what the operating system refused; errors of ours pass as they are. `name` is undefined for a list of all. */
export function stateFailed(call: StateCall, name: string | undefined, folder: string, outcome: 'not-committed' | 'unknown', error: unknown): unknown {
  // Node gives its own complaints, which are mistakes of ours, codes that begin with ERR_.
  if (isOpossumError(error) || !/^E(?!RR_)/.test(codeOf(error) ?? '')) return error;
  const code = codeOf(error);
  return new StorageFailedError(
    `${name === undefined ? 'States' : `State ${JSON.stringify(name)}`} in ${folder}: ${call} failed (${messageOf(error)}). ${consequenceOf(call, outcome)} ${hintFor(code)}`,
    outcome,
    { ...(name === undefined ? {} : { name }), directory: folder, code },
    error,
  );
}

function consequenceOf(call: StateCall, outcome: 'not-committed' | 'unknown'): string {
  if (call === 'load' || call === 'list') return 'Nothing is lost by that.';
  return outcome === 'unknown' ? 'Whether it was done, and lasts, is not known: load it before you do it again.' : 'Nothing was changed.';
}

/** The refusal of the locking room, told as one of a lease. */
export function leaseTimeout(name: string, timeoutMs: number, { details }: OpossumError): LockTimeoutError {
  const { owner, since } = details as { owner?: { pid: number; host: string }; since?: string };
  const held = owner ? `process ${owner.pid} on host ${owner.host} holds it since ${since}` : 'another holds it, and did not say who it is';
  return new LockTimeoutError(
    `The lease ${JSON.stringify(name)} was not to be had within ${timeoutMs} ms: ${held}. If it hangs, end it: its lease is then taken over. ` +
      'Otherwise wait longer, with "timeoutMs".',
    { name, timeoutMs, ...(owner ? { owner, since } : {}) },
  );
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full: make room and try again.';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'Give this user the right to write there.';
    case 'ENOTDIR':
      return 'A part of that path is a file and should be a folder: move it away.';
    case 'EMFILE':
    case 'ENFILE':
      return 'Too many files are open: close some, or raise the limit (ulimit -n).';
    default:
      return 'Mend the cause and try again.';
  }
}
