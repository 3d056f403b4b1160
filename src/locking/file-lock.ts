/*
 * The cross-process lock of a context: a directory that one process at a time can make, a file that says who holds it, and
 * a seat for each that waits, to one of which the holder passes it on. It is fair enough that busy processes all make
 * progress, and outlives no process for long: waiters on the same host take over from a dead holder within milliseconds,
 * others when the lock is stale.
 */
import { isOpossumError } from '../core/errors.js';
import type { Clock } from '../disk/clock.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import type { Random } from '../disk/random.js';
import { openHost, type Host } from './host.js';
import { cannotLock, lockTimeout } from './lock-errors.js';
import { lockFilesOf, type LockFiles } from './lock-files.js';
import { FileLockHold, type FileLockHoldOptions } from './lock-hold.js';
import { LockQueue, type LockOffer } from './lock-queue.js';
import { LockWatch } from './lock-watch.js';
import type { ContextLock, LockHold, LockKind } from './lock.js';
import { readHolder } from './owner.js';
import { adoptDirectory, holdDirectory, removed } from './proper-lockfile.js';

export type FileLockPorts = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** This machine when absent. */
  readonly host?: Host;
  /** For how long a lock may go untouched before anybody may take it, milliseconds; 5,000 when absent. Holders touch it every second. */
  readonly staleMs?: number;
};

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
  #holds = 0;

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
    const { disk, clock, random } = this.#ports;
    const deadlineMs = clock.monotonic() + timeoutMs;
    const watch = (this.#watch ??= await this.#createWatch());
    watch.begin();
    const token = random.uuid();
    try {
      for (;;) {
        signal?.throwIfAborted();
        const offer = await this.#queue.takeOffer();
        const passed = offer && (await this.#accept(offer, watch.host));
        if (passed) return passed;
        const found = await disk.stat(this.#files.lock);
        if (!found || (await watch.takeOver(found, token))) {
          const hold = await this.#take(token, watch.host);
          if (hold) return hold;
        }
        const leftMs = deadlineMs - clock.monotonic();
        if (leftMs <= 0) throw lockTimeout(this.#directory, timeoutMs, await readHolder(disk, this.#files));
        // Who holds a lease means to keep it: nobody takes a seat.
        if (this.#kind === 'ledger') await this.#queue.wait(watch.host.self);
        await this.#queue.sleep(Math.min(watch.pollMs(this.#queue.hears), leftMs), signal);
      }
    } finally {
      const unwanted = await this.#queue.endWait();
      if (unwanted) await (await this.#accept(unwanted, watch.host))?.release();
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
    const hold = this.#hold({ owner: { ...host.self, token }, directory, host });
    lost = () => hold.lose();
    await hold.begin();
    return hold;
  }

  /** Takes the lock that the last holder passed on; undefined when somebody else took it meanwhile. */
  async #accept({ record, ownerFile, touchedMs }: LockOffer, host: Host): Promise<LockHold | undefined> {
    const directory = adoptDirectory(this.#files.lock, record.lock, touchedMs, this.#ports.clock);
    const hold = this.#hold({ owner: record.owner, directory, host, ownerFile });
    try {
      return (await hold.accept(record)) ? hold : undefined;
    } catch (error) {
      await hold.release();
      throw error;
    }
  }

  #hold(options: Pick<FileLockHoldOptions, 'owner' | 'directory' | 'host'> & { readonly ownerFile?: DiskFile }): FileLockHold {
    const { disk, clock } = this.#ports;
    return new FileLockHold({
      ...options,
      disk,
      clock,
      files: this.#files,
      room: this.#queue.room,
      isFirst: this.#holds++ === 0,
      onReleased: (how) => (how === 'passed on' ? Promise.resolve() : this.#queue.close()),
    });
  }
}
