/*
 * One run of some handlers: every call that they make waits here until it is chosen, and then happens as a whole before the next
 * one is looked for. Promises: the same handlers, answers and schedule give the same run. Time is virtual: it stands still while
 * a call can go on, unless the schedule says that a timer was faster.
 */
import type { Call, Entry } from './entry.js';
import { choose, type Schedule } from './schedule.js';

type Waiting = {
  readonly handler: number;
  readonly isReady: () => boolean;
  readonly happen: () => Promise<Entry>;
};

type Timer = { readonly handler: number; readonly dueMs: number; readonly happen: () => Entry };

export class Interleaving {
  /** What happened, in order. */
  readonly entries: Entry[] = [];
  /** How many calls there were to choose from at each step. */
  readonly choices: number[] = [];
  /** How many appends stored something. */
  commits = 0;
  nowMs = startMs;
  readonly #handlers: number;
  readonly #schedule: ReadonlyMap<number, number>;
  readonly #calls = new Set<Waiting>();
  readonly #timers = new Set<Timer>();
  #current = 0;
  #ended = false;

  constructor(handlers: number, schedule: Schedule) {
    this.#handlers = handlers;
    this.#schedule = new Map(schedule.map(({ at, to }) => [at, to]));
  }

  /** Makes a call of a handler wait for its turn. What it gives or throws comes out here, and is kept for the timeline. */
  call<T>(handler: number, call: Call, perform: () => Promise<T>, isReady: () => boolean = always): Promise<T> {
    return new Promise((resolve, reject) => {
      // Nobody is left to make it happen: the run was given up, and so is this handler.
      if (this.#ended) return;
      const happen = async (): Promise<Entry> => {
        const entry: Entry = { handler, call };
        this.entries.push(entry);
        try {
          const answer = await perform();
          entry.answer = answer;
          if (isCommit(entry)) this.commits++;
          resolve(answer);
        } catch (error) {
          entry.error = error;
          reject(error as Error);
        }
        return entry;
      };
      this.#calls.add({ handler, isReady, happen });
    });
  }

  /** Returns what cancels it. */
  startTimer(handler: number, ms: number, fire: () => void): () => void {
    const happen = (): Entry => {
      const entry: Entry = { handler, call: { kind: 'wait', ms } };
      this.entries.push(entry);
      try {
        fire();
      } catch (error) {
        entry.error = error;
      }
      return entry;
    };
    const timer = { handler, dueMs: this.nowMs + Math.max(0, ms), happen };
    if (!this.#ended) this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Lets the next call happen, as the schedule says. Undefined when there is none. */
  async step(): Promise<Entry | undefined> {
    const candidates = this.#candidates();
    if (candidates.length === 0) return undefined;
    const chosen = candidates[choose(this.#schedule, this.choices.length, candidates.length)]!;
    this.choices.push(candidates.length);
    this.#current = chosen.handler;
    if ('dueMs' in chosen) {
      this.#timers.delete(chosen);
      this.nowMs = Math.max(this.nowMs, chosen.dueMs);
    } else {
      this.#calls.delete(chosen);
    }
    return chosen.happen();
  }

  hasNext(): boolean {
    return this.#candidates().length > 0;
  }

  /** Whether a call can happen, leaving timers aside. */
  hasCall(): boolean {
    for (const call of this.#calls) if (call.isReady()) return true;
    return false;
  }

  /** Whether the handler has a call or a timer that did not happen yet. */
  isWaiting(handler: number): boolean {
    for (const call of this.#calls) if (call.handler === handler) return true;
    for (const timer of this.#timers) if (timer.handler === handler) return true;
    return false;
  }

  /** Nothing more happens. */
  end(): void {
    this.#ended = true;
    this.#calls.clear();
    this.#timers.clear();
  }

  /** First the calls of the handler whose turn it is, then those of the others, then the timers that are due first: time goes by when nobody is busy. */
  #candidates(): (Waiting | Timer)[] {
    const distance = ({ handler }: { handler: number }): number => (handler - this.#current + this.#handlers) % this.#handlers;
    const inOrder = <W extends Waiting | Timer>(waiting: W[]): W[] => (waiting.length < 2 ? waiting : waiting.sort((a, b) => distance(a) - distance(b)));
    const calls: Waiting[] = [];
    for (const call of this.#calls) if (call.isReady()) calls.push(call);
    if (this.#timers.size === 0) return inOrder(calls);
    const firstMs = Math.min(...[...this.#timers].map(({ dueMs }) => dueMs));
    return [...inOrder(calls), ...inOrder([...this.#timers].filter(({ dueMs }) => dueMs === firstMs))];
  }
}

/** When every run begins. */
export const startMs = Date.UTC(2026, 0, 1);

const always = (): boolean => true;

function isCommit({ call, answer }: Entry): boolean {
  return call.kind === 'append' && !(answer as { duplicate: boolean }).duplicate;
}
