/*
 * One stretch of applying, for as long as the lease is held. Promises: what is saved is the state after exactly the events up to its
 * checkpoint. Everything that an event changes is saved by one save of the manifest, under the version that was loaded: whoever lost
 * the lease fails there, and what he wrote is garbage.
 */
import { nextTurn } from '../core/defaults.js';
import { ProjectionFailedError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { SequencedEvent } from '../core/event.js';
import type { StateStore } from '../core/state-store.js';
import { traced, traces } from '../core/traces.js';
import { isPromise } from '../modelling/schema-check.js';
import { bounds } from './bounds.js';
import { evolve, failAt, type Prepared } from './evolving.js';
import { inspect, type Trouble } from './inspection.js';
import { Intake } from './intake.js';
import { Lookups } from './lookups.js';
import { emptyGeneration, loadManifest, manifestName, segmentsIn, type Generation, type Manifest } from './manifest.js';
import { readRelated } from './related.js';
import type { ProjectionRules } from './rules.js';
import type { Segments } from './segments.js';
import { Table, type Pending } from './table.js';
import { writePending } from './writing.js';

export type ProjectorOptions = {
  readonly store: EventStore;
  readonly state: StateStore;
  readonly rules: ProjectionRules;
  readonly segments: Segments;
  readonly now: () => number;
  /** A generation that a reader, or an earlier stretch, found damaged. */
  readonly damaged: { readonly id: string; readonly message: string } | undefined;
  /** Called after each batch, and when something was saved. `isLive` is false while it is built beside the one that serves. */
  readonly onApplied: (table: Table, how: { isLive: boolean; isCaughtUp: boolean }) => void;
  readonly onSaved: (position: number, isCaughtUp: boolean) => void;
  readonly onRebuild: (trouble: Trouble) => void;
};

/** How long applying may keep the rest of the process waiting: nobody else gets to work, and a lease is lost that way. */
const breathMs = 20;

export class Projector {
  readonly #options: ProjectorOptions;
  #table!: Table;
  #manifest!: Manifest;
  #expected: number | undefined;
  /** Whether it is built beside the one that serves. */
  #isNext = false;
  #isCaughtUp = false;
  #intake: Intake | undefined;
  #saving: Promise<void> | undefined;
  #unsavedEvents = 0;
  #savedAtMs = 0;
  /** What was taken and not saved is missing in all that would be saved later. */
  #saveFailure: { error: unknown } | undefined;

  constructor(options: ProjectorOptions) {
    this.#options = options;
  }

  /** The generation that it works on, once it has begun. */
  get generationId(): string | undefined {
    return this.#table?.generation.id;
  }

  /** Somebody who reads found that generation damaged: ends with the error, if this is the one that it works on. */
  distrust(id: string, error: unknown): void {
    if (id === this.generationId) this.#intake?.fail(error);
  }

  /** Whether nobody else has saved since this one did: else what seems to be damaged was only replaced. */
  async isNewest(): Promise<boolean> {
    const { version } = await loadManifest(this.#options.state, this.#options.rules.name);
    return version === this.#expected;
  }

  /**
   * Applies events, those stored and then those to come, until `signal` aborts, or rejects with what went wrong; either way with
   * what was applied saved, if that is possible. `lost` aborts when another process may apply.
   */
  async run(signal: AbortSignal, lost: AbortSignal): Promise<void> {
    await this.#begin();
    const stop = AbortSignal.any([signal, lost]);
    if (stop.aborted) return;
    const { store, rules } = this.#options;
    const ended = new AbortController();
    const after = this.#table.checkpoint.position;
    const signals = AbortSignal.any([stop, ended.signal]);
    const intake = new Intake((onCaughtUp) => store.subscribe(rules.query, { after, signal: signals, onCaughtUp }));
    this.#intake = intake;
    try {
      await this.#applyAll(intake, stop);
    } catch (error) {
      if (error instanceof ProjectionFailedError) await this.#saveRest(lost);
      throw error;
    } finally {
      ended.abort();
      await this.#saving?.catch(() => undefined);
    }
    await this.#saveRest(lost);
  }

  /** Decides what to build on, and clears away what others left behind. */
  async #begin(): Promise<void> {
    const { store, state, rules, segments, damaged } = this.#options;
    // Listed before the manifest is loaded: what somebody writes who takes the lease over later must not look like garbage.
    const listed = await segments.list();
    const { manifest, version, trouble } = await inspect(store, state, rules);
    this.#expected = version;
    const fresh = (): Generation => emptyGeneration(segments.newName(), rules.version);
    const usable = (generation: Generation): boolean => generation.version === rules.version && generation.id !== damaged?.id;
    let found = trouble;
    if (manifest === undefined) {
      this.#manifest = { format: 1, live: fresh(), next: null };
    } else if (manifest.live.version === rules.version) {
      if (!usable(manifest.live)) found = { reason: 'damaged', message: damaged!.message };
      this.#manifest = { format: 1, live: usable(manifest.live) ? manifest.live : fresh(), next: null };
    } else {
      if (manifest.next?.id === damaged?.id && damaged) found = { reason: 'damaged', message: damaged.message };
      else if (!manifest.next || !usable(manifest.next)) found ??= { reason: 'version', message: `version ${manifest.live.version} is saved, and this is version ${rules.version}` };
      this.#manifest = { ...manifest, next: manifest.next && usable(manifest.next) ? manifest.next : fresh() };
    }
    this.#isNext = this.#manifest.next !== null;
    await this.#openTable();
    const named = segmentsIn(this.#manifest);
    const garbage = listed.filter((name) => !named.has(name));
    if (found) this.#options.onRebuild(found);
    // After this save nobody who held the lease before can save any more, so what he left is nobody's.
    if (garbage.length > 0 || found) await this.#commit(this.#manifest);
    await segments.remove(garbage);
    this.#savedAtMs = this.#options.now();
    this.#tell();
  }

  async #openTable(): Promise<void> {
    const { rules, segments } = this.#options;
    const generation = this.#manifest.next ?? this.#manifest.live;
    this.#table = new Table({ ...generation, deltas: [] }, segments, new Lookups(rules.termsOf));
    await this.#table.follow(generation);
  }

  async #applyAll(intake: Intake, stop: AbortSignal): Promise<void> {
    const most = this.#options.rules.related ? bounds.relatedEvents : bounds.intakeEvents / 2;
    while (!stop.aborted) {
      const taken = await intake.take(most);
      if (taken === undefined) return;
      for (let rest = taken.events; rest.length > 0 && !stop.aborted; ) {
        const prepared = await this.#prepare(rest);
        await this.#table.fetch(prepared.flatMap(({ keys }) => keys));
        await this.#applyPrepared(prepared, stop);
        rest = rest.slice(prepared.length);
      }
      this.#isCaughtUp ||= taken.isCaughtUp;
      this.#tell();
      this.#saveIfDue();
      // The disk is slower than the events come: wait, so that what is unsaved does not grow.
      if (this.#unsavedEvents >= 2 * bounds.saveEvents || this.#table.unsavedBytes >= 2 * bounds.saveBytes) await this.#saving?.catch(() => undefined);
    }
  }

  async #applyPrepared(prepared: readonly Prepared[], stop: AbortSignal): Promise<void> {
    const { now } = this.#options;
    let breathedAtMs = now();
    for (const one of prepared) {
      const later = this.#apply(one);
      if (later) await later;
      if (Math.abs(now() - breathedAtMs) < breathMs) continue;
      await nextTurn();
      if (stop.aborted) return;
      breathedAtMs = now();
    }
  }

  /** Brings events up to date and reads what they need: all of them, or those before the first that fails, which is told when it is the first. */
  async #prepare(events: readonly SequencedEvent[]): Promise<readonly Prepared[]> {
    const { store, rules } = this.#options;
    try {
      const parsed: SequencedEvent[] = [];
      for (const event of events) {
        const result = failAt(rules, event, () => rules.parse(event));
        parsed.push(isPromise(result) ? await result.catch((error: unknown) => failAt(rules, event, () => { throw error; })) : result);
      }
      const withKeys = parsed.map((event) => ({ event, keys: failAt(rules, event, () => rules.keysOf(event)), related: [] }));
      const { related } = rules;
      if (related === undefined) return withKeys;
      const wanted = parsed.map((event) => ({ event, query: failAt(rules, event, () => related.queryFor(event)) }));
      const found = await readRelated(store, rules, related, wanted);
      return withKeys.map((one, i) => ({ ...one, related: found[i]! }));
    } catch (error) {
      const before = error instanceof ProjectionFailedError ? events.filter(({ position }) => position < error.position) : [];
      if (before.length === 0) throw error;
      return this.#prepare(before);
    }
  }

  #apply(prepared: Prepared): Promise<void> | void {
    const changes = evolve(this.#table, this.#options.rules, prepared);
    const { event } = prepared;
    const apply = (made: Awaited<typeof changes>): void => {
      this.#table.apply(made, { position: event.position, id: event.id });
      this.#unsavedEvents++;
    };
    return isPromise(changes) ? changes.then(apply) : apply(changes);
  }

  #tell(): void {
    this.#options.onApplied(this.#table, { isLive: !this.#isNext, isCaughtUp: this.#isCaughtUp });
  }

  #saveIfDue(): void {
    if (this.#saving !== undefined || this.#saveFailure !== undefined || !this.#isDue()) return;
    const saving = this.#saveWhileDue();
    this.#saving = saving;
    const done = (): void => {
      this.#saving = undefined;
    };
    saving.then(done, (error: unknown) => {
      done();
      this.#saveFailure = { error };
      this.#intake?.fail(error);
    });
  }

  #isDue(): boolean {
    if (this.#isCaughtUp) return this.#isNext || this.#table.hasUnsaved;
    const elapsedMs = Math.abs(this.#options.now() - this.#savedAtMs);
    return this.#unsavedEvents >= bounds.saveEvents || this.#table.unsavedBytes >= bounds.saveBytes || (this.#table.hasUnsaved && elapsedMs >= bounds.saveMs);
  }

  async #saveWhileDue(): Promise<void> {
    while (this.#isDue()) await this.#save();
  }

  /** Saves what is applied at this moment; the manifest comes last, and with it everything counts. */
  #save(): Promise<void> {
    const { name, version } = this.#options.rules;
    const events = this.#unsavedEvents;
    const pending = this.#table.take();
    this.#unsavedEvents = 0;
    const { position } = this.#table.checkpoint;
    return traced(traces.project, () => ({ projection: name, version, position, events, keys: pending?.keys ?? 0 }), () => this.#write(pending));
  }

  async #write(pending: Pending | undefined): Promise<void> {
    const isComplete = this.#isCaughtUp && this.#isNext;
    const { generation, keys } = pending ? await writePending(this.#options.segments, this.#table.generation, pending) : { generation: this.#table.generation, keys: new Map() };
    const before = this.#manifest;
    if (!this.#isNext || isComplete) await this.#commit({ format: 1, live: generation, next: null });
    else await this.#commit({ ...before, next: generation });
    if (pending) this.#table.saved(generation, pending, keys);
    this.#isNext &&= !isComplete;
    this.#savedAtMs = this.#options.now();
    this.#tell();
    this.#options.onSaved(generation.checkpoint.position, this.#isCaughtUp);
    const kept = segmentsIn(this.#manifest);
    await this.#options.segments.remove([...segmentsIn(before)].filter((name) => !kept.has(name)));
  }

  async #commit(manifest: Manifest): Promise<void> {
    const { state, rules } = this.#options;
    const expected = this.#expected;
    this.#expected = await state.save(manifestName(rules.name), manifest, expected === undefined ? {} : { expected });
    this.#manifest = manifest;
  }

  async #saveRest(lost: AbortSignal): Promise<void> {
    await this.#saving?.catch(() => undefined);
    if (this.#saveFailure) throw this.#saveFailure.error;
    if (!lost.aborted && this.#table.hasUnsaved) await this.#save();
  }
}
