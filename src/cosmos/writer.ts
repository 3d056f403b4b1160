/*
 * Appends of one store to one context, in groups. Every batch replaces the ledger under the etag of the state that its calls were
 * decided on, and creates their events. That is safe, because:
 * - The etag names one state of the context: head h, and exactly the events 1 to h. The batch commits only if that state is
 *   still the newest, so what was checked in it holds at the moment of the commit. An old replica gives an old etag: the batch
 *   fails with 412, and nothing was decided wrongly.
 * - A call goes into a batch only if no event up to the batch's base, and none of the calls before it in the batch, matches its
 *   condition.
 * - At most one try of a call can commit: the documents' ids exist after the first, and a try that arrives late carries the etag
 *   of a state that is past. A call whose answer was lost is tried again with the same ids until its outcome is known.
 */
import { AppendConditionFailedError, isOpossumError, PositionAheadError, StorageFailedError, type OpossumError } from '../core/errors.js';
import type { AppendResult } from '../core/event-store.js';
import { chooseCalls, type AppendCall } from './append-call.js';
import { wait, type Backoff } from './backoff.js';
import { ledgerId, toDocument, type LedgerDocument } from './documents.js';
import { toFilter } from './filter.js';
import { idsToFind, knownResult } from './known-events.js';
import { emptyBase, type Base, type Partition } from './partition.js';
import type { OperationInput } from './sdk.js';

export type WriterOptions = {
  readonly context: string;
  readonly backoff: Backoff;
  /** Called after each commit with the state that it made. */
  readonly onCommit: (base: Base) => void;
};

export class Writer {
  readonly #partition: Partition;
  readonly #options: WriterOptions;
  #queue: AppendCall[] = [];
  #running: Promise<void> | undefined;
  /** The newest state that this writer knows; undefined when it has reason to doubt. */
  #base: Base | undefined;
  /** Tries in a row that committed nothing. */
  #inVain = 0;

  constructor(partition: Partition, options: WriterOptions) {
    this.#partition = partition;
    this.#options = options;
  }

  add(call: AppendCall): void {
    this.#queue.push(call);
    this.#running ??= this.#run();
  }

  /** An abort counts until the call is sent, and not as long as a try of it may have been stored. */
  abort(call: AppendCall): void {
    if (!call.isSent && !call.isUncertain) this.#settle(call, () => call.reject(call.signal?.reason));
  }

  /** Resolves when every call that was added is settled. */
  async whenIdle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Calls made in one turn of the event loop go together.
    await Promise.resolve();
    for (;;) {
      this.#queue = this.#queue.filter(({ isSettled }) => !isSettled);
      if (this.#queue.length === 0) break;
      await this.#turn();
    }
    this.#running = undefined;
  }

  /** Decides the first calls of the queue, and commits those that may be. */
  async #turn(): Promise<void> {
    const calls = chooseCalls(this.#queue);
    try {
      const base = await this.#check(calls);
      this.#base = base;
      const accepted = await this.#decide(calls, base);
      if (accepted.length > 0) await this.#commit(accepted, base);
      else if (!calls.some(({ isSettled }) => isSettled)) await this.#wait();
    } catch (error) {
      // Whatever could not be asked: the calls that depend on it cannot be decided.
      for (const call of calls) this.#fail(call, error);
    }
  }

