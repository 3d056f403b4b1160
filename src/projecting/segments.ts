/* Segments: immutable pieces of a projection, each saved once under a name that is never used again. Those used last stay in memory. */
import { isOpossumError, StateDamagedError } from '../core/errors.js';
import type { JsonValue } from '../core/event.js';
import type { StateStore } from '../core/state-store.js';
import { bounds } from './bounds.js';
import { folderOf, isEntries, type SavedEntry } from './manifest.js';

export type Shard = ReadonlyMap<string, JsonValue>;

export class Segments {
  readonly #state: StateStore;
  readonly #folder: string;
  /** What names of this one begin with: no two writers may ever make the same. */
  readonly #token: string;
  #made = 0;
  /** Shards in memory, the one used last at the end. */
  readonly #shards = new Map<string, { shard: Shard; bytes: number }>();
  readonly #loading = new Map<string, Promise<Shard | undefined>>();
  #bytes = 0;

  constructor(state: StateStore, projection: string, token: string) {
    this.#state = state;
    this.#folder = folderOf(projection);
    this.#token = token;
  }

  /** A name that nobody has used. */
  newName(): string {
    return `${this.#token}-${++this.#made}`;
  }

  /** The shard, if it is in memory. */
  cached(name: string): Shard | undefined {
    const found = this.#shards.get(name);
    if (found === undefined) return undefined;
    this.#shards.delete(name);
    this.#shards.set(name, found);
    return found.shard;
  }

  /** Undefined when nothing is saved under the name. `bytes` is its size. */
  async shard(name: string, bytes: number): Promise<Shard | undefined> {
    const cached = this.cached(name) ?? this.#loading.get(name);
    if (cached !== undefined) return cached;
    const loading = this.entries(name).then((entries) => {
      const shard = entries && new Map(entries as [string, JsonValue][]);
      if (shard) this.keep(name, shard, bytes);
      return shard;
    });
    this.#loading.set(name, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(name);
    }
  }

  /** Keeps a shard in memory, and lets go of those that were not used for the longest time. */
  keep(name: string, shard: Shard, bytes: number): void {
    this.#forget(name);
    this.#shards.set(name, { shard, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#shards.keys()) {
      if (this.#bytes <= bounds.cacheBytes || oldest === name) break;
      this.#forget(oldest);
    }
  }

  /** @throws StateDamagedError */
  async entries(name: string): Promise<readonly SavedEntry[] | undefined> {
    const saved = await this.#state.load(`${this.#folder}/${name}`);
    if (saved === undefined) return undefined;
    const entries = (saved.value as { entries?: unknown } | null)?.entries;
    if (isEntries(entries)) return entries;
    throw new StateDamagedError(`${this.#folder}/${name}`, 'it is no segment of a projection');
  }

  async save(entries: readonly SavedEntry[]): Promise<string> {
    const name = this.newName();
    await this.#state.save(`${this.#folder}/${name}`, { entries }, { expected: 0 });
    return name;
  }

  missing(name: string): StateDamagedError {
    return new StateDamagedError(`${this.#folder}/${name}`, 'it is missing');
  }

  /** Removes segments that no manifest names any more. What stays, the next one who applies removes. */
  async remove(names: Iterable<string>): Promise<void> {
    for (const name of names) {
      this.#forget(name);
      try {
        await this.#state.remove(`${this.#folder}/${name}`);
      } catch (error) {
        if (!isOpossumError(error)) throw error;
      }
    }
  }

  /** The names of all segments that are there, needed or not. */
  async list(): Promise<string[]> {
    const names = await this.#state.list(this.#folder);
    return names.map((name) => name.slice(this.#folder.length + 1)).filter((name) => name !== 'manifest');
  }

  #forget(name: string): void {
    this.#bytes -= this.#shards.get(name)?.bytes ?? 0;
    this.#shards.delete(name);
  }
}
