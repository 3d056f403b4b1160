/* What may go wrong on the way to the server, drawn from a seed: the same seed gives the same weather to the same requests. */
import { SeededRandom } from '../../../src/testing/simulation/seeded-random.js';

/** Probabilities from 0 to 1, for each request that touches documents. */
export type Faults = {
  readonly seed: number;
  readonly tooMany?: number;
  readonly retryWith?: number;
  readonly unavailable?: number;
  readonly delayed?: number;
  /** The work is done and the connection cut before the answer. */
  readonly dropped?: number;
  /** No replica has what the session token of a read asks for. */
  readonly behindSession?: number;
};

export type Lag = {
  readonly seed: number;
  readonly replicas: number;
  /** How many transactions a replica may be behind, at the most. */
  readonly behind: number;
};

export type Fault = 'tooMany' | 'retryWith' | 'unavailable' | 'delayed' | 'dropped' | 'behindSession';

export class Weather {
  readonly #faults: Faults | undefined;
  readonly #lag: Lag | undefined;
  readonly #faultRandom: SeededRandom;
  readonly #lagRandom: SeededRandom;
  readonly #applied = new Map<object, number[]>();
  readonly counts: Record<Fault | 'stale', number> = { tooMany: 0, retryWith: 0, unavailable: 0, delayed: 0, dropped: 0, behindSession: 0, stale: 0 };

  constructor({ faults, lag }: { faults?: Faults | undefined; lag?: Lag | undefined } = {}) {
    this.#faults = faults;
    this.#lag = lag;
    this.#faultRandom = new SeededRandom(faults?.seed ?? 0);
    this.#lagRandom = new SeededRandom(lag?.seed ?? 0);
  }

  fault(): Fault | undefined {
    if (!this.#faults) return undefined;
    let roll = this.#faultRandom.next();
    for (const kind of ['tooMany', 'retryWith', 'unavailable', 'delayed', 'dropped', 'behindSession'] as const) {
      roll -= this.#faults[kind] ?? 0;
      if (roll >= 0) continue;
      this.counts[kind]++;
      return kind;
    }
    return undefined;
  }

  delayMs(): number {
    return this.#faultRandom.below(12);
  }

  /** The number that one of the replicas of a container has reached: at least `needed`, never less than it had before. */
  replicaLsn(container: { readonly lsn: number }, needed: number): number {
    if (!this.#lag) return container.lsn;
    const replicas = this.#applied.get(container) ?? Array.from({ length: this.#lag.replicas }, () => 0);
    this.#applied.set(container, replicas);
    const chosen = this.#lagRandom.below(replicas.length);
    const drawn = container.lsn - this.#lagRandom.below(this.#lag.behind + 1);
    const lsn = Math.max(replicas[chosen]!, needed, drawn);
    replicas[chosen] = lsn;
    if (lsn < container.lsn) this.counts.stale++;
    return lsn;
  }
}
