/*
 * Decides of what a new ledger is made, position by position: of whole frames that are proven, and where there is none, of
 * event files and of records that survived in a damaged frame. Guarantee: a frame that did not count is never taken, and
 * what nothing tells is listed as lost, not guessed.
 */
import type { AppendCondition } from '../../core/condition.js';
import type { EventFileSource } from '../../eventfiles/event-file-source.js';
import type { Breather } from '../breather.js';
import type { FrameTable, KnownFrame } from './frame-table.js';
import type { LedgerRemains } from './ledger-remains.js';
import { ProvenFrames } from './proven-frames.js';
import type { RecordFinder, RecordPlace } from './record-finder.js';

/** Where one event comes from. */
export type EventOrigin = 'event file' | RecordPlace | 'lost';

/** A batch that is put together. */
export type MadeBatch = {
  readonly first: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly condition: AppendCondition | undefined;
  readonly origins: readonly EventOrigin[];
};

/** The number of a whole frame in the plan's `frames`, which there may be a million of, or a batch that is put together. */
export type PlannedBatch = number | MadeBatch;

export type RebuildPlan = {
  readonly frames: FrameTable;
  readonly batches: readonly PlannedBatch[];
  /** Position of the last event. */
  readonly head: number;
  /** Positions (inclusive) that nothing tells of. */
  readonly lost: readonly { readonly first: number; readonly last: number }[];
};

export type PlanOptions = {
  readonly remains: LedgerRemains;
  readonly eventFiles: EventFileSource;
  readonly records: RecordFinder;
  /** Up to this position there were events: somebody outside the ledger says so. */
  readonly knownEnd: number;
  /** For batches of which nothing tells the time, when none comes before them. */
  readonly nowMs: number;
  readonly breather: Breather;
  readonly signal: AbortSignal | undefined;
};

/** What is known of a batch whose frame is gone. */
type BatchFacts = { readonly first: number; readonly count: number; readonly time: number };

export async function planRebuild(options: PlanOptions): Promise<RebuildPlan> {
  const planner = new Planner(options, await ProvenFrames.of(options.remains, options.breather));
  await planner.run();
  return planner.plan();
}

class Planner {
  readonly #options: PlanOptions;
  readonly #proven: ProvenFrames;
  readonly #batches: PlannedBatch[] = [];
  readonly #lost: { first: number; last: number }[] = [];
  #next = 1;
  #end: number;
  /** Offset behind the last frame whose place is known. */
  #offset: number;
  #time: number;

  constructor(options: PlanOptions, proven: ProvenFrames) {
    this.#options = options;
    this.#proven = proven;
    this.#end = Math.max(options.knownEnd, this.#proven.end);
    this.#offset = options.remains.start;
    this.#time = options.nowMs;
  }

  plan(): RebuildPlan {
    return { frames: this.#options.remains.frames, batches: this.#batches, head: this.#next - 1, lost: this.#lost };
  }

  async run(): Promise<void> {
    const { eventFiles, remains, breather, signal } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      await breather.breathe();
      const frame = await this.#frameAt(this.#next);
      if (frame) this.#takeFrame(frame);
      else if (this.#next <= this.#end) await this.#makeBatches();
      else {
        this.#end = await eventFiles.endBeyond(this.#next - 1, remains.knownFrames === 0);
        if (this.#next > this.#end) return;
      }
    }
  }

  /** The whole frame that holds the batch from this position on, if one is proven. */
  async #frameAt(first: number): Promise<KnownFrame | undefined> {
    const durable = this.#proven.at(first);
    if (durable) return durable.isWhole ? durable : undefined;
    const candidates = this.#proven.candidates(first, this.#offset).filter((frame) => first + frame.count - 1 <= this.#limit());
    const link = this.#proven.checksumAt(first - 1);
    const linked = candidates.find((frame) => frame.previous === link);
    if (linked) return linked;
    for (const frame of candidates) {
      if (await this.#isInEventFiles(frame)) return frame;
    }
    return undefined;
  }

  #takeFrame(frame: KnownFrame): void {
    this.#batches.push(frame.index);
    this.#proven.take(frame);
    this.#advance(frame, frame.count, frame.time);
  }

  #advance(frame: KnownFrame | undefined, count: number, time: number): void {
    this.#next += count;
    this.#time = time;
    if (frame) this.#offset = frame.offset + 1;
  }

