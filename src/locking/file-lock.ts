/*
 * The cross-process lock of a context: a directory that one process at a time can make, a file that says who holds it, and
 * a seat for each that waits, to one of which the holder passes it on. It is fair enough that busy processes all make
 * progress, and outlives no process for long: waiters on the same host take over from a dead holder within milliseconds,
 * others when the lock is stale.
 */
import { isOpossumError } from '../core/errors.js';
import { sleep, type Clock } from '../disk/clock.js';
import type { Disk, FileStat } from '../disk/disk.js';
import { codeOf, isOutOfDescriptors } from '../disk/error-code.js';
import type { Random } from '../disk/random.js';
import { acceptLock } from './hand-over.js';
import { openHost, type Host } from './host.js';
import { cannotLock, lockTimeout } from './lock-errors.js';
import { identityOf, lockFilesOf, type LockFiles } from './lock-files.js';
import { FileLockHold } from './lock-hold.js';
import { LockQueue } from './lock-queue.js';
import { LockWatch } from './lock-watch.js';
import type { ContextLock, LockHold, LockKind, LockOwner } from './lock.js';
import { readHolder, readOwnerRecord, type OwnerRecord } from './owner.js';
import { adoptDirectory, canTouch, holdDirectory, removed, type HeldDirectory } from './proper-lockfile.js';

export type FileLockPorts = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** This machine when absent. */
  readonly host?: Host;
  /** For how long a lock may go untouched before anybody may take it, milliseconds; 5,000 when absent. Holders touch it every second. */
  readonly staleMs?: number;
};

/** For how long a lock is passed on at the most: those who wait without a seat get it only when it is free. */
const overdueMs = 500;
/** How long a process that let go for others waits for one of them to take the lock: it may have died meanwhile. */
const yieldMs = 30;

/** The lock of that kind in `directory`. Touches nothing before the first `acquire`. */
export function openFileLock(directory: string, ports: FileLockPorts, kind: LockKind = 'ledger'): ContextLock {
  return new FileLock(directory, ports, kind);
}

class FileLock implements ContextLock {
  readonly #directory: string;
  readonly #kind: LockKind;
  readonly #files: LockFiles;
  readonly #ports: FileLockPorts;
  readonly #staleMs: number;
  #openedQueue: LockQueue | undefined;
  #watch: LockWatch | undefined;
  #takings = 0;
  /** The directory of the last hold, and when this process first held it. */
  #made = { identity: '', sinceMs: 0 };
  #yieldUntilMs = 0;

  constructor(directory: string, ports: FileLockPorts, kind: LockKind) {
    this.#directory = directory;
    this.#kind = kind;
    this.#files = lockFilesOf(directory, kind);
    this.#ports = ports;
    this.#staleMs = ports.staleMs ?? 5000;
  }

