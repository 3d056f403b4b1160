/*
 * The cross-process lock of a context: a directory that one process at a time can make, a file that says who made it, and
 * a mark by which others ask for it. It is fair enough that busy processes all make progress, and outlives no process for
 * long: waiters on the same host take over from a dead holder within milliseconds, others when the lock is stale.
 */
import { isOpossumError } from '../core/errors.js';
import { sleep, type Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import type { Random } from '../disk/random.js';
import { openHost, type Host } from './host.js';
import { cannotLock, lockTimeout } from './lock-errors.js';
import { lockFilesOf, type LockFiles } from './lock-files.js';
import { FileLockHold } from './lock-hold.js';
import { LockWatch } from './lock-watch.js';
import type { ContextLock, LockHold, LockKind } from './lock.js';
import { holdDirectory, removed } from './proper-lockfile.js';
import { readHolder } from './owner.js';
import { WaitingMark } from './waiting-mark.js';

export type FileLockPorts = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** This machine when absent. */
  readonly host?: Host;
  /** For how long a lock may go untouched before anybody may take it, milliseconds; 5,000 when absent. Holders touch it every second. */
  readonly staleMs?: number;
};

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
  readonly #mark: WaitingMark;
  readonly #staleMs: number;
  #watch: LockWatch | undefined;
  #holds = 0;
  #yieldUntilMs = 0;

  constructor(directory: string, ports: FileLockPorts, kind: LockKind) {
    this.#directory = directory;
    this.#kind = kind;
    this.#files = lockFilesOf(directory, kind);
    this.#ports = ports;
    this.#mark = new WaitingMark(this.#files.waiting, ports.disk);
    this.#staleMs = ports.staleMs ?? 5000;
  }

  async acquire(timeoutMs: number, signal?: AbortSignal): Promise<LockHold> {
    try {
      return await this.#acquire(timeoutMs, signal);
    } catch (error) {
      throw isOpossumError(error) || (signal?.aborted && error === signal.reason) ? error : cannotLock(this.#directory, error);
    }
  }

  settle(): Promise<void> {
    return removed(this.#files.lock);
  }

  async #acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<LockHold> {
    const { disk, clock, random } = this.#ports;
    const deadlineMs = clock.monotonic() + timeoutMs;
    const watch = (this.#watch ??= await this.#createWatch());
    watch.begin();
    await this.#letOthersGoFirst(deadlineMs, signal);
    const token = random.uuid();
    for (;;) {
      signal?.throwIfAborted();
      const found = await disk.stat(this.#files.lock);
      if (!found || (await watch.takeOver(found, token))) {
        const hold = await this.#take(token, watch.host);
        if (hold) return hold;
      }
      const leftMs = deadlineMs - clock.monotonic();
      if (leftMs <= 0) throw lockTimeout(this.#directory, timeoutMs, await readHolder(disk, this.#files));
      // Who holds a lease means to keep it: nobody looks for a mark.
      if (this.#kind === 'ledger') await this.#mark.set();
      await sleep(clock, Math.min(watch.pollMs, leftMs), signal);
    }
  }

  /** One for all calls: how long the lock went untouched is known across short waits too. */
  async #createWatch(): Promise<LockWatch> {
    const { disk, clock, host = await openHost(disk) } = this.#ports;
    return new LockWatch({ files: this.#files, kind: this.#kind, disk, clock, host, staleMs: this.#staleMs });
  }

  /** Undefined when another process was faster. */
  async #take(token: string, host: Host): Promise<LockHold | undefined> {
    const { disk, clock } = this.#ports;
    let lost = (): void => undefined;
    const directory = await holdDirectory(this.#files.lock, { key: `${this.#files.lock}.${token}`, staleMs: this.#staleMs, onLost: () => lost() });
    if (!directory) return undefined;
    const hold = new FileLockHold({
      owner: { ...host.self, token },
      directory,
      files: this.#files,
      disk,
      clock,
      mark: this.#mark,
      isFirst: this.#holds++ === 0,
      onYield: () => (this.#yieldUntilMs = clock.monotonic() + yieldMs),
    });
    lost = () => hold.lose();
    await hold.begin();
    return hold;
  }

  /** A process that releases and asks again would win against any waiter, which looks only now and then. */
  async #letOthersGoFirst(deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { disk, clock } = this.#ports;
    const endMs = Math.min(this.#yieldUntilMs, deadlineMs);
    while (!signal?.aborted && clock.monotonic() < endMs && !(await disk.stat(this.#files.lock))) await sleep(clock, 1);
    this.#yieldUntilMs = 0;
  }
}
