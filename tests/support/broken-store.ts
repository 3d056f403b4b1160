/* A store that can be made wrong in one way at a time: what a checker of histories must find. */
import { makeEventStream } from '../../src/core/event-stream.js';
import {
  AppendConditionFailedError,
  matchesQuery,
  openMemoryStore,
  type AppendCondition,
  type AppendResult,
  type EventStore,
  type EventStream,
  type NewEvent,
  type Query,
  type ReadOptions,
  type SequencedEvent,
} from '../../src/index.js';
import { SeededRandom } from '../../src/testing/simulation/seeded-random.js';
import { turns } from './history-load.js';

export type Flaw =
  | 'none'
  | 'condition ignored'
  | 'refused without a conflict'
  | 'stale index'
  | 'torn multi-index read'
  | 'read is no snapshot'
  | 'dirty read'
  | 'half a batch'
  | 'late event'
  | 'position reuse'
  | 'order against real time'
  | 'wrong duplicate'
  | 'lost append'
  | 'content changes'
  | 'gap';

/** The flaw shows now and then, as `seed` says. `events` are those that are stored in the end. */
export function openBrokenStore(flaw: Flaw, seed: number): { store: EventStore; events: readonly SequencedEvent[] } {
  const inner = new BrokenStore(flaw, new SeededRandom(seed));
  const whole = openMemoryStore();
  const store: EventStore = {
    append: (events, condition) => inner.append((Array.isArray(events) ? events : [events]) as readonly NewEvent[], condition),
    read: (query, options) => inner.read(query, options),
    // What follows live is not what these flaws are about.
    subscribe: (query, options) => whole.subscribe(query, options),
    head: async () => inner.head(),
    state: whole.state,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { store, events: inner.events };
}

class BrokenStore {
  readonly #flaw: Flaw;
  readonly #random: SeededRandom;
  readonly events: SequencedEvent[] = [];
  /** Positions of events that are stored and not seen yet. */
  readonly #hidden = new Set<number>();
  /** A position that was left out. */
  #hole: number | undefined;
  #ids = 0;
  /** Appends come one after another; only their callers overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(flaw: Flaw, random: SeededRandom) {
    this.#flaw = flaw;
    this.#random = random;
  }

  head(): number {
    return this.events.at(-1)?.position ?? 0;
  }

  async append(batch: readonly NewEvent[], condition?: AppendCondition): Promise<AppendResult> {
    await turns(this.#random);
    const work = this.#turn.then(() => this.#decide(batch, condition));
    this.#turn = work.catch(() => undefined);
    const answer = await work;
    await turns(this.#random);
    return answer;
  }

  read(query: Query = 'all', { after = 0, before = Infinity, limit = Infinity, backwards = false }: ReadOptions = {}): EventStream {
    let snapshot: number | undefined;
    const head = (): number => (snapshot ??= this.head() - (this.#strikes('stale index', 0.3) ? 1 : 0));
    const select = async (): Promise<SequencedEvent[]> => {
      const found = (await this.#select(query, head())).filter(({ position }) => position > after && position < before);
      const given = (backwards ? found.reverse() : found).slice(0, limit).map((event) => ({ ...event }));
      if (given[0] && this.#strikes('content changes', 0.1)) given[0] = { ...given[0], data: 'something else' };
      return given;
    };
    return makeEventStream(() => {
      let rest: SequencedEvent[] | undefined;
      return {
        head: async () => Math.min(head(), before - 1),
        next: async (max) => {
          await turns(this.#random, 3);
          rest ??= await select();
          return rest.splice(0, max);
        },
        close: () => undefined,
      };
    });
  }

  async #select(query: Query, head: number): Promise<SequencedEvent[]> {
    if (this.#flaw === 'torn multi-index read' && query !== 'all' && query.items.length > 1) {
      // Each item is answered by an index of its own, at a moment of its own.
      const found = this.#matches({ items: query.items.slice(0, 1) }, head);
      await turns(this.#random, 12);
      const rest = this.#matches({ items: query.items.slice(1) }, this.head());
      return [...new Set([...found, ...rest])].sort((a, b) => a.position - b.position);
    }
    if (this.#flaw === 'read is no snapshot') {
      await turns(this.#random, 8);
      return this.#matches(query, this.head());
    }
    return this.#matches(query, head);
  }

  #matches(query: Query, head: number): SequencedEvent[] {
    return this.events.filter((event) => event.position <= head && !this.#hidden.has(event.position) && matchesQuery(query, event));
  }

  async #decide(batch: readonly NewEvent[], condition: AppendCondition | undefined): Promise<AppendResult> {
    const known = this.events.find(({ id }) => id === batch[0]!.id)?.position;
    if (known !== undefined && !this.#strikes('wrong duplicate', 0.5)) return { first: known, last: known + batch.length - 1, duplicate: true };
    if (condition) {
      const { failIfEventsMatch, after = 0 } = condition;
      const conflict = this.events.find((event) => event.position > after && matchesQuery(failIfEventsMatch, event));
      if (conflict && !this.#strikes('condition ignored', 0.5)) {
        if (this.#strikes('dirty read', 0.7)) await this.#storeForAMoment(batch);
        throw new AppendConditionFailedError(conflict, condition);
      }
      if (this.#strikes('refused without a conflict', 0.3)) throw new AppendConditionFailedError({ position: after + 1, type: 'A', tags: [] }, condition);
    }
    return this.#store(batch);
  }

  async #storeForAMoment(batch: readonly NewEvent[]): Promise<void> {
    const { length } = this.events;
    this.events.push(...this.#made(batch, this.head() + 1));
    await turns(this.#random, 12);
    this.events.splice(length);
  }

  async #store(batch: readonly NewEvent[]): Promise<AppendResult> {
    let first = this.head() + 1;
    if (this.#strikes('position reuse', 0.1)) first--;
    if (this.#hole === undefined && (this.#strikes('gap', 0.05) || this.#strikes('order against real time', 0.1))) this.#hole = first++;
    else if (this.#hole !== undefined && this.#flaw === 'order against real time' && batch.length === 1) {
      first = this.#hole;
      this.#hole = undefined;
    }
    const made = this.#made(batch, first);
    const answer = { first, last: first + made.length - 1, duplicate: false };
    if (this.#strikes('lost append', 0.05)) return answer;
    if (made.length > 1 && this.#strikes('half a batch', 0.8)) {
      this.events.push(made[0]!);
      await turns(this.#random, 12);
      made.shift();
    }
    this.events.push(...made);
    this.events.sort((a, b) => a.position - b.position);
    if (this.#strikes('late event', 0.2)) {
      this.#hidden.add(first);
      void turns(this.#random, 30).then(() => this.#hidden.delete(first));
    }
    return answer;
  }

  #made(batch: readonly NewEvent[], first: number): SequencedEvent[] {
    return batch.map((event, i) => ({ tags: [], metadata: {}, timestamp: '2026-01-01T00:00:00Z', id: `own-${++this.#ids}`, ...event, position: first + i }));
  }

  /** Nothing is wrong at the beginning, so that there is something to be wrong about. */
  #strikes(flaw: Flaw, chance: number): boolean {
    return this.#flaw === flaw && this.events.length > 10 && this.#random.chance(chance);
  }
}
