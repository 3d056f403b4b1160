/*
 * What one waiter sees of a lock that somebody else holds: whether it may be taken over, and how often to look.
 *
 * A holder that is proven dead loses the lock at once. Any other loses it only when the directory went untouched for the
 * stale time by this waiter's own clock, which never jumps: time stamps are another host's, or of a wall clock that somebody
 * set. A lock that nobody signed is waited for less long, and not at all when its time stamp is old: its maker signs it within
 * a millisecond, unless it died in between.
 */
import type { Clock } from '../disk/clock.js';
import type { Disk, FileStat } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import { revocationOf, revokeLock } from './hand-over.js';
import type { Host } from './host.js';
import { identityOf, type LockFiles } from './lock-files.js';
import type { LockKind } from './lock.js';
import { readOwnerRecord, type OwnerRecord } from './owner.js';
import { removeLater } from './proper-lockfile.js';

export type LockWatchOptions = {
  readonly files: LockFiles;
  readonly kind: LockKind;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly host: Host;
  /** For how long a lock may go untouched, milliseconds. */
  readonly staleMs: number;
};

/** How often a waiter looks that hears when the lock is passed on to it, for a holder that gave it back or died: each look takes time from the one who works. */
const restfulPollMs = 25;
/** How often the holder's state is looked up: that costs more than a look at the directory. */
const checkEveryMs = 5;
/** For how long an unchanged lock is watched that nobody signed: longer than a live holder leaves it untouched. */
const unsignedMs = 1500;
/** For how long a lock that was passed on is left to a process that does not notice it, being busy with something else. */
const offeredMs = 100;
/** For how long somebody is left alone who removes a lock: that takes less than a millisecond. */
const revokedMs = 50;
/** A waiter that did not get to look for so long stood still itself, and the holder may have with it: it begins anew. */
const stalledMs = 1000;

export class LockWatch {
  readonly #options: LockWatchOptions;
  #identity = '';
  #modifiedMs = 0;
  #token: string | undefined;
  #changedHandsMs: number;
  #touchedMs = 0;
  #lookedMs = 0;
  #nextCheckMs = 0;
  #busySinceMs: number | undefined;

  constructor(options: LockWatchOptions) {
    this.#options = options;
    this.#changedHandsMs = options.clock.monotonic();
  }

  get host(): Host {
    return this.#options.host;
  }

  /** Says that waiting begins: the holder may let go any moment now. */
  begin(): void {
    this.#changedHandsMs = this.#lookedMs = this.#options.clock.monotonic();
  }

  /** Looks at a lock that is held; removes it and returns true when its holder died or stalled. */
  async takeOver(lock: FileStat, token: string): Promise<boolean> {
    const now = this.#options.clock.monotonic();
    const identity = identityOf(lock);
    if (identity !== this.#identity) {
      this.#identity = identity;
      this.#changedHandsMs = now;
      this.#nextCheckMs = now;
      this.#modifiedMs = 0;
      this.#busySinceMs = undefined;
    }
    if (lock.modifiedMs !== this.#modifiedMs || now - this.#lookedMs >= stalledMs) {
      this.#modifiedMs = lock.modifiedMs;
      this.#touchedMs = now;
    }
    this.#lookedMs = now;
    if (now < this.#nextCheckMs) return false;
    this.#nextCheckMs = now + checkEveryMs;
    const record = await this.#readRecord(now);
    const isUnnoticed = record?.offered === true && record.lock === identity && now - this.#touchedMs >= offeredMs;
    return (isUnnoticed || (await this.#isAbandoned(record, now))) && this.#revoke(lock, record, token, now);
  }

  /** Removes the lock unless somebody else is at it; one who died over it is not waited for. */
  async #revoke(lock: FileStat, record: OwnerRecord | undefined, token: string, now: number): Promise<boolean> {
    const { disk, files } = this.#options;
    const isRemoved = await revokeLock(disk, files, record, () => this.remove(lock, record, token));
    if (isRemoved === undefined && this.#busySinceMs === undefined) this.#busySinceMs = now;
    if (isRemoved === undefined && now - this.#busySinceMs! >= revokedMs) await disk.removeFile(revocationOf(files, record));
    if (isRemoved !== undefined) this.#busySinceMs = undefined;
    return isRemoved === true;
  }

  /**
   * How long to wait until the next look. Often while the lock changes hands, so that it does not lie idle in between, unless
   * the waiter `hears` of that; rarely when it does not. Who has no seat must find the moment when it is free. A lease is waited for for days: gently, but so that one whose holder
   * dies is had within half a second.
   */
  pollMs({ hears, isSeated }: { readonly hears: boolean; readonly isSeated: boolean }): number {
    const quietMs = this.#options.clock.monotonic() - this.#changedHandsMs;
    if (this.#options.kind === 'lease') return Math.min(250, Math.max(20, quietMs / 10));
    if (!isSeated) return 1;
    if (quietMs >= 1000 || (hears && quietMs >= 4)) return restfulPollMs;
    return quietMs < 50 ? 1 : 5;
  }

  /** What the owner file says. Somebody lives who passed the lock on, or took it. */
  async #readRecord(now: number): Promise<OwnerRecord | undefined> {
    const record = await readOwnerRecord(this.#options.disk, this.#options.files);
    if (record?.owner.token !== this.#token) {
      this.#token = record?.owner.token;
      this.#touchedMs = now;
    }
    return record;
  }

  async #isAbandoned(record: OwnerRecord | undefined, now: number): Promise<boolean> {
    const { clock, host, staleMs } = this.#options;
    // The holder may not have written its file yet; the one that lies there then names somebody else.
    const signed = record?.lock === this.#identity;
    if (signed && (await host.stateOf(record.owner)) === 'dead') return true;
    const old = clock.now() - this.#modifiedMs >= staleMs;
    const enoughMs = signed ? staleMs : old ? 0 : Math.min(unsignedMs, staleMs);
    return now - this.#touchedMs >= enoughMs;
  }

  /**
   * Removes the lock that was looked at when the owner file said `record`, and no other: waiters that saw the same may have been
   * faster, and hold it now. Returns whether it was removed.
   */
  async remove(lock: FileStat, record: OwnerRecord | undefined, token: string): Promise<boolean> {
    const { files, disk } = this.#options;
    const aside = `${files.lock}.${token}`;
    if ((await readOwnerRecord(disk, files))?.owner.token !== record?.owner.token) return false;
    const found = await disk.stat(files.lock);
    if (!found || identityOf(found) !== identityOf(lock) || found.modifiedMs !== lock.modifiedMs) return false;
    try {
      await disk.rename(files.lock, aside);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    const moved = await disk.stat(aside);
    if (moved && identityOf(moved) !== identityOf(lock)) {
      await disk.rename(aside, files.lock);
      return false;
    }
    removeLater(aside);
    return true;
  }
}