  async acquire(timeoutMs: number, signal?: AbortSignal): Promise<LockHold> {
    try {
      return await this.#acquire(timeoutMs, signal);
    } catch (error) {
      throw isOpossumError(error) || (signal?.aborted && error === signal.reason) ? error : cannotLock(this.#directory, error);
    }
  }

  async settle(): Promise<void> {
    await this.#openedQueue?.close();
    await removed(this.#files.lock);
  }

  /** Made when it is first needed: whoever only reads takes no lock. */
  get #queue(): LockQueue {
    return (this.#openedQueue ??= new LockQueue(this.#files, this.#ports));
  }

  async #acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<LockHold> {
    const deadlineMs = this.#ports.clock.monotonic() + timeoutMs;
    const watch = (this.#watch ??= await this.#createWatch());
    watch.begin();
    await this.#letOthersGoFirst(deadlineMs, signal);
    try {
      const hold = await this.#waitFor(watch, timeoutMs, deadlineMs, signal);
      await this.#queue.endWait();
      return hold;
    } catch (error) {
      const offered = this.#queue.token;
      await this.#queue.endWait();
      if (isOutOfDescriptors(error)) await this.#queue.close();
      // What was offered before that was known is passed on.
      await (await this.#accept(offered, watch).catch(() => undefined))?.release();
      throw error;
    }
  }

  async #waitFor(watch: LockWatch, timeoutMs: number, deadlineMs: number, signal: AbortSignal | undefined): Promise<LockHold> {
    const { disk, clock, random } = this.#ports;
    const token = random.uuid();
    for (;;) {
      signal?.throwIfAborted();
      const { isAnswered } = this.#queue;
      const passed = await this.#accept(this.#queue.token, watch);
      if (passed) return passed;
      if (isAnswered) this.#queue.forget();
      const found = await disk.stat(this.#files.lock);
      if (!found || (await watch.takeOver(found, token))) {
        const hold = await this.#take(token, watch.host);
        if (hold) return hold;
      }
      const leftMs = deadlineMs - clock.monotonic();
      if (leftMs <= 0) throw lockTimeout(this.#directory, timeoutMs, await readHolder(disk, this.#files));
      // Who holds a lease means to keep it: nobody takes a seat.
      if (this.#kind === 'ledger') await this.#queue.wait(watch.host.self);
      await this.#queue.sleep(Math.min(watch.pollMs(this.#queue), leftMs), signal);
    }
  }

  /** One for all calls: how long the lock went untouched is known across short waits too. */
  async #createWatch(): Promise<LockWatch> {
    const { disk, clock, host = await openHost(disk) } = this.#ports;
    return new LockWatch({ files: this.#files, kind: this.#kind, disk, clock, host, staleMs: this.#staleMs });
  }

  /** Undefined when another process was faster. */
  async #take(token: string, host: Host): Promise<LockHold | undefined> {
    let lost = (): void => undefined;
    const directory = await holdDirectory(this.#files.lock, { key: `${this.#files.lock}.${token}`, staleMs: this.#staleMs, onLost: () => lost() });
    if (!directory) return undefined;
    this.#takings++;
    const hold = this.#hold({ ...host.self, token }, directory, host);
    lost = () => hold.lose();
    await hold.begin();
    return hold;
  }

  /** Takes the lock that the last holder offered by this token; undefined when it did not, or when it was revoked. */
  async #accept(token: string | undefined, watch: LockWatch): Promise<LockHold | undefined> {
    const { disk, clock } = this.#ports;
    const offer = token === undefined ? undefined : await readOwnerRecord(disk, this.#files);
    if (!offer?.offered || offer.owner.token !== token) return undefined;
    const found = await disk.stat(this.#files.lock);
    if (!found || identityOf(found) !== offer.lock) return undefined;
    const directory = adoptDirectory(this.#files.lock, offer.lock, found.modifiedMs, clock);
    let isAccepted = false;
    try {
      isAccepted = canTouch(this.#files.lock) && (await acceptLock(disk, this.#files, offer, directory.isOurs));
    } catch (error) {
      // The owner file is another user's: the lock is made anew.
      if (!['EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error;
    } finally {
      if (!isAccepted) {
        await directory.release();
        await this.#refuse(found, offer, watch);
      }
    }
    return isAccepted ? this.#hold(offer.owner, directory, watch.host) : undefined;
  }

  /** What was offered to this process and cannot be accepted is nobody's, unless it was revoked: it is free to all. */
  async #refuse(lock: FileStat, offer: OwnerRecord, watch: LockWatch): Promise<void> {
    const { disk, random } = this.#ports;
    if ((await readOwnerRecord(disk, this.#files))?.owner.token === offer.owner.token) await disk.removeFile(this.#files.owner);
    await watch.remove(lock, undefined, random.uuid());
  }

  #hold(owner: LockOwner, directory: HeldDirectory, host: Host): FileLockHold {
    const { disk, clock } = this.#ports;
    if (directory.identity !== this.#made.identity) this.#made = { identity: directory.identity, sinceMs: clock.monotonic() };
    const { sinceMs } = this.#made;
    return new FileLockHold({
      owner,
      directory,
      host,
      disk,
      clock,
      files: this.#files,
      room: this.#queue.room,
      isFirst: this.#takings === 1,
      isOverdue: () => clock.monotonic() - sinceMs >= overdueMs,
      onReleased: async (how) => {
        if (how === 'yielded') this.#yieldUntilMs = clock.monotonic() + yieldMs;
        if (how === 'given back' || how === 'cleanly') await this.#queue.close();
      },
    });
  }

  /** Who lets go of the lock for others and asks again at once would win against any of them, since they look only now and then. */
  async #letOthersGoFirst(deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { disk, clock } = this.#ports;
    const endMs = Math.min(this.#yieldUntilMs, deadlineMs);
    while (!signal?.aborted && clock.monotonic() < endMs && !(await disk.stat(this.#files.lock))) await sleep(clock, 1);
    this.#yieldUntilMs = 0;
  }
}
