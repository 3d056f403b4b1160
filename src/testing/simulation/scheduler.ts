/*
 * Decides what happens next in a simulation: one of the disk operations that wait, or the next timer. Time is virtual and
 * moves only when something happens, so an hour of waiting takes no time, and the same seed gives the same order.
 */
import type { SeededRandom } from './seeded-random.js';

/** Whoever asked for a step; nothing happens to those who are gone. */
export type Actor = { readonly name: string; isAlive: boolean };

type Step = { readonly actor: Actor; readonly run: () => void };
type Timer = Step & { readonly dueMs: number; readonly keepAlive: boolean };

/** 2026-01-01, where every simulation begins. */
const startMs = Date.UTC(2026, 0, 1);
/** What one disk operation takes, in virtual milliseconds. */
const operationMs = 0.02;
/** How often a timer goes off although operations wait, as it does when the disk is slow. */
const earlyTimerChance = 0.02;

export class Scheduler {
  readonly #random: SeededRandom;
  #nowMs = 0;
  #steps: Step[] = [];
  /** By the time when they are due. */
  #timers: Timer[] = [];
  #pumping = false;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Virtual milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Virtual time in milliseconds since 1970. */
  get wallMs(): number {
    return startMs + this.#nowMs;
  }

  /** Resolves when it is the actor's turn: in any order with what else waits. Never, when the actor is gone by then. */
  turn(actor: Actor): Promise<void> {
    return new Promise((resolve) => {
      if (!actor.isAlive) return;
      this.#steps.push({ actor, run: resolve });
      this.#pump();
    });
  }

  /** Calls `run` when `delayMs` have passed; returns how to cancel. Time passes only while something is to be waited for. */
  timer(actor: Actor, delayMs: number, run: () => void, keepAlive: boolean): () => void {
    const timer: Timer = { actor, run, dueMs: this.#nowMs + Math.max(0, delayMs), keepAlive };
    if (!actor.isAlive) return () => undefined;
    const after = this.#timers.findIndex(({ dueMs }) => dueMs > timer.dueMs);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    this.#pump();
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** Lets `durationMs` pass with all that happens meanwhile. */
  advance(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.timer({ name: 'test', isAlive: true }, durationMs, resolve, true));
  }

  /** Forgets what those wait for who are gone. */
  removeDead(): void {
    this.#steps = this.#steps.filter(({ actor }) => actor.isAlive);
    this.#timers = this.#timers.filter(({ actor }) => actor.isAlive);
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    // The turn of the real event loop lets everything that the last step set off run up to its next operation.
    setImmediate(() => {
      this.#pumping = false;
      this.#next()?.run();
      if (this.#steps.length > 0 || this.#timers.some(({ keepAlive }) => keepAlive)) this.#pump();
    });
  }

  #next(): Step | undefined {
    if (this.#steps.length === 0 || (this.#timers.length > 0 && this.#random.chance(earlyTimerChance))) {
      const timer = this.#timers.shift();
      if (timer) this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      return timer;
    }
    this.#nowMs += operationMs;
    const [step] = this.#steps.splice(this.#random.below(this.#steps.length), 1);
    return step;
  }
}
