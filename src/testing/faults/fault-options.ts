import { checkFields } from '../../core/check-values.js';
import { InvalidInputError } from '../../core/errors.js';
import { describe } from '../../core/json.js';

/** What goes wrong, and how often. Probabilities are from 0 (never, as when absent) to 1 (always), for each call. */
export type FaultProfile = {
  /** An append is stored, and StorageFailedError with the outcome `'unknown'` comes out: the acknowledgement was lost. */
  unknownOutcome?: number;
  /** An append is not stored, and StorageFailedError with the outcome `'unknown'` comes out: the request was lost. */
  lostRequest?: number;
  /** An append with a condition is refused although nothing stands in the way. */
  conflicts?: number;
  /** Any call is refused with a ThrottledError: too many requests. */
  throttled?: number;
  /** What a ThrottledError asks for, milliseconds; 10 when absent. */
  retryAfterMs?: number;
  /** An append ends the process, before its events are stored or after: see SimulatedCrashError. */
  crash?: number;
  /** A read or `head()` answers from a while ago: from a head that this store answered with before, at most some appends back. */
  staleReads?: number;
  /** A call is slow. */
  latency?: number;
  /** How long a slow call waits at the most, milliseconds; 50 when absent. */
  latencyMs?: number;
  /** How many events a batch may hold, inclusive; a larger one is an InvalidInputError. */
  maxBatchEvents?: number;
  /** How many bytes a batch may take as JSON, inclusive. */
  maxBatchBytes?: number;
};

export type FaultOptions = FaultProfile & {
  /** Repeats the same faults for the same calls in the same order. A whole number; its lower 32 bits count. */
  seed: number;
  /** Waits; a timer when absent. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
};

/**
 * What a document database in a cloud does to its clients: it throttles (429 with a time to wait), loses answers, lets a request
 * time out, refuses batches of more than 100 operations (99 events and what holds them together) or 2 MB, sees conflicts that are
 * none, and reads from a copy that lags behind.
 *
 * @example const store = withFaults(openMemoryStore(), { ...cloudDocumentDatabase, seed: 1 })
 */
export const cloudDocumentDatabase: Readonly<FaultProfile> = Object.freeze({
  unknownOutcome: 0.04,
  lostRequest: 0.02,
  conflicts: 0.05,
  throttled: 0.08,
  retryAfterMs: 10,
  staleReads: 0.2,
  latency: 0.1,
  latencyMs: 20,
  maxBatchEvents: 99,
  maxBatchBytes: 2 * 1024 * 1024,
});

const chances = ['unknownOutcome', 'lostRequest', 'conflicts', 'throttled', 'crash', 'staleReads', 'latency'] as const;
const amounts = ['retryAfterMs', 'latencyMs', 'maxBatchEvents', 'maxBatchBytes'] as const;
const known = new Set<string>([...chances, ...amounts, 'seed', 'sleep']);

export function checkFaultOptions(options: FaultOptions): void {
  checkFields(options, 'options', known, 'the options of withFaults');
  for (const name of chances) {
    const chance = options[name];
    if (chance !== undefined && !(typeof chance === 'number' && chance >= 0 && chance <= 1)) {
      throw new InvalidInputError(`options.${name}`, `is ${describe(chance)}; it must be a probability from 0 to 1.`);
    }
  }
  // A fraction, such as that of Math.random(), would be cut to 0 and give the same faults each time.
  if (!Number.isSafeInteger(options.seed)) throw new InvalidInputError('options.seed', `is ${describe(options.seed)}; it must be a whole number.`);
  for (const name of amounts) {
    const amount = options[name];
    if (amount === undefined) continue;
    if (!(typeof amount === 'number' && amount >= 0 && Number.isFinite(amount))) {
      throw new InvalidInputError(`options.${name}`, `is ${describe(amount)}; it must be a number of at least 0.`);
    }
  }
}
