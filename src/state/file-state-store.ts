/*
 * The `StateStore` of a context's folder. Each save makes a new file with the next version in its name, and a version's file never
 * changes: what is there is whole, and of savers that expect the same version one wins, without a lock. A lease is a lock of the
 * locking room, in the same folder.
 */
import { checkLeaseOptions, checkSaveOptions, checkStateName, checkStateValue } from '../core/check-state.js';
import { isOpossumError, StoreClosedError } from '../core/errors.js';
import type { JsonValue } from '../core/event.js';
import type { LeaseOptions, SavedState, SaveOptions, StateLease, StateStore } from '../core/state-store.js';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import type { Random } from '../disk/random.js';
import type { OpenLock } from '../locking/lock.js';
import { FileLease } from './file-lease.js';
import { leaseTimeout, refuseReadOnly, stateFailed, type StateCall } from './state-errors.js';
import { findNewest, findStates, readState, stateFolderOf, stateRootOf } from './state-folder.js';
import { StateFolders } from './state-folders.js';
import { StateWriter } from './state-writer.js';

export type FileStateStoreOptions = {
  /** Folder of the context. */
  readonly directory: string;
  /** Whether what is saved survives a power cut. */
  readonly durable: boolean;
  readonly readOnly: boolean;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly openLock: OpenLock;
  /** Throws when the value's JSON is larger than this store may take. */
  readonly checkText?: ((name: string, text: string) => void) | undefined;
};

const maxLeaseAttempts = 10;

export class FileStateStore implements StateStore {
  readonly #options: FileStateStoreOptions;
  readonly #folders: StateFolders;
  readonly #writer: StateWriter;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #leases = new Set<FileLease>();

  constructor(options: FileStateStoreOptions) {
    this.#options = options;
    this.#folders = new StateFolders(options.directory, options.disk);
    this.#writer = new StateWriter({ ...options, folders: this.#folders });
  }

  async load(name: string): Promise<SavedState | undefined> {
    this.#checkOpen();
    checkStateName(name);
    const folder = stateFolderOf(this.#options.directory, name);
    return this.#run('load', name, folder, () => readState(folder, name, this.#options.disk));
  }

  async save(name: string, value: JsonValue, options?: SaveOptions): Promise<number> {
    this.#checkWritable('save states');
    checkStateName(name);
    const text = checkStateValue(value);
    const { expected } = checkSaveOptions(options);
    this.#options.checkText?.(name, text);
    return this.#run('save', name, stateFolderOf(this.#options.directory, name), () => this.#writer.save(name, text, expected));
  }

  async remove(name: string, options?: SaveOptions): Promise<boolean> {
    this.#checkWritable('remove states');
    checkStateName(name);
    const { expected } = checkSaveOptions(options);
    return this.#run('remove', name, stateFolderOf(this.#options.directory, name), () => this.#writer.remove(name, expected));
  }

  async list(prefix?: string): Promise<string[]> {
    this.#checkOpen();
    if (prefix !== undefined) checkStateName(prefix, 'prefix');
    const { directory, disk } = this.#options;
    return this.#run('list', prefix, stateRootOf(directory), async () => {
      const names: string[] = [];
      for await (const { name, folder } of findStates(directory, prefix, disk)) {
        const found = await findNewest(folder, name, disk);
        if (found?.removed === false) names.push(name);
      }
      return names.sort();
    });
  }

  async lease(name: string, options?: LeaseOptions): Promise<StateLease> {
    this.#checkWritable('lease');
    checkStateName(name);
    const { signal, timeoutMs } = checkLeaseOptions(options);
    signal?.throwIfAborted();
    return this.#run('lease', name, stateFolderOf(this.#options.directory, name), () => this.#lease(name, timeoutMs, signal));
  }

  /** Waits for what is under way, sends away who waits for a lease, and releases what is held. */
  async close(): Promise<void> {
    this.#closing.abort(new StoreClosedError());
    await Promise.allSettled(this.#underWay);
    await Promise.all([...this.#leases].map((lease) => lease.end(new StoreClosedError())));
  }

  async #lease(name: string, timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<StateLease> {
    const { directory, clock, openLock } = this.#options;
    const folder = stateFolderOf(directory, name);
    const sentAway = signal ? AbortSignal.any([this.#closing.signal, signal]) : this.#closing.signal;
    for (let attempt = 1; ; attempt++) {
      await this.#folders.make(folder);
      try {
        const hold = await openLock(folder, 'lease').acquire(timeoutMs ?? Infinity, sentAway);
        const lease: FileLease = new FileLease({ name, hold, clock, onReleased: () => this.#leases.delete(lease) });
        this.#leases.add(lease);
        return lease;
      } catch (error) {
        // Who removes the state of that name removes its folder, when there is no lease in it yet.
        const isRemoved = isOpossumError(error, 'STORAGE_FAILED') && error.details['code'] === 'ENOENT';
        if (isRemoved && attempt < maxLeaseAttempts) continue;
        throw isOpossumError(error, 'LOCK_TIMEOUT') ? leaseTimeout(name, timeoutMs ?? Infinity, error) : error;
      }
    }
  }

  async #run<T>(call: StateCall, name: string | undefined, folder: string, work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#underWay.add(running);
    try {
      return await running;
    } catch (error) {
      throw stateFailed(call, name, folder, 'not-committed', error);
    } finally {
      this.#underWay.delete(running);
    }
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new StoreClosedError();
  }

  #checkWritable(what: string): void {
    this.#checkOpen();
    if (this.#options.readOnly) throw refuseReadOnly(what);
  }
}
