/* Notes operations as they begin and end, and of each event what was not seen before. */
import { machineDefaults } from '../../core/defaults.js';
import { isOpossumError, type AppendConditionFailedError, type StorageFailedError } from '../../core/errors.js';
import type { SequencedEvent } from '../../core/event.js';
import { seenEvent, sumOf } from './fingerprint.js';
import type { Operation, RecordedError, SeenEvent } from './operation.js';

export type RecordOptions = {
  /** Names the recorder in reports; each recorder of a merged history needs its own. The process id and a number when absent. */
  process?: string;
  /**
   * Gets each line of the history, with its line feed, as soon as it is known: an append before it is made, and every answer.
   * To keep what a killed process did, write it out before returning, such as with `fs.writeSync`.
   */
  write?: (line: string) => void;
  /** Milliseconds on a clock that never goes back and that all processes share; the machine's monotonic clock when absent. */
  now?: () => number;
};

let recorders = 0;

type Without<T, Keys extends string> = T extends unknown ? Omit<T, Keys> : never;

type Begun = { id: string; process: string; start: number; end?: number };

export class Recorder {
  readonly operations: Operation[] = [];
  readonly now: () => number;
  readonly #process: string;
  readonly #write: ((line: string) => void) | undefined;
  /** Checksum of the event that was seen at each position. */
  readonly #sums = new Map<number, number>();

  constructor({ process: name = `p${process.pid}.${++recorders}`, write, now = machineDefaults.monotonic }: RecordOptions) {
    this.#process = name;
    this.#write = write;
    this.now = now;
  }

  begin<Call extends Without<Operation, 'id' | 'process' | 'start'>>(call: Call): Call & Begun {
    const operation = { id: `${this.#process}-${this.operations.length + 1}`, process: this.#process, ...call, start: this.now() };
    this.operations.push(operation as unknown as Operation);
    return operation as Call & Begun;
  }

  /** Writes the operation as far as it is known. */
  note(operation: object): void {
    this.#write?.(`${JSON.stringify(operation)}\n`);
  }

  end<Ended extends { id: string; end?: number; call: string }>(operation: Ended, outcome: object): void {
    const answer = { ...outcome, end: this.now() };
    Object.assign(operation, answer);
    // The call of an append is written already.
    this.note(operation.call === 'append' ? { id: operation.id, ...answer } : operation);
  }

  see(event: SequencedEvent, { positions, seen }: { positions: number[]; seen: SeenEvent[] }): void {
    positions.push(event.position);
    const sum = sumOf(event);
    if (this.#sums.get(event.position) === sum) return;
    this.#sums.set(event.position, sum);
    seen.push(seenEvent(event));
  }
}

export function errorOf(error: unknown, signal?: AbortSignal): RecordedError {
  if (signal?.aborted && error === signal.reason) return { code: 'ABORTED' };
  if (!isOpossumError(error)) return { code: 'OTHER' };
  const { code, details } = error;
  switch (code) {
    case 'APPEND_CONDITION_FAILED': {
      const { position, type, tags } = error as AppendConditionFailedError;
      return { code, position, type, tags: [...tags] };
    }
    case 'EVENT_ID_CONFLICT':
      return { code, position: details['position'] as number, eventId: details['id'] as string };
    case 'POSITION_AHEAD':
      return { code, head: details['head'] as number };
    case 'STORAGE_FAILED':
      return { code, outcome: (error as StorageFailedError).outcome };
    default:
      return { code };
  }
}
