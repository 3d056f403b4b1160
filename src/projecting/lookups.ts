/*
 * Which keys have a value: built when it is first asked for, by one pass over all states, and kept up with every change from then on.
 */
import type { JsonValue } from '../core/event.js';
import { copyState } from './evolving.js';
import { places } from './key-space.js';
import type { ProjectionRules } from './rules.js';
import type { Table } from './table.js';

export class Lookups {
  readonly #termsOf: ProjectionRules['termsOf'];
  readonly #keys = new Map<string, Set<string>>();
  readonly #terms = new Map<string, readonly string[]>();
  #building: Promise<void> | undefined;
  /** Keys that changed while the pass goes on: what it finds for them is old. */
  #changed = new Set<string>();
  #isWanted = false;
  #isBuilt = false;
  /** Another number whenever what the pass found so far no longer holds. */
  #round = 0;

  constructor(termsOf: ProjectionRules['termsOf']) {
    this.#termsOf = termsOf;
  }

  /** The keys whose states have the term, sorted. */
  async keysWith(term: string, table: Table): Promise<readonly string[]> {
    this.#isWanted = true;
    this.#building ??= this.#build(table).catch((error: unknown) => {
      this.forget();
      throw error;
    });
    await this.#building;
    return [...(this.#keys.get(term) ?? [])].sort();
  }

  /** Every change goes through here; it costs nothing until somebody has asked. */
  change(key: string, value: JsonValue | undefined): void {
    if (!this.#isWanted) return;
    if (!this.#isBuilt) this.#changed.add(key);
    try {
      this.#put(key, value);
    } catch {
      // Another program's state, which this program's index cannot take: whoever asks next is told.
      this.forget();
    }
  }

  /** For changes that nobody can name: the next question builds anew. */
  forget(): void {
    this.#round++;
    this.#building = undefined;
    this.#isWanted = false;
    this.#isBuilt = false;
    this.#keys.clear();
    this.#terms.clear();
    this.#changed.clear();
  }

  async #build(table: Table): Promise<void> {
    const round = this.#round;
    for (let from = 0; from < places; ) {
      const { entries, end } = await table.range(from);
      if (round !== this.#round) {
        // Begun anew by whoever asks next; this caller must not be answered from half a pass.
        this.#isWanted = true;
        return (this.#building ??= this.#build(table));
      }
      for (const [key, value] of entries) if (!this.#changed.has(key)) this.#put(key, value);
      from = end;
    }
    this.#isBuilt = true;
    this.#changed.clear();
  }

  #put(key: string, value: JsonValue | undefined): void {
    const before = this.#terms.get(key);
    const terms = value === undefined ? none : this.#termsOf(copyState(value), key);
    for (const term of before ?? none) {
      const keys = this.#keys.get(term);
      keys?.delete(key);
      if (keys?.size === 0) this.#keys.delete(term);
    }
    if (terms.length === 0) this.#terms.delete(key);
    else this.#terms.set(key, terms);
    for (const term of terms) {
      const keys = this.#keys.get(term);
      if (keys) keys.add(key);
      else this.#keys.set(term, new Set([key]));
    }
  }
}

const none: readonly string[] = [];
