/*
 * What this process knows of one ledger: its frames continued, its events indexed. Guarantee: a head handed out never
 * exceeds what is durable (or, with durability 'os', written), and nothing new ever appears at or below it.
 */
import { isOpossumError, StorageFailedError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import type { Query } from '../core/query.js';
import type { ChainPoint } from '../core/stored.js';
import type { Clock } from '../disk/clock.js';
import type { Awaitable } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import type { EventIndex } from '../indexing/event-index.js';
import { blockSize } from '../indexing/segment.js';
import { whenReady } from '../disk/when-ready.js';
import type { Ledger } from '../ledger/ledger.js';
import { decodeRecords, decodeText, recordText } from '../ledger/record.js';
import { Breather } from './breather.js';
import { Mutex } from './mutex.js';
import { RecordReader, type RecordRun } from './record-reader.js';
import { RecordTexts } from './record-texts.js';

/** 'commit': acknowledged means on the disk. 'os': acknowledged means handed to the operating system; a power cut may take it back. */
export type Durability = 'commit' | 'os';

/** A reader that cannot sync hands events out when the file has not changed for this long: any writer has synced by then. */
const quietMs = 1000;
/** What systems say when a file that is open for reading only cannot be synced; anything else is a failure. */
const isSyncRefusal = (error: unknown): boolean => ['EROFS', 'EBADF', 'EINVAL', 'EPERM'].includes(codeOf(error) ?? '');
/** Blocks of the index that may wait in memory before everybody waits until they are sealed. */
export const maxUnsealedBlocks = 64;
/** So many events may be written and not durable before a sync is made for the sake of memory. */
const maxUnsyncedEvents = 32 * blockSize;
/** Records read for one chunk of a stream, unless a single one is larger. */
const chunkBytes = 4 * 1024 * 1024;

/** After mending failed, readers make do with what is durable for so long. */
const mendPauseMs = 1000;

export type LedgerViewOptions = {
  readonly ledger: Ledger;
  readonly index: EventIndex;
  readonly clock: Clock;
  readonly readOnly: boolean;
  /** Whether a failed sync left its mark: until a writer has mended it, nobody may trust a sync of what is behind the durable part. */
  isSuspect(): Promise<boolean>;
  /** Mends what a failed sync left, under the lock. Returns false when that was not possible just now. */
  mend(): Promise<boolean>;
  /** Awaited when a sync failed, whether an append or a read needed it. */
  onSyncFailed(error: unknown): Promise<void>;
};

export class LedgerView {
  readonly ledger: Ledger;
  readonly index: EventIndex;
  readonly #options: LedgerViewOptions;
  readonly #breather: Breather;
  readonly #records: RecordReader;
  readonly #texts = new RecordTexts();
  /** Guards the tail: catching up, and deciding and writing a group. Never held while syncing or waiting for the lock. */
  readonly #tail = new Mutex();
  /** Up to here somebody may have been told of events that this process does not know to be durable. */
  #told = 0;
  /** Whether something was read from the ledger while the mark of a failed sync was there, and not again since. */
  #doubtful = false;
  #mendAgainMs = -Infinity;
  /** For a reader that cannot sync: what was written when it last changed, and when that was. */
  #unsyncable: { written: number; sinceMs: number } | undefined;

  constructor(options: LedgerViewOptions) {
    this.ledger = options.ledger;
    this.index = options.index;
    this.#options = options;
    this.#breather = new Breather(options.clock);
    this.#records = new RecordReader(options.ledger.file, this.#breather);
  }

  /**
   * Position up to which events may be handed out, after looking for what other processes added. It reaches `known` if that
   * event is in the ledger: somebody else may have synced it and passed its position on. No promise where nothing is new.
   */
  refresh(durability: Durability, known = 0): Awaitable<number> {
    if (this.#breather.isDue) return this.#breather.breathe().then(() => this.#refresh(durability, known));
    return this.#refresh(durability, known);
  }

  /**
   * Resolves when every event up to `position` is durable.
   * @throws StorageFailedError when a sync failed, then and ever after; what the disk threw when `isRefusal` says that it
   *   only refuses to sync such a file.
   */
  async makeDurable(position: number, isRefusal: (error: unknown) => boolean = () => false): Promise<void> {
    if (this.ledger.durable >= position) return;
    try {
      await this.ledger.makeDurable(position, isRefusal);
    } catch (error) {
      if (!isRefusal(error)) await this.#options.onSyncFailed(error);
      throw error;
    }
  }

  /** Runs `work` while nobody else in this process touches the tail. */
  exclusively<T>(work: () => Awaitable<T>): Promise<T> {
    return this.#tail.runExclusive(work);
  }

  /** Takes in what was added to the ledger, and tells `onFrame` of each frame that counts. Only within `exclusively`. */
  catchUp(onFrame?: (point: ChainPoint) => void): Awaitable<void> {
    return this.#doubtful ? this.#catchUpDoubtful(onFrame) : this.#takeIn(onFrame);
  }

  /** As `catchUp`, for a writer that others cannot have been faster than: it looks only where this process has a reason of its own to. */
  catchUpAlone(): Awaitable<void> {
    if (this.#doubtful || this.ledger.damage || !this.ledger.isSettled) return this.catchUp();
  }

  async #catchUpDoubtful(onFrame?: (point: ChainPoint) => void): Promise<void> {
    if (!(await this.#isSuspect())) {
      this.#doubtful = false;
      this.#forgetUndurable();
    }
    await this.#takeIn(onFrame);
  }

  #takeIn(onFrame?: (point: ChainPoint) => void): Awaitable<void> {
    return this.ledger.catchUp(({ point, events }) => {
      this.index.addUnread(point, events);
      this.tell(point.position);
      onFrame?.(point);
      // Without its files the whole index would gather in memory.
      return this.index.unsealed > maxUnsealedBlocks ? this.seal() : undefined;
    });
  }

  /** Moves what is full and durable of the index from memory into files. Never fails. `isLast`: before closing, however often it failed. */
  async seal(isLast = false): Promise<void> {
    await this.#limitUnsynced();
    await this.index.seal(this.ledger.durable, isLast);
    this.ledger.forgetBelow(this.index.scanFrom?.position ?? 0);
  }

  /**
   * Notes that a failed sync left its mark, or that it was mended just now: the page cache may have lost meanwhile what this
   * process has read and the disk never got. Once the mark is gone, all that is not durable is read again.
   */
  doubt(): void {
    this.#doubtful = true;
  }

  /** Notes that somebody may know of the events up to `position` already. */
  tell(position: number): void {
    if (position > this.#told) this.#told = position;
  }

  /**
   * The events at these positions, which are in the ledger, in the same order: the first of them at least, and as many as
   * take no more than a few megabytes, so that a reader's memory is bounded however large events are. With `keep` their
   * texts are kept in memory for a while: for events that may be asked for again soon.
   */
  read(positions: readonly number[], { keep }: { keep: boolean }): Awaitable<SequencedEvent[]> {
    if (keep) return this.#readAndKeep(positions);
    const events: SequencedEvent[] = [];
    const decode = ({ bytes, from, offsets }: RecordRun): void =>
      decodeRecords(bytes, offsets, (i) => positions[from + i]!, (event) => events.push(event));
    return whenReady(this.#readRecords(positions, decode), () => events);
  }

  async readOne(position: number): Promise<SequencedEvent> {
    const [event] = await this.read([position], { keep: true });
    return event!;
  }

  /** Positions that match, after `after` (exclusive) up to `upTo` (inclusive). */
  cursor(query: Query, range: { after: number; upTo: number; backwards: boolean }): ReturnType<EventIndex['cursor']> {
    return this.index.cursor(query, range);
  }

  #refresh(durability: Durability, known: number): Awaitable<number> {
    return whenReady(this.ledger.isCurrent(), (isCurrent) => {
      if (isCurrent && durability === 'os') return this.ledger.written;
      if (isCurrent && this.#wanted(known) <= this.ledger.durable) return this.ledger.durable;
      return this.#refreshTail(isCurrent, durability, known);
    });
  }

  async #refreshTail(isCurrent: boolean, durability: Durability, known: number): Promise<number> {
    const { ledger } = this;
    if (!isCurrent) await this.exclusively(() => this.catchUp());
    if (durability === 'os') return ledger.written;
    if (this.#wanted(known) > ledger.durable) {
      if (ledger.failure || ((await this.#isSuspect()) && !(await this.#mend()))) return ledger.durable;
      if (this.#doubtful) await this.exclusively(() => this.catchUp());
      if (this.#options.readOnly) return this.#refreshReadOnly();
      await this.makeDurable(this.#wanted(known));
    }
    return ledger.durable;
  }

  /** Reads what is not in memory, and puts all in order. */
  #readAndKeep(positions: readonly number[]): Awaitable<SequencedEvent[]> {
    // What is durable by now has its place for ever; other events may make room for others while they are read.
    const { durable } = this.ledger;
    const known: (string | undefined)[] = [];
    const missing: number[] = [];
    for (const position of positions) {
      const text = this.#texts.get(position);
      known.push(text);
      if (text === undefined) missing.push(position);
    }
    if (missing.length === 0) return inOrder(positions, known, []);
    const read: SequencedEvent[] = [];
    const decode = ({ bytes, from, offsets }: RecordRun): void => {
      for (let i = 0; i < offsets.length; i++) {
        const position = missing[from + i]!;
        const text = recordText(bytes, offsets[i]!);
        read.push(decodeText(text, position));
        if (position <= durable) this.#texts.add(position, text);
      }
    };
    return whenReady(this.#readRecords(missing, decode), () => (missing.length === positions.length ? read : inOrder(positions, known, read)));
  }

  /** Hands the first records to `take`, as many as make one chunk of a stream. */
  #readRecords(positions: readonly number[], take: (run: RecordRun) => void): Awaitable<void> {
    const explain = (error: unknown): never => {
      throw this.#explainRead(error);
    };
    return whenReady(this.index.locate(positions), (locations) => {
      let bytes = 0;
      const end = locations.findIndex(({ length }, i) => (bytes += length) > chunkBytes && i > 0);
      try {
        const reading = this.#records.read(positions, locations, end < 0 ? positions.length : end, take);
        return reading instanceof Promise ? reading.catch(explain) : reading;
      } catch (error) {
        return explain(error);
      }
    });
  }

  async #isSuspect(): Promise<boolean> {
    const suspect = await this.#options.isSuspect();
    if (suspect) this.#doubtful = true;
    return suspect;
  }

  /** Without appends nobody else would do it, and what was acknowledged before the sync failed would stay out of sight. */
  async #mend(): Promise<boolean> {
    const { clock, readOnly, mend } = this.#options;
    if (readOnly || clock.monotonic() < this.#mendAgainMs) return false;
    if (await mend()) return true;
    this.#mendAgainMs = clock.monotonic() + mendPauseMs;
    return false;
  }

  /** An event that is not durable may have vanished when a sync failed: then nothing that was committed is damaged. */
  #explainRead(error: unknown): unknown {
    const position = isOpossumError(error, 'LEDGER_CORRUPT') ? Number(error.details.position) : 0;
    if (!(position > this.ledger.durable)) return error;
    this.#doubtful = true;
    return new StorageFailedError(
      `The event at position ${position} of ${this.ledger.path} was not durable yet and cannot be read any more: a sync failed, and the system lost it. Read again.`,
      'not-committed',
      { file: this.ledger.path, position },
      error,
    );
  }

  #wanted(known: number): number {
    return known > this.#told && known <= this.ledger.written ? known : this.#told;
  }

  #forgetUndurable(): void {
    this.ledger.forgetUndurable();
    this.index.truncate(this.ledger.written);
    this.#told = Math.min(this.#told, this.ledger.written);
  }

  /** When nobody asks for durability nothing becomes durable, and frames and index would gather in memory for ever. */
  async #limitUnsynced(): Promise<void> {
    const { ledger } = this;
    if (this.#options.readOnly || ledger.failure || ledger.written - ledger.durable < maxUnsyncedEvents) return;
    try {
      if (!(await this.#isSuspect())) await this.makeDurable(ledger.written);
    } catch {
      // Whoever needs the events durable is told; this is about memory alone.
    }
  }

  /** Syncs where the system lets a reader do so; otherwise waits until nothing has changed for a while. */
  async #refreshReadOnly(): Promise<number> {
    const { ledger } = this;
    const now = this.#options.clock.monotonic();
    const mark = ledger.writtenPoint;
    if (this.#unsyncable?.written !== mark.position) {
      try {
        await this.makeDurable(mark.position, isSyncRefusal);
        return ledger.durable;
      } catch (error) {
        if (!isSyncRefusal(error)) throw error;
        this.#unsyncable = { written: mark.position, sinceMs: codeOf(error) === 'EROFS' ? now - quietMs : now };
      }
    }
    if (now - this.#unsyncable!.sinceMs >= quietMs && ledger.writtenPoint === mark) ledger.assumeDurable(mark);
    return ledger.durable;
  }
}

/** The events at `positions`: of those whose text is not `known` those in `read`, which may be the first of them only. */
function inOrder(positions: readonly number[], known: readonly (string | undefined)[], read: readonly SequencedEvent[]): SequencedEvent[] {
  const events: SequencedEvent[] = [];
  let taken = 0;
  for (let i = 0; i < positions.length; i++) {
    const text = known[i];
    if (text === undefined && taken === read.length) break;
    events.push(text === undefined ? read[taken++]! : decodeText(text, positions[i]!));
  }
  return events;
}
