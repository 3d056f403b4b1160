/*
 * Calls and answers of one or more processes. Its text is NDJSON; lines with one id are parts of one operation, so that a call
 * can be written before it is made and its answer later: what a killed process has asked for is known too.
 */
import { checkList } from '../../core/check-values.js';
import { InvalidInputError } from '../../core/errors.js';
import type { Operation } from './operation.js';

/** What was asked of one or several stores on the same data, and what they answered. */
export type History = {
  /** In the order in which they were called, for each recorder. Those under way have no `end` yet. */
  readonly operations: readonly Operation[];
  /** The history as NDJSON: one operation a line. */
  toText(): string;
};

export function historyOf(operations: readonly Operation[]): History {
  return { operations, toText: () => operations.map((operation) => `${JSON.stringify(operation)}\n`).join('') };
}

/**
 * Reads what recorders wrote. A last line without its end is dropped: the process was killed while it wrote.
 *
 * @throws InvalidInputError that names the line.
 */
export function parseHistory(text: string): History {
  const operations = new Map<string, Operation>();
  const lines = text.split('\n');
  lines.pop();
  for (const [i, line] of lines.entries()) {
    const part = parsePart(line, `line ${i + 1}`);
    const known = operations.get(part.id);
    if (known) Object.assign(known, part);
    else operations.set(part.id, part);
  }
  for (const operation of operations.values()) checkOperation(operation);
  return historyOf([...operations.values()]);
}

/**
 * Histories of several processes as one. All must be of stores on the same data, recorded on one machine since it was started:
 * they are put in order by its monotonic clock.
 *
 * @throws InvalidInputError when two recorders have the same name.
 */
export function mergeHistories(...histories: readonly (History | string)[]): History {
  const ids = new Set<string>();
  const operations: Operation[] = [];
  for (const history of histories) {
    for (const operation of (typeof history === 'string' ? parseHistory(history) : history).operations) {
      if (ids.has(operation.id)) throw new InvalidInputError(`operation ${operation.id}`, 'is in more than one history. Give each recorder a name of its own ("process").');
      ids.add(operation.id);
      operations.push(operation);
    }
  }
  return historyOf(operations);
}

function parsePart(line: string, path: string): Operation {
  let part: unknown;
  try {
    part = JSON.parse(line);
  } catch (error) {
    throw new InvalidInputError(path, 'is no JSON: this is no history, or it was damaged.', error);
  }
  if (typeof part === 'object' && part !== null && 'id' in part && typeof part.id === 'string') return part as Operation;
  throw new InvalidInputError(path, 'is no part of a history: it has no "id".');
}

function checkOperation(operation: Operation): void {
  const path = `operation ${operation.id}`;
  if (typeof operation.process !== 'string' || typeof operation.start !== 'number') throw new InvalidInputError(path, 'has no "process" or no "start": its call is missing.');
  switch (operation.call) {
    case 'append':
      checkList(operation.events, `${path} events`);
      return;
    case 'read':
    case 'subscribe':
      checkList(operation.positions, `${path} positions`);
      checkList(operation.seen, `${path} seen`);
      return;
    case 'head':
      return;
    default:
      throw new InvalidInputError(path, 'is of a kind that this version does not know.');
  }
}
