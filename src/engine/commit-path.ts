/*
 * The queue in front of the ledger, one for all stores that this process has open on a folder. The drain takes what is
 * queued as a group, under the cross-process lock, so that one sync serves many calls.
 */
import { isOpossumError, StorageFailedError } from '../core/errors.js';
import { sleep, type Clock } from '../disk/clock.js';
import type { Awaitable } from '../disk/disk.js';
import { withTimeout } from '../locking/lock-errors.js';
import { Breather } from './breather.js';
import type { AppendCall } from './call.js';
import { commitGroup, outcomeUnknown, toOpossumError, type GroupCommitPorts } from './group-commit.js';
import type { LockKeeper } from './lock-keeper.js';
import { Mutex } from './mutex.js';

export type CommitPathOptions = Omit<GroupCommitPorts, 'beforeSync' | 'isAlone'> & {
  readonly clock: Clock;
  readonly lock: LockKeeper;
  /** Awaited before each group. */
  readonly beforeGroup: () => Awaitable<void>;
  /** Told when appends can no longer be trusted; poisons this path. */
  readonly onPoisoned: (error: unknown) => Promise<void>;
};

const maxGroupBytes = 8 * 1024 * 1024;
/** How often a process that waits for the lock takes in what others append. */
const followMs = 10;
/** Appends count as going on for so long after the last. */
const busyMs = 5;

export class CommitPath {
  readonly #options: CommitPathOptions;
  readonly #ports: GroupCommitPorts;
  readonly #mutex = new Mutex();
  readonly #breather: Breather;
  #queue: AppendCall[] = [];
  #draining = false;
  /** How many calls the last group answered: most of those who made them append again at once. */
  #answered = 0;
  /** Which taking of the lock the last group was committed under. */
  #committedUnder = 0;
  /** While the drain waits for the lock: until when, and how to end that. */
  #waiting: { readonly deadlineMs: number; readonly end: AbortController } | undefined;
  #lastUsedMs = -Infinity;
  /** When the drain that is going on began, and how long those before it took together. */
  #drainingSinceMs = 0;
  #drainedMs = 0;
  /** Ends the waiting of those who want nothing to be appended. */
  readonly #closing = new AbortController();
  #poison: StorageFailedError | undefined;