  /** Asks what the conditions need to know. Returns the newest state that anything told of. */
  async #check(calls: readonly AppendCall[]): Promise<Base> {
    const known = this.#base;
    const open = calls.filter(({ condition, checked }) => condition && (known === undefined || checked < known.head));
    const bases = await Promise.all(open.map((call) => this.#checkCondition(call)));
    if (known) bases.push(known);
    if (bases.length === 0) bases.push((await this.#partition.base()) ?? emptyBase);
    return bases.reduce((newest, base) => (base.head > newest.head ? base : newest));
  }

  /** Goes through what came after `checked`, and returns the state that it got to. */
  async #checkCondition(call: AppendCall): Promise<Base> {
    const query = call.condition!.failIfEventsMatch;
    const limit = toFilter(query).isExact ? 1 : eventsAtOnce;
    for (;;) {
      const { base, rows, upTo } = await this.#partition.page({ after: call.checked, query, limit });
      const [row] = rows;
      if (row) {
        call.conflict = { row, head: base.head };
        return base;
      }
      // Events never change: what was free of matches stays so.
      call.checked = Math.max(call.checked, upTo);
      if (upTo >= base.head) return base;
    }
  }

  /** Refuses what must be refused. Returns the first calls that may be committed on this base; the others wait for a turn. */
  async #decide(calls: readonly AppendCall[], base: Base): Promise<AppendCall[]> {
    const accepted: AppendCall[] = [];
    let isOpen = true;
    for (const call of calls) {
      if (call.isSettled) continue;
      const after = call.condition?.after ?? 0;
      if (call.conflict) {
        const { row, head } = call.conflict;
        await this.#refuse(call, new AppendConditionFailedError(row, call.condition!), head);
      } else if (after > base.head) {
        if (isOpen && accepted.length === 0) await this.#waitForHead(call, after, base);
        isOpen = false;
      } else if (call.condition && call.checked < base.head) {
        // It was decided on an older state than the others: events above may match.
        isOpen = false;
        this.#countLoss(call);
      } else if (isOpen) {
        accepted.push(call);
      }
    }
    return accepted.filter(({ isSettled }) => !isSettled);
  }

  /** Another writer's newest event may not have reached the replica that answered. One that this store has shown exists for certain. */
  async #waitForHead(call: AppendCall, after: number, base: Base): Promise<void> {
    this.#base = undefined;
    if (after <= this.#partition.seen) this.#countLoss(call);
    else if (++call.timesAhead >= timesAhead) await this.#refuse(call, new PositionAheadError(after, base.head), base.head);
  }

  /** The duplicate check comes before the condition: a call that an earlier try has stored meets its own events. */
  async #refuse(call: AppendCall, error: OpossumError, head: number): Promise<void> {
    const known = await this.#findKnown(call, head);
    if (known) this.#settle(call, () => call.resolve(known));
    else this.#settle(call, () => call.reject(error));
  }

