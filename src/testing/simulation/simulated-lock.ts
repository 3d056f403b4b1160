/*
 * The cross-process lock of a simulation. It can be as good as the real one should be, or as bad as it may become: taken
 * away from a holder who does not notice. Safety must not depend on it.
 */
import { LockTimeoutError } from '../../core/errors.js';
import { sleep, type Clock } from '../../disk/clock.js';
import type { ContextLock, LockHold } from '../../engine/engine.js';
import type { Actor } from './scheduler.js';
import type { SeededRandom } from './seeded-random.js';

type Hold = { readonly actor: Actor; readonly waiters: Set<object> };

const pollMs = 2;

export class SimulatedLocks {
  readonly #random: SeededRandom;
  readonly #theftChance: number;
  readonly #holds = new Map<string, Hold>();
  readonly #waiters = new Map<string, Set<object>>();

  /** `theftChance` is how often a waiter's look takes the lock away from a holder that is alive: 0 for a lock that works. */
  constructor(random: SeededRandom, theftChance: number) {
    this.#random = random;
    this.#theftChance = theftChance;
  }

  /** After a power cut nobody holds or waits. */
  clear(): void {
    this.#holds.clear();
    this.#waiters.clear();
  }

  lockOf(actor: Actor, directory: string, clock: Clock): ContextLock {
    return { acquire: (timeoutMs: number, signal?: AbortSignal) => this.#acquire(actor, directory, clock, timeoutMs, signal) };
  }

  async #acquire(actor: Actor, directory: string, clock: Clock, timeoutMs: number, signal: AbortSignal | undefined): Promise<LockHold> {
    const waiter = {};
    const waiters = this.#waitersOf(directory);
    const endMs = clock.monotonic() + timeoutMs;
    waiters.add(waiter);
    try {
      for (;;) {
        await clock.turn();
        signal?.throwIfAborted();
        const before = this.#holds.get(directory);
        const isDead = before !== undefined && !before.actor.isAlive;
        if (!before || isDead || this.#random.chance(this.#theftChance)) {
          waiters.delete(waiter);
          return this.#hold(actor, directory, waiters, isDead);
        }
        if (clock.monotonic() >= endMs) throw new LockTimeoutError(`The lock of ${directory} was held by process ${before.actor.name} for ${timeoutMs} ms.`, {});
        await sleep(clock, pollMs);
      }
    } finally {
      waiters.delete(waiter);
    }
  }

  #hold(actor: Actor, directory: string, waiters: Set<object>, takenOver: boolean): LockHold {
    const hold: Hold = { actor, waiters };
    this.#holds.set(directory, hold);
    return {
      // A thief leaves no trace: the holder goes on in good faith.
      lost: false,
      takenOver,
      othersWait: () => waiters.size > 0,
      release: async () => {
        if (this.#holds.get(directory) === hold) this.#holds.delete(directory);
      },
    };
  }

  #waitersOf(directory: string): Set<object> {
    const known = this.#waiters.get(directory) ?? new Set<object>();
    this.#waiters.set(directory, known);
    return known;
  }
}