  constructor(options: CommitPathOptions) {
    const { lock } = options;
    this.#options = options;
    this.#breather = new Breather(options.clock);
    this.#ports = {
      ...options,
      beforeSync: () => (lock.shouldYield() ? lock.release() : undefined),
      isAlone: () => this.#committedUnder === lock.takings,
    };
  }

  /** Whether appends are going on, or were a moment ago. */
  get isBusy(): boolean {
    return this.#draining || this.#options.clock.monotonic() - this.#lastUsedMs < busyMs;
  }

  /** How long this process has been at appending, in all; waiting for the lock counts. */
  get workedMs(): number {
    return this.#drainedMs + (this.#draining ? this.#options.clock.monotonic() - this.#drainingSinceMs : 0);
  }

  submit(call: AppendCall): void {
    if (this.#poison) return call.reject(this.#poison);
    this.#queue.push(call);
    // A call with less patience than those before it must not wait as long as they do.
    if (this.#waiting && call.deadlineMs < this.#waiting.deadlineMs) this.#waiting.end.abort();
    this.#start();
  }

  /** Refuses all calls from now on, those that are queued included: one with unknown outcome came before them. */
  poison(cause: unknown): void {
    this.#poison ??= new StorageFailedError(
      'This store takes no more appends, since an earlier one failed with unknown outcome. Nothing of this one is stored. Close the store and open it again.',
      'not-committed',
      {},
      cause,
    );
    for (const call of this.#queue.splice(0)) call.reject(this.#poison);
    this.#waiting?.end.abort();
  }

  /** Takes back a call that is still queued. Returns whether it was. */
  withdraw(call: AppendCall): boolean {
    const index = this.#queue.indexOf(call);
    if (index >= 0) this.#queue.splice(index, 1);
    if (this.#queue.length === 0) this.#waiting?.end.abort();
    return index >= 0;
  }

  /** Releases the lock unless appends need it. */
  async releaseIdleLock(): Promise<void> {
    if (this.#draining) return;
    await this.#mutex.runExclusive(() => (this.#queue.length === 0 ? this.#options.lock.release() : undefined));
  }

  /**
   * Takes the lock anew, under which what a failed sync left is mended. Returns false when it cannot be had within
   * `timeoutMs`, or when mending fails.
   */
  mend(timeoutMs: number): Promise<boolean> {
    const { lock } = this.#options;
    return this.#mutex.runExclusive(async () => {
      if (this.#closing.signal.aborted) return false;
      try {
        await lock.release();
        await lock.take(timeoutMs, this.#closing.signal);
        return true;
      } catch {
        return false;
      }
    });
  }

  /** Resolves when every call was answered and the lock is released. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#mutex.runExclusive(() => this.#options.lock.release());
  }

  #start(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#drainingSinceMs = this.#options.clock.monotonic();
    this.#mutex.runExclusive(() => this.#drain()).catch((error: unknown) => {
      for (const call of this.#queue.splice(0)) call.reject(toOpossumError(error));
    });
  }

  async #drain(): Promise<void> {
    try {
      while (await this.#hasWork()) {
        if (this.#options.lock.isHeld || (await this.#takeLock())) await this.#commit(this.#takeGroup());
      }
    } finally {
      this.#lastUsedMs = this.#options.clock.monotonic();
      this.#drainedMs += this.#lastUsedMs - this.#drainingSinceMs;
      this.#draining = false;
      // A call may have come after the queue was found empty.
      if (this.#queue.length > 0) this.#start();
    }
  }

  /** Whether calls are queued; lets the lock go when somebody waits and there are none, or the slice is used up. */
  async #hasWork(): Promise<boolean> {
    const { lock, clock } = this.#options;
    if (this.#breather.isDue) await this.#breather.breathe();
    // Those who were answered together go on one after another; a sync for the first few would make the others wait.
    else if (this.#answered > 1 && this.#queue.length < this.#answered) await clock.turn();
    this.#answered = 0;
    if (this.#queue.length === 0 && lock.othersWait()) {
      // Whoever was just answered may append again at once.
      await clock.turn();
      if (this.#queue.length === 0) await lock.release();
    }
    if (lock.shouldYield()) await lock.release();
    return this.#queue.length > 0;
  }

  /**
   * Returns whether the lock is held and there is something to do under it. When it cannot be had in time, the calls that
   * can wait no longer are refused; when the wait was ended because the queue changed, the drain looks at the queue again.
   */
  async #takeLock(): Promise<boolean> {
    const { lock, clock } = this.#options;
    // The last of them may have been aborted a moment ago.
    if (this.#queue.length === 0) return false;
    const deadlineMs = this.#queue.reduce((earliest, call) => Math.min(earliest, call.deadlineMs), Infinity);
    const end = new AbortController();
    this.#waiting = { deadlineMs, end };
    const waited = new AbortController();
    const following = this.#follow(waited.signal);
    try {
      await lock.take(Math.max(0, deadlineMs - clock.monotonic()), end.signal);
    } catch (error) {
      if (!(end.signal.aborted && error === end.signal.reason)) this.#refuse(error, deadlineMs);
      return false;
    } finally {
      this.#waiting = undefined;
      waited.abort();
      // The file must not be closed under a read.
      await following;
    }
    return this.#queue.length > 0;
  }

  /** Takes in what others append while this process waits for them: under the lock the time would be everybody's. */
  async #follow(end: AbortSignal): Promise<void> {
    const { view, clock } = this.#options;
    try {
      for (;;) {
        await sleep(clock, followMs, end);
        if (end.aborted) return;
        await view.exclusively(() => view.catchUp());
      }
    } catch {
      // Whoever looks under the lock is told.
    }
  }

  /** Refuses calls that waited until `deadlineMs` in vain, or all when waiting is of no use. */
  #refuse(error: unknown, deadlineMs: number): void {
    const timedOut = isOpossumError(error, 'LOCK_TIMEOUT');
    const refused = timedOut ? this.#queue.filter((call) => call.deadlineMs <= deadlineMs) : this.#queue;
    this.#queue = this.#queue.filter((call) => !refused.includes(call));
    for (const call of refused) call.reject(timedOut ? withTimeout(error, call.lockTimeoutMs) : toOpossumError(error));
  }

  #takeGroup(): AppendCall[] {
    let bytes = 0;
    const end = this.#queue.findIndex((call, i) => (bytes += call.draft.bytes.length) > maxGroupBytes && i > 0);
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end);
  }

  async #commit(group: AppendCall[]): Promise<void> {
    const { takings } = this.#options.lock;
    try {
      const waiting = this.#options.beforeGroup();
      if (waiting) await waiting;
      await commitGroup(group, this.#ports);
      this.#committedUnder = takings;
    } catch (error) {
      // Those that were answered stay answered.
      for (const call of group) call.reject(isOpossumError(error) ? error : outcomeUnknown(error));
      await this.#options.onPoisoned(error);
    }
    this.#answered = group.length;
    this.#options.lock.touch();
  }
}
