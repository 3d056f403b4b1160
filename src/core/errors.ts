import type { Query } from './query.js';

/** Every error of this library has one of these codes; `docs/errors.md` explains each. They never change. */
export type ErrorCode =
  | 'APPEND_CONDITION_FAILED'
  | 'CHECKPOINT_MISMATCH'
  | 'DECISION_CONFLICT'
  | 'EVENT_ID_CONFLICT'
  | 'INVALID_INPUT'
  | 'LEDGER_CORRUPT'
  | 'LOCK_TIMEOUT'
  | 'POSITION_AHEAD'
  | 'PROJECTION_FAILED'
  | 'STATE_CONFLICT'
  | 'STATE_DAMAGED'
  | 'STORAGE_FAILED'
  | 'STORE_CLOSED'
  | 'UNSUPPORTED_FORMAT'
  | 'WRONG_EXPECTED_VERSION';

export type ErrorDetails = Readonly<Record<string, unknown>>;

const brand = Symbol.for('opossum-store.error');

/** Base of all errors that this library throws: branch on `code`, show `message`, log `details` and `cause`. */
export abstract class OpossumError extends Error {
  abstract readonly code: ErrorCode;
  /** True when the same call can succeed later: after reading again, or after waiting. */
  readonly retryable: boolean = false;
  readonly details: ErrorDetails;

  constructor(message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.details = details;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Whether `error` comes from this library (from any installed copy of it), and has `code` if one is given. */
export function isOpossumError(error: unknown, code?: ErrorCode): error is OpossumError {
  return (
    typeof error === 'object' &&
    error !== null &&
    (error as Record<symbol, unknown>)[brand] === true &&
    (code === undefined || (error as OpossumError).code === code)
  );
}

/** An event that the condition forbids exists: read again, decide again, append again. Nothing was appended. */
export class AppendConditionFailedError extends OpossumError {
  override readonly code = 'APPEND_CONDITION_FAILED';
  override readonly retryable = true;
  /** The first (lowest) conflicting position above the condition's `after`. */
  readonly position: number;
  /** Type of the event at `position`. */
  readonly type: string;
  /** Tags of the event at `position`. */
  readonly tags: readonly string[];

  constructor(conflict: { position: number; type: string; tags: readonly string[] }, condition: { failIfEventsMatch: Query; after?: number }) {
    super(
      `Append condition failed: event ${conflict.position} (${JSON.stringify(conflict.type)}) matches failIfEventsMatch ` +
        `after position ${condition.after ?? 0}. Nothing was appended: read again, decide again, and append with the new head as "after".`,
      { position: conflict.position, type: conflict.type, tags: conflict.tags, after: condition.after ?? 0 },
    );
    this.position = conflict.position;
    this.type = conflict.type;
    this.tags = conflict.tags;
  }
}

/** An event that a decision rests on, appended by somebody else after it was read. */
export type ConflictingEvent = {
  readonly position: number;
  readonly type: string;
  readonly tags: readonly string[];
  /** Undefined when the event could not be read again. */
  readonly timestamp: string | undefined;
  /** The names of the models whose queries match it. */
  readonly models: readonly string[];
};

/** Every attempt of a decision lost a race: the same call can succeed later, or with more attempts. Nothing was appended. */
export class DecisionConflictError extends OpossumError {
  override readonly code = 'DECISION_CONFLICT';
  override readonly retryable = true;
  /** How often it was tried, from 1. */
  readonly attempts: number;
  /** What came between the last attempt's reading and its append: the lowest positions first, at most ten. */
  readonly conflicts: readonly ConflictingEvent[];

  constructor(attempts: number, after: number, conflicts: readonly ConflictingEvent[], cause: unknown) {
    super(
      `Decision gave up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: after position ${after}, which the last one rested on, ` +
        `others appended ${conflicts.map(conflictText).join('; ')}. Nothing was appended: call decide again, or allow more attempts ("maxAttempts").`,
      { attempts, after, conflicts },
      cause,
    );
    this.attempts = attempts;
    this.conflicts = conflicts;
  }
}

/** Short, however many tags there are and however long they are: `conflicts` has them all. */
function conflictText({ position, type, tags, timestamp, models }: ConflictingEvent): string {
  const brief = (text: string): string => JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`.toWellFormed());
  const tagged = tags.length === 0 ? 'no tags' : tags.slice(0, 4).map(brief).join(', ') + (tags.length > 4 ? `, and ${tags.length - 4} more` : '');
  const time = timestamp === undefined ? '' : ` of ${timestamp}`;
  return `event ${position} (${brief(type)}, ${tagged})${time}, which concerns ${models.map(brief).join(' and ')}`;
}

/** What a consumer keeps says that it handled an event that this store does not have: the store was put back, or is another one. */
export class CheckpointMismatchError extends OpossumError {
  override readonly code = 'CHECKPOINT_MISMATCH';
}

/** Event ids of this batch are stored already with other content (`'content'`), or only some of them are (`'partial'`). */
export class EventIdConflictError extends OpossumError {
  override readonly code = 'EVENT_ID_CONFLICT';
  readonly reason: 'content' | 'partial';

  constructor(reason: 'content' | 'partial', id: string, position: number) {
    super(
      reason === 'content'
        ? `Event id ${JSON.stringify(id)} is already stored at position ${position} with another type, tags or data. ` +
            'Ids are idempotency keys: use a new id for a new event. Nothing was appended.'
        : `Only a part of this batch is stored already (event id ${JSON.stringify(id)} at position ${position}), or its events do not lie ` +
            'together in this order. A retry must repeat the original batch as it was. Nothing was appended.',
      { reason, id, position },
    );
    this.reason = reason;
  }
}

/** A value given by the caller breaks a rule; `path` names it, such as `events[0].data.total`. Nothing was done. */
export class InvalidInputError extends OpossumError {
  override readonly code = 'INVALID_INPUT';
  readonly path: string;

  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path} ${problem}`, { path }, cause);
    this.path = path;
  }
}