  async #findKnown(call: AppendCall, minHead: number): Promise<AppendResult | undefined> {
    const ids = idsToFind(call);
    if (ids.length === 0) return undefined;
    const { rows } = await this.#partition.find(ids, minHead);
    try {
      return knownResult(call, rows);
    } catch (error) {
      this.#settle(call, () => call.reject(error));
      return undefined;
    }
  }

  async #commit(calls: readonly AppendCall[], base: Base): Promise<void> {
    const { operations, firsts, next } = this.#batch(calls, base);
    for (const call of calls) call.isSent = true;
    const answer = await this.#partition.commit(operations).catch((error: unknown) => ({ kind: 'unanswered', error }) as const);
    for (const call of calls) call.isSent = false;
    if (answer.kind === 'committed') return this.#committed(calls, firsts, { ...next, etag: answer.etag });
    if (answer.kind === 'lost') return this.#lost(calls, firsts, base, answer);
    for (const call of calls) {
      call.isUncertain = true;
      if (++call.failures >= this.#options.backoff.maxAttempts) this.#fail(call, answer.error);
    }
    await this.#goAgain();
  }

  /** Operations are made anew for each try: the SDK changes those that it is given. */
  #batch(calls: readonly AppendCall[], base: Base): { operations: OperationInput[]; firsts: number[]; next: Omit<Base, 'etag'> } {
    const { context } = this.#options;
    const firsts: number[] = [];
    const documents = [];
    let [head, bytes] = [base.head, base.bytes];
    for (const call of calls) {
      firsts.push(head + 1);
      for (const event of call.events) documents.push(toDocument(event, context, call.commit, ++head));
      bytes += call.documentBytes;
    }
    const ledger: LedgerDocument = { id: ledgerId, ctx: context, kind: 'ledger', position: 0, head, bytes, v: 1 };
    const operations: OperationInput[] = [
      base.etag === undefined ? { operationType: 'Create', resourceBody: ledger } : { operationType: 'Replace', id: ledgerId, resourceBody: ledger, ifMatch: base.etag },
      ...documents.map((document): OperationInput => ({ operationType: 'Create', resourceBody: document as unknown as Stored })),
    ];
    return { operations, firsts, next: { head, bytes } };
  }

  #committed(calls: readonly AppendCall[], firsts: readonly number[], base: Base): void {
    this.#base = base;
    this.#inVain = 0;
    this.#partition.saw(base.head);
    for (const [i, call] of calls.entries()) {
      const first = firsts[i]!;
      this.#settle(call, () => call.resolve({ first, last: first + call.events.length - 1, duplicate: false }));
    }
    this.#options.onCommit(base);
  }

  /** Nothing of the batch was stored. */
  async #lost(calls: readonly AppendCall[], firsts: readonly number[], base: Base, { index, status }: { index: number; status: number }): Promise<void> {
    // The ledger's etag was right, so this state is the newest, and the document that stands in the way is in it.
    if (status === 409 && index > 0) {
      const owner = calls.findLast((_, i) => firsts[i]! <= base.head + index)!;
      owner.isUncertain = true;
      const known = await this.#findKnown(owner, base.head);
      if (known) this.#settle(owner, () => owner.resolve(known));
      if (owner.isSettled) return;
    }
    const isRace = status === 412 || status === 409 || (status === 404 && index === 0);
    const isPassing = status === 408 || status === 410 || status === 429 || status === 449 || status >= 500;
    for (const call of calls) {
      if (isRace) this.#countLoss(call);
      else if (!isPassing || ++call.failures >= this.#options.backoff.maxAttempts) this.#fail(call, refusedBatch(status));
    }
    await this.#goAgain();
  }

  async #goAgain(): Promise<void> {
    this.#base = undefined;
    await this.#wait();
  }

  #wait(): Promise<void> {
    return wait(this.#options.backoff, this.#inVain++);
  }

  /** Counts that others were faster, or that the replica that answered was behind what they had written. */
  #countLoss(call: AppendCall): void {
    if (++call.losses >= this.#options.backoff.maxAttempts * racesPerAttempt) this.#fail(call, new Error(`the newest state was missed ${call.losses} times`));
  }

  #fail(call: AppendCall, cause: unknown): void {
    const error = isOpossumError(cause) && !call.isUncertain ? cause : gaveUp(call, cause);
    this.#settle(call, () => call.reject(error));
  }

  #settle(call: AppendCall, tell: () => void): void {
    if (call.isSettled) return;
    call.isSettled = true;
    tell();
  }
}

/** How many events a condition that the server cannot check whole goes through in one request. */
const eventsAtOnce = 200;

/** How often a replica may lack the event at `after` before it counts as missing. */
const timesAhead = 5;

/** A lost race means that another writer got on: it counts for less than a failure. */
const racesPerAttempt = 10;

/** The SDK's type for what it stores is an object with any fields. */
type Stored = Record<string, string>;

function refusedBatch(status: number): Error {
  if (status === 403) return new Error('status 403: no permission to write, or the context has reached the 20 GB that one logical partition may have');
  return new Error(`status ${status}`);
}

function gaveUp({ failures, isUncertain }: AppendCall, cause: unknown): StorageFailedError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const next = isUncertain
    ? 'Whether the events are stored is not known: append them again with the same ids, or read.'
    : 'Nothing was appended: it can be tried again.';
  return new StorageFailedError(`Cosmos DB: the append failed: ${why}. ${next}`, isUncertain ? 'unknown' : 'not-committed', { failures }, cause);
}
