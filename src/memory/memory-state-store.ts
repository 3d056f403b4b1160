/* The reference for every state store: a map, and a queue of waiters for each lease. */
import { checkExpected, checkLeaseOptions, checkSaveOptions, checkStateName, checkStateValue, isBelow } from '../core/check-state.js';
import { LockTimeoutError } from '../core/errors.js';
import { retryDefaults } from '../core/defaults.js';
import type { JsonValue } from '../core/event.js';
import type { LeaseOptions, SavedState, SaveOptions, StateLease, StateStore } from '../core/state-store.js';

export class MemoryStateStore implements StateStore {
  /** Values as JSON text: what is loaded is nobody else's. */
  readonly #saved = new Map<string, { text: string; version: number }>();
  /** Who holds the lease of each name, first, and who waits for it, in turn. */
  readonly #queues = new Map<string, object[]>();
  readonly #held = new Set<MemoryLease>();
  readonly #checkOpen: () => void;
  readonly #checkText: (name: string, text: string) => void;

  /** `checkOpen` throws once the store is closed, `checkText` when the value's JSON is larger than this store may take. */
  constructor(checkOpen: () => void, checkText: (name: string, text: string) => void = () => undefined) {
    this.#checkOpen = checkOpen;
    this.#checkText = checkText;
  }

  async load(name: string): Promise<SavedState | undefined> {
    this.#checkOpen();
    const found = this.#saved.get(checkStateName(name));
    return found && { value: JSON.parse(found.text) as JsonValue, version: found.version };
  }

  async save(name: string, value: JsonValue, options?: SaveOptions): Promise<number> {
    this.#checkOpen();
    const text = checkStateValue(value);
    this.#checkText(checkStateName(name), text);
    const version = this.#check(name, options) + 1;
    this.#saved.set(name, { text, version });
    return version;
  }

  async remove(name: string, options?: SaveOptions): Promise<boolean> {
    this.#checkOpen();
    this.#check(name, options);
    return this.#saved.delete(name);
  }

  async list(prefix?: string): Promise<string[]> {
    this.#checkOpen();
    if (prefix !== undefined) checkStateName(prefix, 'prefix');
    return [...this.#saved.keys()].filter((name) => isBelow(name, prefix)).sort();
  }

  async lease(name: string, options?: LeaseOptions): Promise<StateLease> {
    this.#checkOpen();
    checkStateName(name);
    const { signal, timeoutMs } = checkLeaseOptions(options);
    const waiter = {};
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    queue.push(waiter);
    const leave = (): void => {
      if (queue.includes(waiter)) queue.splice(queue.indexOf(waiter), 1);
    };
    try {
      // Looking now and then is enough here, and needs nobody to tell anybody.
      for (let waitedMs = 0; queue[0] !== waiter; waitedMs += pollMs) {
        if (timeoutMs !== undefined && waitedMs >= timeoutMs) throw new LockTimeoutError(`The lease of ${JSON.stringify(name)} was held by another for ${timeoutMs} ms.`, { name });
        await retryDefaults.sleep(pollMs, signal);
        this.#checkOpen();
      }
      signal?.throwIfAborted();
    } catch (error) {
      leave();
      throw error;
    }
    const lease: MemoryLease = new MemoryLease(() => {
      leave();
      this.#held.delete(lease);
    });
    this.#held.add(lease);
    return lease;
  }

  /** Releases what is held. */
  async close(): Promise<void> {
    for (const lease of this.#held) await lease.release();
  }

  /** Returns the version that is saved, 0 for none. */
  #check(name: string, options: SaveOptions | undefined): number {
    const { expected } = checkSaveOptions(options);
    const version = this.#saved.get(checkStateName(name))?.version ?? 0;
    checkExpected(name, expected, version);
    return version;
  }
}

const pollMs = 5;

class MemoryLease implements StateLease {
  readonly #ended = new AbortController();
  readonly #leave: () => void;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  async release(): Promise<void> {
    this.#leave();
    this.#ended.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