/** Another process held the lock for longer than `lockTimeout`; `details.owner` names it. Nothing was appended. */
export class LockTimeoutError extends OpossumError {
  override readonly code = 'LOCK_TIMEOUT';
  override readonly retryable = true;
}

/** Committed data is damaged or missing: `details` gives file, offsets and positions. Run `opossum verify`. */
export class LedgerCorruptError extends OpossumError {
  override readonly code = 'LEDGER_CORRUPT';
}

/** The folder was written by a newer version of this library. */
export class UnsupportedFormatError extends OpossumError {
  override readonly code = 'UNSUPPORTED_FORMAT';
}

/** The operating system refused: full disk, no permission, I/O error. */
export class StorageFailedError extends OpossumError {
  override readonly code = 'STORAGE_FAILED';
  /** `'not-committed'`: nothing of the call is stored, nor will be. `'unknown'`: it may be; retry with the same event ids. */
  readonly outcome: 'not-committed' | 'unknown';

  constructor(message: string, outcome: 'not-committed' | 'unknown', details: ErrorDetails = {}, cause?: unknown) {
    super(message, { outcome, ...details }, cause);
    this.outcome = outcome;
  }
}

/** `after` lies beyond the last event: the position comes from another store, or this store lost data. */
export class PositionAheadError extends OpossumError {
  override readonly code = 'POSITION_AHEAD';

  constructor(after: number, head: number) {
    super(
      `"after" is ${after}, but the last event of this store has position ${head}. The position was taken from another store or context, ` +
        'or this store was restored from an older backup. Read again to get a valid position.',
      { after, head },
    );
  }
}

/** A projection stopped at an event that its `evolve`, or the event's schema, cannot take; `cause` says why. What it held before stays readable. */
export class ProjectionFailedError extends OpossumError {
  override readonly code = 'PROJECTION_FAILED';
  /** Of the event at which it stopped. */
  readonly position: number;

  constructor(projection: string, event: { position: number; type: string }, cause: unknown) {
    super(
      `Projection ${JSON.stringify(projection)} stopped at event ${event.position} (${JSON.stringify(event.type)}): ` +
        `${(cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '')}. Nothing of that event was applied. Mend the projection, raise its version if its ` +
        'results change, and open it again.',
      { projection, position: event.position, type: event.type },
      cause,
    );
    this.position = event.position;
  }
}

/** Somebody else saved, or removed, that state since it was loaded. Nothing was saved: load again. */
export class StateConflictError extends OpossumError {
  override readonly code = 'STATE_CONFLICT';
  override readonly retryable = true;

  constructor(name: string, expected: number, actual: number) {
    const found = actual === 0 ? 'nothing is saved' : `version ${actual} is saved`;
    super(`State ${JSON.stringify(name)}: ${found}, but ${expected === 0 ? 'nothing' : `version ${expected}`} was expected. Nothing was saved: load it again.`, {
      name,
      expected,
      actual,
    });
  }
}

/** A saved state cannot be read back as it was saved. The events are not touched by this; `details` names the state and where it lies. */
export class StateDamagedError extends OpossumError {
  override readonly code = 'STATE_DAMAGED';

  constructor(
    name: string,
    problem: string,
    details: ErrorDetails = {},
    cause?: unknown,
    nextStep = 'Restore it from a backup, or remove it so that what it held is worked out anew.',
  ) {
    super(`State ${JSON.stringify(name)} is damaged: ${problem}. ${nextStep}`, { name, ...details }, cause);
  }
}

/** The store was closed; open it again. */
export class StoreClosedError extends OpossumError {
  override readonly code = 'STORE_CLOSED';

  constructor() {
    super('This store is closed. Open it again with openStore().');
  }
}

/** The stream does not have the version that the append expects: read it again, decide again, append again. Nothing was appended. */
export class WrongExpectedVersionError extends OpossumError {
  override readonly code = 'WRONG_EXPECTED_VERSION';
  override readonly retryable = true;
  /** As given: a version, `'none'` or `'exists'`. */
  readonly expected: number | 'none' | 'exists' | 'any';
  /** Version of the stream's last event when the append was refused, 0 when there was none. */
  readonly actual: number;

  constructor(stream: string, expected: number | 'none' | 'exists' | 'any', actual: number, cause?: unknown) {
    const found = actual === 0 ? 'has no events' : `has version ${actual}`;
    const wanted = expected === 'none' ? 'no events were' : expected === 'exists' ? 'at least one was' : `version ${expected} was`;
    super(
      `Stream ${JSON.stringify(stream)} ${found}, but ${wanted} expected. Nothing was appended: read the stream again, decide again, ` +
        'and append with the version that was read.',
      { stream, expected, actual },
      cause,
    );
    this.expected = expected;
    this.actual = actual;
  }
}
