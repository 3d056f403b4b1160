import type { Awaitable } from '../disk/disk.js';
import { afterAll, beforeAll, type Matches } from './matches.js';
import type { QueryPlan } from './query-plan.js';

/** Goes through the positions that match a query. One call of `next` at a time. */
export interface PositionCursor {
  /** Up to `max` further positions in the cursor's order; fewer only at the end. */
  next(max: number): Awaitable<number[]>;
}

/** What matches among `size` positions from `first` on, by slots: position `first` is slot 0. */
export type FoundMatches = { readonly first: number; readonly size: number; readonly matches: Matches | undefined };

/** What a cursor asks, whether the events are sealed by then or not. */
export interface MatchSource {
  /** Pages read from files so far. */
  readonly pagesRead: number;
  /** What matches in the largest part of the index that is known to hold `position`. */
  findAround(position: number, plan: QueryPlan): Awaitable<FoundMatches>;
  yieldTurn(): Promise<void>;
}

/** Positions after `after` (exclusive) up to `upTo` (inclusive). */
export type PositionRange = { readonly after: number; readonly upTo: number; readonly backwards: boolean };

/** Work between two pauses, in blocks that turned out not to have the keys: about a millisecond. */
const workPerPause = 1024;
const workPerPage = 16;
const workPerMatchedBlock = 32;

export class MatchCursor implements PositionCursor {
  readonly #source: MatchSource;
  readonly #plan: QueryPlan;
  readonly #backwards: boolean;
  /** What is left: both inclusive. */
  #from: number;
  #upTo: number;
  #work = 0;

  constructor(source: MatchSource, plan: QueryPlan, range: PositionRange) {
    this.#source = source;
    this.#plan = plan;
    this.#from = range.after + 1;
    this.#upTo = range.upTo;
    this.#backwards = range.backwards;
  }

  next(max: number): Awaitable<number[]> {
    return this.#fill(max, []);
  }

  /** Adds to `positions` until there are `max`. */
  #fill(max: number, positions: number[]): Awaitable<number[]> {
    while (this.#from <= this.#upTo && positions.length < max) {
      const found = this.#find(this.#backwards ? this.#upTo : this.#from);
      if (found instanceof Promise) {
        return found.then((late) => {
          this.#take(late, max, positions);
          return this.#fill(max, positions);
        });
      }
      this.#take(found, max, positions);
      if (this.#work >= workPerPause) {
        this.#work = 0;
        return this.#source.yieldTurn().then(() => this.#fill(max, positions));
      }
    }
    return positions;
  }

  #take({ first, size, matches }: FoundMatches, max: number, positions: number[]): void {
    this.#work += matches ? workPerMatchedBlock : 1;
    if (this.#backwards) this.#collectBackwards(matches, first, max, positions);
    else this.#collect(matches, first, size, max, positions);
  }

  #find(position: number): Awaitable<FoundMatches> {
    const before = this.#source.pagesRead;
    const found = this.#source.findAround(position, this.#plan);
    this.#work += (this.#source.pagesRead - before) * workPerPage;
    return found;
  }

  #collect(matches: Matches | undefined, first: number, size: number, max: number, positions: number[]): void {
    const last = Math.min(this.#upTo, first + size - 1);
    let from = this.#from - first;
    while (matches && positions.length < max) {
      const slot = matches.atOrAfter(from);
      if (slot === afterAll || first + slot > last) break;
      positions.push(first + slot);
      from = slot + 1;
    }
    this.#from = matches && positions.length === max ? first + from : last + 1;
  }

  #collectBackwards(matches: Matches | undefined, first: number, max: number, positions: number[]): void {
    const lowest = Math.max(this.#from, first);
    let upTo = this.#upTo - first;
    while (matches && positions.length < max) {
      const slot = matches.atOrBefore(upTo);
      if (slot === beforeAll || first + slot < lowest) break;
      positions.push(first + slot);
      upTo = slot - 1;
    }
    this.#upTo = matches && positions.length === max ? first + upTo : lowest - 1;
  }
}
