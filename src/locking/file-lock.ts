/*
 * The cross-process lock in files. Waiters leave a mark and look often; who finds that the owner died on this host takes
 * over at once, anybody else after the lock went stale. A wrong guess costs time, never data: see the chain rule.
 */
import path from 'node:path';
import { isOpossumError, LockTimeoutError, StorageFailedError } from '../core/errors.js';
import { sleep, type Clock } from '../disk/clock.js';
import type { Disk, FileStat } from '../disk/disk.js';
import { codeOf, messageOf } from '../disk/error-code.js';
import type { Random } from '../disk/random.js';
import type { ContextLock, LockHold, LockOwner } from './lock.js';
import { describeOwner, isDead, ownerPath, readLockOwner } from './owner.js';
import { staleMs, tryLock, type LockDirectory } from './proper-lockfile.js';

export type FileLockPorts = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds until an untouched lock may be taken over; only tests give another than the standard 5,000. */
  readonly staleMs?: number;
};

/** Waiters look this often at first; the longer they wait, the less often, down to `slowPollMs`. */
const fastPollMs = 1;
const slowPollMs = 25;
/** Who released for a waiter lets it go first, for at most so long: it may have died. */
const yieldMs = 30;
/** The owner's life is looked at no more often than this. */
const lifeCheckMs = 10;

export function openFileLock(directory: string, ports: FileLockPorts): ContextLock {
  return new FileLock(directory, ports);
}

class FileLock implements ContextLock {
  readonly #directory: string;
  readonly #lockPath: string;
  readonly #waitingPath: string;
  readonly #ports: FileLockPorts;
  #self: LockOwner | undefined;
  /** True when the last hold was released while others waited. */
  #yielded = false;

  constructor(directory: string, ports: FileLockPorts) {
    this.#directory = directory;
    this.#lockPath = path.join(directory, 'ledger.lock');
    this.#waitingPath = path.join(directory, 'ledger.lock.waiting');
    this.#ports = ports;
  }

