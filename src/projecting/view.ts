/*
 * What a program holds of a projection: reads, and waiting. Promises: a read shows the state after some event, `status().position`,
 * which never goes back while the projection is not built anew; a state that was not made of these events is never shown.
 */
import { checkGiven } from '../core/check-values.js';
import { checkFields, checkList, checkPosition } from '../core/check-values.js';
import { InvalidInputError, isOpossumError, StoreClosedError, type OpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { JsonValue } from '../core/event.js';
import { describe } from '../core/json.js';
import type { StateStore } from '../core/state-store.js';
import { copyState } from './evolving.js';
import { checkVersion, inspect } from './inspection.js';
import { places } from './key-space.js';
import { Lookups } from './lookups.js';
import { emptyGeneration, loadManifest, markDamaged, type Generation } from './manifest.js';
import type { ProjectionStatus, WaitOptions } from './projection-view.js';
import { termOf, type ProjectionRules } from './rules.js';
import type { Segments } from './segments.js';
import { Table } from './table.js';

export type ViewOptions = {
  readonly store: EventStore;
  readonly state: StateStore;
  readonly rules: ProjectionRules;
  readonly segments: Segments;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly now: () => number;
  /** True to leave it to others to mend what this finds damaged. */
  readonly readOnly: boolean;
};

/** How old what is known of another process's saves may be, and how often waiting looks for newer ones. */
const freshMs = 20;

export class View {
  readonly #options: ViewOptions;
  #serving: Table;
  /** A saved generation that is not made of this store's events, or damaged, when this was opened. */
  #distrusted: string | undefined;
  #phase: ProjectionStatus['phase'] = 'reading';
  #isApplying = false;
  /** While this process applies: whom to tell of damage. */
  #distrust: ((id: string, error: unknown) => void) | undefined;
  #error: unknown;
  #head = 0;
  #building: { version: number; position: number } | undefined;
  #refreshedAtMs: number | undefined;
  #refreshing: Promise<void> | undefined;
  readonly #waiting = new Set<() => void>();

  private constructor(options: ViewOptions, serving: Table, distrusted: string | undefined) {
    this.#options = options;
    this.#serving = serving;
    this.#distrusted = distrusted;
  }

  /** @throws InvalidInputError when a newer program keeps this projection. */
  static async open(options: ViewOptions): Promise<View> {
    const { store, state, rules } = options;
    for (let attempt = 1; ; attempt++) {
      const { manifest, version, distrusted } = await inspect(store, state, rules);
      const empty = async (without: string | undefined): Promise<View> => new View(options, await loadTable(options, emptyGeneration('', rules.version)), without);
      if (manifest === undefined) return empty(distrusted);
      try {
        return new View(options, await loadTable(options, manifest.live), undefined);
      } catch (error) {
        if (!isOpossumError(error, 'STATE_DAMAGED')) throw error;
        // Whoever applies may have replaced what this manifest names.
        const again = await loadManifest(state, rules.name);
        if (again.version !== version && attempt < 10) continue;
        await tellDamage(options, manifest.live, error);
        return empty(manifest.live.id);
      }
    }
  }

  async get(key: string): Promise<JsonValue | undefined> {
    checkKey(key, 'key');
    return this.#read(async (table) => {
      const value = await table.lookup(key);
      return value === undefined ? undefined : copyState(value);
    });
  }

  async getMany(keys: readonly string[]): Promise<Map<string, JsonValue>> {
    checkList(keys, 'keys').forEach((key, i) => checkKey(key, `keys[${i}]`));
    return this.#read((table) => statesOf(table, keys));
  }

  async find(index: string, value: unknown): Promise<[string, JsonValue][]> {
    const term = termOf(index, value, `find(${JSON.stringify(index)})`);
    const { termsOf } = this.#options.rules;
    return this.#read(async (table) => {
      const states = await statesOf(table, await table.keysWith(term));
      // A state may have changed after its key was found.
      return [...states].filter(([key, state]) => termsOf(copyState(state), key).includes(term));
    });
  }

  async *entries(): AsyncGenerator<[string, JsonValue], void> {
    for (let from = 0; from < places; ) {
      const { entries, end } = await this.#read((table) => table.range(from));
      for (const [key, value] of entries) yield [key, copyState(value)];
      from = end;
    }
  }

  async waitFor(position: number, options: WaitOptions = {}): Promise<void> {
    checkGiven(position, 'position');
    checkPosition(position, 'position', 0);
    const { signal } = checkFields(options, 'options', waitKeys, 'the options of waiting') as WaitOptions;
    const { store, rules } = this.#options;
    let target: number | undefined;
    for (;;) {
      signal?.throwIfAborted();
      await this.#refresh();
      const served = this.#serving;
      const isCurrent = served.generation.version === rules.version;
      if (isCurrent && served.checkpoint.position >= Math.min(position, target ?? Infinity)) return;
      // What lies between the last event that concerns the projection and `position` need not be waited for.
      if (target === undefined && (await store.head()) >= position) {
        const last = await store.read(rules.query, { before: position + 1, backwards: true, limit: 1 }).first();
        target = last?.position ?? 0;
        continue;
      }
      if (this.#phase === 'failed') throw this.#error;
      await this.#change(signal);
    }
  }

  async ready(options?: WaitOptions): Promise<void> {
    return this.waitFor(await this.#options.store.head(), options);
  }

  status(): ProjectionStatus {
    const { name, version } = this.#options.rules;
    const { generation, checkpoint } = this.#serving;
    const building = this.#building;
    return {
      name,
      version,
      phase: this.#phase,
      servedVersion: generation.version,
      position: checkpoint.position,
      ...(building && { rebuilding: { position: building.position, head: this.#head, ratio: ratioOf(building.position, this.#head) } }),
      ...(this.#error !== undefined && { error: this.#error }),
    };
  }

  /** This process applies, or no longer does. */
  setRole(applies: boolean, distrust?: (id: string, error: unknown) => void): void {
    this.#isApplying = applies;
    this.#distrust = distrust;
    this.#building = undefined;
    this.#refreshedAtMs = undefined;
    this.#setPhase(applies ? 'catching-up' : 'reading');
  }

  get head(): number {
    return this.#head;
  }

  setHead(head: number): void {
    this.#head = Math.max(head, this.#head);
  }

  /** What this process applied. A table that is behind what was served before is not shown until it has caught up. */
  applied(table: Table, { isLive, isCaughtUp }: { isLive: boolean; isCaughtUp: boolean }): void {
    this.#building = isLive ? undefined : { version: table.generation.version, position: table.checkpoint.position };
    const isOther = this.#serving.generation.id !== table.generation.id;
    if (isLive && (isOther || table.checkpoint.position >= this.#serving.checkpoint.position)) this.#serving = table;
    if (isCaughtUp && isLive) {
      this.#error = undefined;
      this.#phase = 'live';
    }
    this.#wake();
  }

  trouble(error: unknown): void {
    this.#error = error;
  }

  /** No more is applied here: `phase` says why. */
  end(phase: 'failed' | 'closed', error: unknown): void {
    this.#error = error;
    this.#isApplying = false;
    this.#setPhase(phase);
  }

  #setPhase(phase: ProjectionStatus['phase']): void {
    if (this.#phase !== 'closed') this.#phase = phase;
    this.#wake();
  }

  /** Reads from what is served, and again from what is served by then, if another process replaced what was being read. */
  async #read<T>(work: (table: Table) => Promise<T>): Promise<T> {
    await this.#refresh();
    for (;;) {
      const table = this.#serving;
      const { generation } = table;
      try {
        return await work(table);
      } catch (error) {
        if (!isOpossumError(error, 'STATE_DAMAGED')) throw error;
        this.#refreshedAtMs = undefined;
        await this.#refresh();
        // Following makes a new generation each time; its shards stay the same object as long as nobody replaced them.
        if (this.#serving !== table || this.#serving.generation.shards !== generation.shards) continue;
        if (this.#distrust) this.#distrust(generation.id, error);
        else await tellDamage(this.#options, generation, error);
        throw error;
      }
    }
  }

  /** Takes over what another process saved, if what is known of it is not fresh. */
  async #refresh(): Promise<void> {
    if (this.#phase === 'closed') throw this.#error ?? new StoreClosedError();
    if (this.#isApplying) return;
    const nowMs = this.#options.now();
    if (this.#refreshedAtMs !== undefined && Math.abs(nowMs - this.#refreshedAtMs) < freshMs) return;
    this.#refreshing ??= this.#takeOver().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  async #takeOver(): Promise<void> {
    const { state, rules } = this.#options;
    for (let seen: number | undefined; ; ) {
      const startedAtMs = this.#options.now();
      const { manifest, version } = await loadManifest(state, rules.name);
      // Damaged, or not there: what is served stays true, and whoever applies mends it.
      if (manifest === undefined || manifest.live.id === this.#distrusted) return;
      checkVersion(rules, manifest);
      try {
        await this.#follow(manifest.live);
        this.#refreshedAtMs = startedAtMs;
        return;
      } catch (error) {
        if (!isOpossumError(error, 'STATE_DAMAGED')) throw error;
        if (version === seen) {
          await tellDamage(this.#options, manifest.live, error);
          throw error;
        }
        seen = version;
      }
    }
  }

  async #follow(live: Generation): Promise<void> {
    const serving = this.#serving;
    if (live.id === serving.generation.id) {
      // What this process applied itself may be ahead of what anybody saved.
      if (live.checkpoint.position < serving.checkpoint.position) return;
      if (!serving.hasUnsaved) return serving.follow(live);
    }
    const table = await loadTable(this.#options, live);
    if (!this.#isApplying && this.#serving === serving) this.#serving = table;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when something has changed here, or it is time to look at what others saved. */
  async #change(signal: AbortSignal | undefined): Promise<void> {
    const stop = new AbortController();
    let wake = (): void => undefined;
    const changed = new Promise<void>((resolve) => this.#waiting.add((wake = resolve)));
    const slept = this.#options.sleep(freshMs, AbortSignal.any(signal ? [stop.signal, signal] : [stop.signal])).catch(() => undefined);
    await Promise.race([changed, slept]);
    this.#waiting.delete(wake);
    stop.abort();
  }
}

const waitKeys = new Set(['signal']);

/** Tells the process that applies. An older generation is left alone: it goes away when the newer one takes its place. */
async function tellDamage({ state, rules, readOnly }: ViewOptions, { id, version }: Generation, error: OpossumError): Promise<void> {
  if (readOnly || version !== rules.version) return;
  // Whoever finds it next tries again.
  await markDamaged(state, rules.name, id, error.message).catch(() => undefined);
}

function loadTable({ rules, segments }: ViewOptions, generation: Generation): Promise<Table> {
  return Table.load(generation, segments, new Lookups(rules.termsOf));
}

async function statesOf(table: Table, keys: readonly string[]): Promise<Map<string, JsonValue>> {
  const states = new Map<string, JsonValue>();
  for (const [i, value] of (await table.lookupAll(keys)).entries()) if (value !== undefined) states.set(keys[i]!, copyState(value));
  return states;
}

export function ratioOf(position: number, head: number): number {
  return head === 0 ? 1 : Math.min(1, position / head);
}

function checkKey(key: unknown, path: string): void {
  if (typeof key !== 'string') throw new InvalidInputError(path, `is ${describe(key)}; it must be a string.`);
}
