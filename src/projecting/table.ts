/*
 * The keyed states of one generation: shards as they were saved, and over them the changes since then. Promises: values are never
 * changed in place, and events are applied whole, so what is taken at any moment is the state after one event.
 */
import type { JsonValue } from '../core/event.js';
import type { Awaitable } from '../modelling/schema-check.js';
import { bounds } from './bounds.js';
import { endOf, placeOf, shardOf } from './key-space.js';
import type { Checkpoint, Delta, Generation, SavedEntry } from './manifest.js';
import type { Lookups } from './lookups.js';
import type { Segments, Shard } from './segments.js';

/** A state, or undefined where the key was removed; and about what it takes. A new object for each change. */
export type Change = { readonly value: JsonValue | undefined; readonly bytes: number };

/** What is to be saved next: taken at one moment, valid however the table goes on. */
export type Pending = {
  readonly checkpoint: Checkpoint;
  /** How many of the deltas, the last ones, it takes the place of; undefined when it goes into the shards and replaces all. */
  readonly replaces: number | undefined;
  readonly changes: ReadonlyMap<string, Change>;
  /** How many keys changed since the last one was taken. */
  readonly keys: number;
};

export class Table {
  readonly #segments: Segments;
  readonly #lookups: Lookups;
  #generation: Generation;
  #checkpoint: Checkpoint;
  /** The newest change of every key that changed since the shards were made. */
  readonly #changes = new Map<string, Change>();
  /** Keys that changed since the last `take`. */
  #unsaved = new Set<string>();
  #unsavedBytes = 0;
  /** What `fetch` found in the shards, of keys that did not change since. */
  #fetched = new Map<string, JsonValue | undefined>();
  /** The keys of each of the generation's deltas. */
  #deltaKeys = new Map<Delta, readonly string[]>();

  constructor(generation: Generation, segments: Segments, lookups: Lookups) {
    this.#segments = segments;
    this.#lookups = lookups;
    this.#generation = { ...generation, deltas: [] };
    this.#checkpoint = generation.checkpoint;
  }

  /** @throws StateDamagedError when a segment of its changes is gone or damaged. */
  static async load(generation: Generation, segments: Segments, lookups: Lookups): Promise<Table> {
    const table = new Table(generation, segments, lookups);
    await table.follow(generation);
    return table;
  }

  /** As it was saved last. */
  get generation(): Generation {
    return this.#generation;
  }

  /** The last event that is in what `lookup` gives. */
  get checkpoint(): Checkpoint {
    return this.#checkpoint;
  }

  get unsavedBytes(): number {
    return this.#unsavedBytes;
  }

  get hasUnsaved(): boolean {
    return this.#checkpoint !== this.#generation.checkpoint;
  }

