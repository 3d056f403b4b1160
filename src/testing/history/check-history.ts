/*
 * Decides whether one order of commits explains a history. The order need not be searched for, since positions tell it; so each
 * promise can be checked by itself, in time that grows with the history and hardly faster.
 */
import { checkFields, checkList } from '../../core/check-values.js';
import { InvalidInputError } from '../../core/errors.js';
import type { SequencedEvent } from '../../core/event.js';
import { checkAppend, checkHead, type Judged } from './check-appends.js';
import { checkRead, checkSubscription } from './check-streams.js';
import { claimAllRepeated, claimAllSeen, claimFinal, claimRefused, claimStored } from './claims.js';
import { describeOperation, Findings, HistoryContradictionError } from './contradiction.js';
import { EventLog } from './event-log.js';
import { checkGaps } from './gaps.js';
import type { History } from './history.js';
import { KnownHeads } from './known-heads.js';
import { explainOthers, findMakers } from './makers.js';
import { fateOf, type Operation, type ReadOperation } from './operation.js';

export type CheckOptions = {
  /**
   * Others append to the same data and are not in this history: events that nobody in it stored are no contradiction. Without it
   * such events may only lie before all that the history stored.
   */
  othersAppend?: boolean;
  /** Milliseconds by which the clocks of different recorders may differ; 0.05 when absent. What lies closer together counts as simultaneous. */
  slackMs?: number;
};

export type HistorySummary = {
  readonly operations: number;
  /** Events of which the history knows. */
  readonly events: number;
  /** Appends whose outcome nobody was told, and that were found to have stored their events. */
  readonly foundLater: number;
  /** Appends whose outcome nobody was told, and whose events nobody saw. */
  readonly neverSeen: number;
};

/**
 * Checks that one order of commits explains every call and every answer.
 *
 * @param finalEvents All events, read after everything ended: then nothing may have been lost, whoever saw it.
 * @throws HistoryContradictionError with the smallest contradiction; InvalidInputError
 */
export function checkHistory(history: History, finalEvents?: readonly SequencedEvent[], options: CheckOptions = {}): HistorySummary {
  checkFields(options, 'options', optionKeys, 'the options of checkHistory');
  const { operations } = history;
  checkList(operations, 'history.operations');
  const { othersAppend = false } = options;
  const findings = new Findings();
  const log = new EventLog();
  const appends = operations.filter((operation) => operation.call === 'append');

  // Later questions rest on what the earlier ones settled: after a contradiction they would only find its consequences.
  const settle = (): void => {
    if (findings.smallest) throw contradictionOf(findings, operations);
  };
  claimStored(log, appends, findings);
  settle();
  claimAllSeen(log, operations, appends, findings);
  if (finalEvents) claimFinal(log, finalEvents, findings);
  const places = claimAllRepeated(log, appends, findings);
  settle();
  const unseen = findMakers(log, appends, places, findings);
  for (const append of appends) claimRefused(log, append, findings);
  settle();
  if (!othersAppend) {
    explainOthers(log, appends, unseen, findings);
    checkGaps(log, operations, unseen, findings);
  }
  log.seal();
  judge(operations, { log, heads: new KnownHeads(operations), slack: slackOf(operations, options), findings });
  settle();
  const found = appends.filter((append) => fateOf(append) === 'unknown').length - unseen.length;
  return { operations: operations.length, events: log.positions.length, foundLater: found, neverSeen: unseen.length };
}

const optionKeys = new Set(['othersAppend', 'slackMs']);

function slackOf(operations: readonly Operation[], { slackMs = 0.05 }: CheckOptions): number {
  if (typeof slackMs !== 'number' || !(slackMs >= 0)) throw new InvalidInputError('options.slackMs', 'must be a number of milliseconds, 0 or more.');
  // One recorder has one clock, and notes things in the order in which they happen.
  return operations.every(({ process }) => process === operations[0]?.process) ? 0 : slackMs;
}

function judge(operations: readonly Operation[], judged: Judged): void {
  const reads = new Map<string, ReadOperation[]>();
  for (const operation of operations) {
    switch (operation.call) {
      case 'append':
        checkAppend(operation, judged);
        break;
      case 'head':
        checkHead(operation, judged);
        break;
      case 'subscribe':
        checkSubscription(operation, judged);
        break;
      case 'read': {
        const uses = reads.get(operation.stream);
        if (uses) uses.push(operation);
        else reads.set(operation.stream, [operation]);
      }
    }
  }
  for (const uses of reads.values()) checkRead(uses, judged);
}

function contradictionOf(findings: Findings, operations: readonly Operation[]): HistoryContradictionError {
  const zero = operations.reduce((least, { start }) => Math.min(least, start), Infinity);
  return new HistoryContradictionError(findings.smallest!, findings.found, (operation) => describeOperation(operation, zero));
}

