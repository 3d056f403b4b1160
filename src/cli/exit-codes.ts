import type { ErrorCode } from '../index.js';

/** What the command ends with; `opossum --help` lists them. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  warnings: 3,
  conditionFailed: 4,
  corrupt: 5,
  locked: 6,
  invalidInput: 7,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp = `
Exit codes:
  0    done
  1    unexpected error, such as a full disk; for demo: a rule was broken
  2    wrong usage
  3    doctor: there are warnings
  4    append condition failed
  5    corruption found, or, after repair, not all of it healed
  6    locked by another process for too long
  7    invalid input: events, queries, files, no such store, or a backup that cannot go there
  130  interrupted (129: hung up, 143: told to end)

Data goes to standard output, everything else to standard error.
OPOSSUM_DIR stands in for --dir; NO_COLOR turns colours off; OPOSSUM_DEBUG=1 shows where an error comes from.`;

const byErrorCode: Record<ErrorCode, ExitCode> = {
  APPEND_CONDITION_FAILED: exitCodes.conditionFailed,
  CHECKPOINT_MISMATCH: exitCodes.invalidInput,
  DECISION_CONFLICT: exitCodes.conditionFailed,
  EVENT_ID_CONFLICT: exitCodes.invalidInput,
  INVALID_INPUT: exitCodes.invalidInput,
  LEDGER_CORRUPT: exitCodes.corrupt,
  LOCK_TIMEOUT: exitCodes.locked,
  POSITION_AHEAD: exitCodes.invalidInput,
  PROJECTION_FAILED: exitCodes.unexpected,
  STATE_CONFLICT: exitCodes.conditionFailed,
  STATE_DAMAGED: exitCodes.corrupt,
  STORAGE_FAILED: exitCodes.unexpected,
  STORE_CLOSED: exitCodes.unexpected,
  UNSUPPORTED_FORMAT: exitCodes.corrupt,
  WRONG_EXPECTED_VERSION: exitCodes.conditionFailed,
};

/** An error of the command line itself, with what the command ends with. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly code: ErrorCode | undefined;

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.code = exitCode === exitCodes.invalidInput ? 'INVALID_INPUT' : undefined;
  }
}

export function usageError(message: string): CommandError {
  return new CommandError(exitCodes.usage, message);
}

export function inputError(message: string, cause?: unknown): CommandError {
  return new CommandError(exitCodes.invalidInput, message, cause);
}

/** Signals that end a command in order, and what it ends with: 128 and the signal's number, as shells have it. */
export const endingSignals = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated, SIGHUP: exitCodes.hungUp } as const;

/** Ctrl-C, or another signal to end: nothing went wrong, so nothing is said beyond what the command itself says. */
export class Interrupted extends Error {
  readonly exitCode: ExitCode;

  constructor(signal: keyof typeof endingSignals = 'SIGINT') {
    super(signal);
    this.exitCode = endingSignals[signal];
  }
}

/** Whoever read standard output went away, as `head` does: no error either. */
export class OutputClosed extends Error {}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError || error instanceof Interrupted) return error.exitCode;
  if (error instanceof OutputClosed) return exitCodes.ok;
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && Object.hasOwn(byErrorCode, code) ? byErrorCode[code as ErrorCode] : exitCodes.unexpected;
}