  /** The state of a key; at once when it is in memory. Nobody may change it. */
  lookup(key: string): Awaitable<JsonValue | undefined> {
    const change = this.#changes.get(key);
    if (change !== undefined) return change.value;
    const shard = this.#shardInMemory(key);
    if (shard !== undefined) return shard.get(key);
    if (this.#fetched.has(key)) return this.#fetched.get(key);
    return this.lookupAll([key]).then(([value]) => value);
  }

  /** The states of the keys, all of them after the same event. */
  async lookupAll(keys: readonly string[]): Promise<(JsonValue | undefined)[]> {
    for (;;) {
      const { shards } = this.#generation;
      const saved = await this.#savedIn(shards, keys);
      // Other shards may hold by now what was among the changes. Nothing is waited for between this look and the answer.
      if (shards !== this.#generation.shards) continue;
      return keys.map((key) => {
        const change = this.#changes.get(key);
        return change === undefined ? saved.get(key) : change.value;
      });
    }
  }

  /** Loads what events are about to ask for, shard by shard: if they do not all fit into memory, each is loaded once and not for each key. */
  async fetch(keys: readonly string[]): Promise<void> {
    const missing = keys.filter((key) => !this.#changes.has(key) && this.#shardInMemory(key) === undefined);
    this.#fetched.clear();
    if (missing.length < 2) return;
    for (let shards: Generation['shards'] | undefined; shards !== this.#generation.shards; ) {
      shards = this.#generation.shards;
      this.#fetched = await this.#savedIn(shards, missing);
    }
  }

  /** Applies what one event changes. */
  apply(changes: readonly (readonly [string, Change])[], checkpoint: Checkpoint): void {
    for (const [key, change] of changes) {
      this.#changes.set(key, change);
      this.#unsaved.add(key);
      this.#fetched.delete(key);
      this.#unsavedBytes += change.bytes;
      this.#lookups.change(key, change.value);
    }
    this.#checkpoint = checkpoint;
  }

  /** The keys of all states that are found by the term, sorted. */
  keysWith(term: string): Promise<readonly string[]> {
    return this.#lookups.keysWith(term, this);
  }

  /** All keys from a place on, up to the end of its shard: their states, and where the next shard begins. */
  async range(from: number): Promise<{ entries: [string, JsonValue][]; end: number }> {
    let shards = this.#generation.shards;
    let shard = await this.#load(shards, from);
    while (shards !== this.#generation.shards) {
      shards = this.#generation.shards;
      shard = await this.#load(shards, from);
    }
    // Nothing is waited for from here on.
    const count = shards.length;
    const end = endOf(shardOf(from, count), count);
    const isWithin = (key: string): boolean => {
      const place = placeOf(key);
      return place >= from && place < end;
    };
    const entries: [string, JsonValue][] = [];
    for (const [key, value] of shard) if (!this.#changes.has(key) && isWithin(key)) entries.push([key, value]);
    for (const [key, { value }] of this.#changes) if (value !== undefined && isWithin(key)) entries.push([key, value]);
    return { entries, end };
  }

  /** Takes what is not saved yet; undefined when there is nothing. It counts as saved from now on: if saving fails, load a new table. */
  take(): Pending | undefined {
    if (!this.hasUnsaved) return undefined;
    const { deltas, shards } = this.#generation;
    const inShards = shards.reduce((sum, shard) => sum + (shard?.[1] ?? 0), 0);
    const changed = deltas.reduce((sum, { bytes }) => sum + bytes, this.#unsavedBytes);
    const most = Math.max(bounds.leastChangesBytes, Math.min(bounds.mostChangesBytes, inShards / 4));
    const pending = changed > most ? { replaces: undefined, changes: new Map(this.#changes) } : this.#withSmallDeltas(deltas);
    const keys = this.#unsaved.size;
    this.#unsaved = new Set();
    this.#unsavedBytes = 0;
    return { ...pending, keys, checkpoint: this.#checkpoint };
  }

  /** Takes along the deltas that are no larger than what comes after them, so that there are never many. */
  #withSmallDeltas(deltas: readonly Delta[]): { replaces: number; changes: Map<string, Change> } {
    const keys = new Set(this.#unsaved);
    let bytes = this.#unsavedBytes;
    let replaces = 0;
    for (const delta of deltas.toReversed()) {
      if (delta.bytes > bytes) break;
      for (const key of this.#deltaKeys.get(delta)!) keys.add(key);
      bytes += delta.bytes;
      replaces++;
    }
    const changes = new Map<string, Change>();
    for (const key of keys) changes.set(key, this.#changes.get(key)!);
    return { replaces, changes };
  }

  /** What was taken is saved as this generation; `keys` has those of its new deltas. */
  saved(generation: Generation, pending: Pending, keys: ReadonlyMap<Delta, readonly string[]>): void {
    this.#deltaKeys = new Map(generation.deltas.map((delta) => [delta, keys.get(delta) ?? this.#deltaKeys.get(delta)!]));
    this.#generation = generation;
    if (pending.replaces !== undefined) return;
    for (const [key, change] of pending.changes) if (this.#changes.get(key) === change) this.#changes.delete(key);
  }

  /** Goes on to what another process saved since; the table must have nothing unsaved. */
  async follow(generation: Generation): Promise<void> {
    const before = this.#generation;
    // Whoever applies replaces deltas at the end by some with at least their keys, so what is left of the others stays right. A merge
    // leaves none; of keys that came and went since the last one it may leave the shards as they were.
    const sameShards = isSame(before.shards, generation.shards) && (generation.deltas.length > 0 || before.deltas.length === 0);
    const firstOther = sameShards ? before.deltas.findIndex((delta, i) => !isSame(delta, generation.deltas[i])) : 0;
    const same = firstOther < 0 ? before.deltas.length : firstOther;
    const added: (readonly [Delta, readonly SavedEntry[]])[] = [];
    for (const delta of generation.deltas.slice(same)) added.push([delta, await this.#entriesOf(delta)]);
    // Nothing is waited for from here on: readers see all of it or nothing.
    if (!sameShards) {
      this.#changes.clear();
      this.#lookups.forget();
    }
    const deltaKeys = new Map<Delta, readonly string[]>();
    for (const [i, delta] of generation.deltas.slice(0, same).entries()) deltaKeys.set(delta, this.#deltaKeys.get(before.deltas[i]!)!);
    for (const [delta, entries] of added) {
      const bytes = delta.bytes / Math.max(1, entries.length);
      for (const [key, value] of entries) {
        this.#changes.set(key, { value, bytes });
        this.#lookups.change(key, value);
      }
      deltaKeys.set(delta, entries.map(([key]) => key));
    }
    this.#deltaKeys = deltaKeys;
    this.#generation = sameShards ? { ...generation, shards: before.shards } : generation;
    this.#checkpoint = generation.checkpoint;
  }

  async #entriesOf(delta: Delta): Promise<readonly SavedEntry[]> {
    if (delta.segment === undefined) return delta.entries!;
    const entries = await this.#segments.entries(delta.segment);
    if (entries === undefined) throw this.#segments.missing(delta.segment);
    return entries;
  }

  #shardInMemory(key: string): Shard | undefined {
    const { shards } = this.#generation;
    const found = shards[shardOf(placeOf(key), shards.length)];
    return found ? this.#segments.cached(found[0]) : noShard;
  }

  /** What these shards have of those of the keys that did not change since. */
  async #savedIn(shards: Generation['shards'], keys: readonly string[]): Promise<Map<string, JsonValue | undefined>> {
    const saved = new Map<string, JsonValue | undefined>();
    const places = keys.filter((key) => !this.#changes.has(key)).map((key) => ({ key, place: placeOf(key) }));
    let shard = noShard;
    let at = -1;
    for (const { key, place } of places.sort((a, b) => a.place - b.place)) {
      if (shardOf(place, shards.length) !== at) shard = await this.#load(shards, place);
      at = shardOf(place, shards.length);
      saved.set(key, shard.get(key));
    }
    return saved;
  }

  /** A save may replace the shards meanwhile, and remove this one: whoever asks must look, and not use it then. */
  async #load(shards: Generation['shards'], place: number): Promise<Shard> {
    const found = shards[shardOf(place, shards.length)];
    if (!found) return noShard;
    const shard = this.#segments.cached(found[0]) ?? (await this.#segments.shard(...found));
    if (shard === undefined && shards === this.#generation.shards) throw this.#segments.missing(found[0]);
    return shard ?? noShard;
  }
}

const noShard: Shard = new Map();

const isSame = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
