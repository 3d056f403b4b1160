import type { Clock } from '../../disk/clock.js';
import type { Actor, Scheduler } from './scheduler.js';

/** One process's view of virtual time; `skewMs` is by how much its wall clock is wrong, and may change at any moment. */
export class SimulatedClock implements Clock {
  skewMs = 0;
  readonly #actor: Actor;
  readonly #scheduler: Scheduler;

  constructor(actor: Actor, scheduler: Scheduler) {
    this.#actor = actor;
    this.#scheduler = scheduler;
  }

  now(): number {
    return Math.floor(this.#scheduler.wallMs + this.skewMs);
  }

  monotonic(): number {
    return this.#scheduler.nowMs;
  }

  timer(delayMs: number, callback: () => void, keepAlive: boolean): () => void {
    return this.#scheduler.timer(this.#actor, delayMs, callback, keepAlive);
  }

  turn(): Promise<void> {
    return this.#scheduler.turn(this.#actor);
  }
}