  async acquire(timeoutMs: number): Promise<LockHold> {
    try {
      return await this.#acquire(timeoutMs);
    } catch (error) {
      throw isOpossumError(error) ? error : cannotLock(this.#lockPath, error);
    }
  }

  async #acquire(timeoutMs: number): Promise<LockHold> {
    const { clock } = this.#ports;
    const start = clock.monotonic();
    if (this.#yielded) await this.#letOthersGoFirst(Math.min(yieldMs, timeoutMs));
    let takenOver = false;
    let nextLifeCheckMs = 0;
    for (let attempt = 0; ; attempt++) {
      const hold = await this.#tryAcquire(takenOver);
      if (hold) return hold;
      const waitedMs = clock.monotonic() - start;
      if (waitedMs >= timeoutMs) throw await this.#timeout(waitedMs);
      await this.#leaveMark();
      if (waitedMs >= nextLifeCheckMs) {
        nextLifeCheckMs = waitedMs + lifeCheckMs;
        if (await this.#removeDeadLock()) {
          takenOver = true;
          continue;
        }
      }
      await sleep(clock, Math.min(attempt < 200 ? fastPollMs : slowPollMs, timeoutMs - waitedMs));
    }
  }

  async #tryAcquire(takenOver: boolean): Promise<LockHold | undefined> {
    // A look costs a microsecond, an attempt at a directory that exists fifty.
    const found = await this.#ports.disk.stat(this.#lockPath);
    const stale = this.#ports.staleMs ?? staleMs;
    if (found && Math.abs(this.#ports.clock.now() - found.modifiedMs) < stale) return undefined;
    const hold = new FileHold(this.#directory, this.#waitingPath, this.#ports, (others) => (this.#yielded = others));
    const taken = await tryLock(path.join(this.#directory, 'ledger'), this.#lockPath, stale, () => hold.lose());
    if (!taken) return undefined;
    const before = await readLockOwner(this.#ports.disk, this.#directory);
    await hold.begin(taken, await this.#describeSelf(), takenOver || before !== undefined);
    return hold;
  }

  async #describeSelf(): Promise<LockOwner> {
    this.#self ??= await describeOwner(this.#ports.disk, '');
    return { ...this.#self, token: this.#ports.random.uuid() };
  }

  async #leaveMark(): Promise<void> {
    const { disk } = this.#ports;
    if (await disk.stat(this.#waitingPath)) return;
    try {
      await disk.createFile(this.#waitingPath, new Uint8Array());
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }

  /** Waits until the lock has changed hands, or nobody took it for a while. */
  async #letOthersGoFirst(maxMs: number): Promise<void> {
    const { disk, clock } = this.#ports;
    this.#yielded = false;
    const end = clock.monotonic() + maxMs;
    while (clock.monotonic() < end && !(await disk.stat(this.#lockPath))) await sleep(clock, fastPollMs);
  }

  /** Removes the lock of an owner that died on this host; returns whether it did. */
  async #removeDeadLock(): Promise<boolean> {
    const { disk } = this.#ports;
    const found = await this.#look();
    if (!found) return false;
    if (!(await isDead(found.owner, await this.#describeSelf(), disk))) return false;
    // Only the lock that was looked at: somebody else may have been faster and hold it by now.
    const again = await this.#look();
    if (again?.owner.token !== found.owner.token || again.lock.ino !== found.lock.ino || again.lock.modifiedMs !== found.lock.modifiedMs) return false;
    await disk.removeDirectory(this.#lockPath);
    return true;
  }

  /** The lock and its owner, if the owner file belongs to this very lock and not to one before. */
  async #look(): Promise<{ lock: FileStat; owner: LockOwner } | undefined> {
    const { disk } = this.#ports;
    const lock = await disk.stat(this.#lockPath);
    const file = await disk.stat(ownerPath(this.#directory));
    const owner = await readLockOwner(disk, this.#directory);
    if (!lock || !file || !owner || file.modifiedMs < lock.bornMs) return undefined;
    return { lock, owner };
  }

  async #timeout(waitedMs: number): Promise<LockTimeoutError> {
    const owner = await readLockOwner(this.#ports.disk, this.#directory);
    const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another process';
    return new LockTimeoutError(
      `The lock ${this.#lockPath} was held by ${who} for all of ${Math.round(waitedMs)} ms. Nothing was appended. ` +
        'Append again later, raise lockTimeout, or find out why that process keeps the lock.',
      { lock: this.#lockPath, waitedMs, ...(owner ? { owner } : {}) },
    );
  }
}

class FileHold implements LockHold {
  readonly #directory: string;
  readonly #waitingPath: string;
  readonly #ports: FileLockPorts;
  readonly #onReleased: (othersWaited: boolean) => void;
  #taken: LockDirectory | undefined;
  #token = '';
  #lost = false;
  #takenOver = false;

  constructor(directory: string, waitingPath: string, ports: FileLockPorts, onReleased: (othersWaited: boolean) => void) {
    this.#directory = directory;
    this.#waitingPath = waitingPath;
    this.#ports = ports;
    this.#onReleased = onReleased;
  }

  get lost(): boolean {
    return this.#lost;
  }

  get takenOver(): boolean {
    return this.#takenOver;
  }

  lose(): void {
    this.#lost = true;
  }

  /** Says who holds the lock that was just taken. */
  async begin(taken: LockDirectory, owner: LockOwner, takenOver: boolean): Promise<void> {
    const { disk } = this.#ports;
    this.#taken = taken;
    this.#token = owner.token;
    this.#takenOver = takenOver;
    const temporary = `${ownerPath(this.#directory)}.${owner.token}`;
    try {
      await disk.createFile(temporary, Buffer.from(`${JSON.stringify(owner)}\n`));
      await disk.rename(temporary, ownerPath(this.#directory));
    } catch (error) {
      await taken.release(false);
      throw error;
    }
  }

  othersWait(): boolean {
    const found = this.#ports.disk.stat(this.#waitingPath);
    return !(found instanceof Promise) && found !== undefined;
  }

  async release(): Promise<void> {
    const { disk } = this.#ports;
    try {
      const othersWait = this.othersWait();
      if (othersWait) await disk.removeFile(this.#waitingPath);
      const owner = await readLockOwner(disk, this.#directory);
      const isOurs = owner?.token === this.#token;
      if (isOurs) await disk.removeFile(ownerPath(this.#directory));
      // A lock that was lost is somebody else's by now.
      await this.#taken?.release(!isOurs);
      this.#onReleased(othersWait);
    } catch {
      // The lock goes stale by itself.
    }
  }
}

function cannotLock(lockPath: string, cause: unknown): StorageFailedError {
  const message = `The lock ${lockPath} cannot be taken: ${messageOf(cause)}. Nothing was appended. Make sure that this user may write in that folder and the disk has room.`;
  return new StorageFailedError(message, 'not-committed', { lock: lockPath, code: codeOf(cause) }, cause);
}