  /** Position of the last event before the next frame that is proven. */
  #limit(): number {
    return this.#proven.nextFirst(this.#next) - 1;
  }

  /** Event files are only ever made from durable frames: a frame that they repeat counted. */
  async #isInEventFiles({ first, count, time }: KnownFrame): Promise<boolean> {
    for (let position = first; position < first + count; position++) {
      const batch = (await this.#options.eventFiles.read(position))?.batch;
      if (batch) return batch.first === first && batch.count === count && Date.parse(batch.time) === Math.trunc(time);
    }
    return false;
  }

  /** Puts together what begins at the next position from event files and surviving records. */
  async #makeBatches(): Promise<void> {
    const damaged = this.#proven.at(this.#next);
    if (damaged) return this.#makeDamaged(damaged);
    const facts = await this.#factsFromFiles(this.#next);
    if (facts) return this.#makeFromFiles(facts);
    const run = await this.#recordsFrom(this.#next);
    this.#add({ first: this.#next, count: Math.max(1, run.length), time: this.#time }, undefined, run.length > 0 ? run : ['lost']);
  }

  /** A proven frame whose body is damaged: its head tells all but the events and the condition. */
  async #makeDamaged(frame: KnownFrame): Promise<void> {
    const { first, count, time } = frame;
    const { records, eventFiles } = this.#options;
    const found = await records.within(frame);
    const origins: EventOrigin[] = [];
    for (let position = first; position < first + count; position++) {
      const file = found.get(position) ? undefined : (await eventFiles.read(position))?.batch;
      const isSame = file?.first === first && file.count === count && Date.parse(file.time) === Math.trunc(time);
      origins.push(found.get(position) ?? (isSame ? 'event file' : 'lost'));
    }
    const firstFile = await eventFiles.read(first);
    const isSame = firstFile?.batch.first === first && firstFile.batch.count === count && Date.parse(firstFile.batch.time) === Math.trunc(time);
    // Damage that the records explain did not touch the condition.
    const condition = isSame ? firstFile.batch.condition : found.size < count ? await records.conditionOf(frame) : undefined;
    this.#proven.take(frame);
    this.#add({ first, count, time }, condition, origins, frame);
  }

  /** What the event files say of the batch that begins here. */
  async #factsFromFiles(first: number): Promise<BatchFacts | undefined> {
    const limit = this.#limit();
    for (let position = first; position <= Math.min(this.#end, limit); position++) {
      const batch = (await this.#options.eventFiles.read(position))?.batch;
      if (!batch) continue;
      const fits = batch.first === first && first + batch.count - 1 <= limit;
      return fits ? { first, count: batch.count, time: Date.parse(batch.time) } : undefined;
    }
    return undefined;
  }

  async #makeFromFiles(facts: BatchFacts): Promise<void> {
    const { eventFiles } = this.#options;
    const { first, count, time } = facts;
    const origins: EventOrigin[] = [];
    for (let position = first; position < first + count; position++) {
      const batch = (await eventFiles.read(position))?.batch;
      const isSame = batch?.first === first && batch.count === count && Date.parse(batch.time) === time;
      origins.push(isSame ? 'event file' : ((await this.#findRecords()).get(position) ?? 'lost'));
    }
    const condition = origins[0] === 'event file' ? (await eventFiles.read(first))?.batch.condition : undefined;
    this.#add(facts, condition, origins);
  }

  /** Records that follow each other without a frame's head between them: they were one batch. */
  async #recordsFrom(first: number): Promise<RecordPlace[]> {
    const found = await this.#findRecords();
    const run: RecordPlace[] = [];
    for (let place = found.get(first); place && (run.length === 0 || run[run.length - 1]!.end === place.offset); place = found.get(first + run.length)) {
      run.push(place);
      if (await this.#options.eventFiles.read(first + run.length)) break;
    }
    return run;
  }

  /** Records that lie before the next frame that is proven, of all positions before it. */
  #findRecords(): Promise<ReadonlyMap<number, RecordPlace>> {
    const stretch = { from: this.#offset, to: this.#proven.nextOffset(this.#next) ?? this.#options.remains.size };
    return this.#options.records.between(stretch, this.#next, Math.min(this.#limit(), this.#end), (frame) => this.#proven.isProven(frame));
  }

  #add(facts: BatchFacts, condition: AppendCondition | undefined, origins: readonly EventOrigin[], frame?: KnownFrame): void {
    const { first, count, time } = facts;
    this.#batches.push({ first, time, condition, origins });
    origins.forEach((origin, i) => {
      if (origin !== 'lost') return;
      const run = this.#lost[this.#lost.length - 1];
      if (run?.last === first + i - 1) run.last++;
      else this.#lost.push({ first: first + i, last: first + i });
    });
    this.#advance(frame, count, time);
  }
}
