/*
 * The append-only file of frames: continues the chain over what other processes added, places and writes frames, and knows
 * what is durable. Guarantee: bytes once written are never changed; `durable` only names frames that were fully written
 * before a sync that succeeded was started, by this process or, by the word of a frame's base, by another.
 * Callers serialise `catchUp`, `plan` and `write`; `makeDurable` may run beside them.
 */
import { LedgerCorruptError, StorageFailedError } from '../core/errors.js';
import type { Clock } from '../disk/clock.js';
import type { Awaitable, DiskFile } from '../disk/disk.js';
import { whenReady } from '../disk/when-ready.js';
import type { ChainMark, ChainPoint, UnreadFrame } from '../core/stored.js';
import { Chain } from './chain.js';
import { FrameScan, type FoundFrame } from './frame-scan.js';
import { placeFrame, type DraftFrame } from './frame.js';
import { headerPoint, type LedgerHeader } from './header.js';
import { chainPoint, orphanError, unreadFrame } from './scan-chain.js';

/** A frame that counts, and its events. */
export type CountedFrame = { readonly point: ChainPoint; readonly events: UnreadFrame };

export class Ledger {
  readonly header: LedgerHeader;
  readonly path: string;
  readonly file: DiskFile;
  readonly #clock: Clock;
  readonly #chain: Chain;
  /** Where the scan began and goes on: until the first frame there was checked, the scan has not begun. */
  #start: ChainPoint | undefined;
  /** Offset behind the last whole frame; what lies beyond is pending. */
  #scanned: number;
  /** Size of the file when it was last scanned. */
  #size = 0;
  /** False while `catchUp` or a write is going on, and when one failed: then what is in the file may differ from what is known of it. */
  #settled = true;
  #planned: DraftFrame[] = [];
  #plannedEnd = 0;
  /** The last frame that is in the file, not only planned. */
  #written: ChainPoint;
  #durable: ChainMark;
  #syncing: Promise<void> | undefined;
  #failure: StorageFailedError | undefined;
  #damage: LedgerCorruptError | undefined;

  /** `start` is where an index block says that the chain goes on; the ledger's beginning when absent. */
  constructor(path: string, file: DiskFile, header: LedgerHeader, start: ChainPoint | undefined, clock: Clock) {
    this.path = path;
    this.file = file;
    this.header = header;
    this.#clock = clock;
    this.#chain = new Chain(header.ledgerId, start ?? headerPoint(header));
    this.#start = start;
    this.#scanned = start?.offset ?? header.end;
    this.#written = this.#chain.last;
    // A block is sealed over durable frames only, and the header is durable before anything else is written.
    this.#durable = this.#chain.last;
  }

  /** Position of the last frame that counts, durable or not; frames that are only planned included. */
  get last(): number {
    return this.#chain.last.position;
  }

  /** The last frame that counts or is planned. */
  get lastPoint(): ChainPoint {
    return this.#chain.last;
  }

  /** Position of the last event that is in the file. */
  get written(): number {
    return this.#written.position;
  }

  /** Position of the last durable event. */
  get durable(): number {
    return this.#durable.position;
  }

  /** Whether everything is known that this process wrote into the file, or that was in it when it last looked; when that failed, only `catchUp` tells. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** Whether the file has the size that it had when it was last scanned. */
  isCurrent(): Awaitable<boolean> {
    return whenReady(this.file.stat(), ({ size }) => size === this.#size);
  }

  /**
   * Scans what was added to the file, by whomever. Hands each frame that counts to `take` in the very moment in which it
   * counts, so that whoever asks meanwhile finds `written` and what `take` keeps in step; waits when `take` wants to.
   */
  catchUp(take: (frame: CountedFrame) => Awaitable<void>): Awaitable<void> {
    if (this.#damage) throw this.#damage;
    this.#settled = false;
    return whenReady(this.file.stat(), ({ size }) => {
      if (size !== this.#size) return this.#scan(size, take);
      this.#settled = true;
    });
  }

  /** Scans up to `size`, the size of the file. */
  async #scan(size: number, take: (frame: CountedFrame) => Awaitable<void>): Promise<void> {
    if (size < this.#scanned) throw this.#corrupt('is shorter than it was: committed events are missing', size);
    const scan = new FrameScan(this.file, this.#scanned, size);
    if (this.#start) await take(await this.#checkStart(scan, this.#start));
    for (;;) {
      const scanning = scan.next();
      const frame = scanning instanceof Promise ? await scanning : scanning;
      if (!frame) break;
      const verdict = this.#chain.judge(frame.head, frame.offset);
      if (verdict === 'orphan') throw this.#damaged(orphanError(frame, this.last));
      if (verdict !== 'counts') continue;
      const taken = take(this.#count(frame));
      this.#scanned = frame.end;
      if (taken) await taken;
    }
    this.#scanned = scan.position;
    this.#size = size;
    this.#settled = true;
  }

  /**
   * Places a draft behind everything that is in the file or planned, as if it counted already.
   * The engine decides whole groups on this assumption; `write` tells whether it held.
   */
  plan(draft: DraftFrame): ChainPoint {
    const offset = this.#planned.length === 0 ? this.#size : this.#plannedEnd;
    const { position, checksum: previous } = this.#chain.last;
    const checksum = placeFrame(draft, {
      writtenAt: offset,
      first: position + 1,
      time: this.#clock.now(),
      ledgerId: this.header.ledgerId,
      previous,
      base: this.#durable,
    });
    const point = { position: position + draft.records.length - 1, offset, checksum };
    this.#planned.push(draft);
    this.#plannedEnd = offset + draft.bytes.length;
    this.#chain.add(point);
    return point;
  }

  /**
   * Writes what is planned, in one call. Returns true when it lies where it was planned to lie: then it counts.
   * Otherwise nothing is planned any more, and `catchUp` tells which of the frames count all the same.
   * @throws what the disk threw, after taking the plan back.
   */
  async write(): Promise<boolean> {
    const bytes = this.#planned.length === 1 ? this.#planned[0]!.bytes : Buffer.concat(this.#planned.map((draft) => draft.bytes));
    const expected = this.#plannedEnd;
    this.#planned = [];
    this.#settled = false;
    try {
      const count = await this.file.append(bytes);
      const { size } = await this.file.stat();
      // What was written behind the new end may reach beyond the old one: later looks at the size would find nothing missing.
      if (size < this.#size + count) throw this.#corrupt('is shorter than it was: committed events are missing', size);
      if (count === bytes.length && size === expected) {
        this.#scanned = this.#size = expected;
        this.#written = this.#chain.last;
        this.#settled = true;
        return true;
      }
    } catch (error) {
      this.#chain.truncate(this.#written.position);
      throw error;
    }
    this.#chain.truncate(this.#written.position);
    return false;
  }

  /** Forgets what was planned and not written. */
  discardPlan(): void {
    this.#planned = [];
    this.#chain.truncate(this.#written.position);
  }

  /**
   * Resolves when every event up to `position` (inclusive, in the file) is durable. Syncs one at a time: callers that come
   * during a sync share the next one.
   * @throws StorageFailedError with outcome 'unknown' when a sync failed, then and ever after; what the disk threw when
   *   `isRefusal` says that it only refuses to sync such a file.
   */
  async makeDurable(position: number, isRefusal: (error: unknown) => boolean = () => false): Promise<void> {
    while (this.#durable.position < position) {
      if (this.#failure) throw this.#failure;
      if (position > this.#written.position) throw this.#vanished(position);
      if (this.#syncing) {
        await this.#syncing.catch(() => undefined);
      } else {
        this.#syncing = this.#sync(isRefusal);
        try {
          await this.#syncing;
        } finally {
          this.#syncing = undefined;
        }
      }
    }
  }

  /** Set for ever once committed data was found damaged or missing. */
  get damage(): LedgerCorruptError | undefined {
    return this.#damage;
  }

  /** Set for ever once a sync failed. */
  get failure(): StorageFailedError | undefined {
    return this.#failure;
  }

  /**
   * Takes the word of a checkpoint that the frame `mark` was durable.
   * @throws LedgerCorruptError when it is not on the chain: what was durable is gone (R10).
   */
  assumeDurable(mark: ChainMark): void {
    if (mark.position > this.last || !this.#chain.includes(mark)) {
      throw this.#corrupt(`ends with position ${this.last} or leaves the chain before, but events up to position ${mark.position} were durable`, this.#size);
    }
    if (mark.position > this.#durable.position) this.#durable = mark;
  }

  /**
   * Forgets the frames that are not known to be durable; `catchUp` finds those that are still there. After a sync failed,
   * whoever's, the page cache may lose bytes that the disk never got: a frame built upon them would never count.
   */
  forgetUndurable(): void {
    const point = this.durablePoint;
    if (this.#start || !point) return;
    this.#planned = [];
    this.#chain.truncate(point.position);
    this.#written = point;
    // The durable frame itself is found again, and is void behind itself.
    this.#scanned = point.position === 0 ? this.header.end : point.offset;
    this.#size = 0;
    this.#settled = false;
  }

  /** Whether a durable frame of another checksum has this position: then committed data was damaged, and its position handed out again. */
  contradicts(mark: ChainMark): boolean {
    return mark.position <= this.#durable.position && !this.#chain.includes(mark);
  }

  /** The last frame that is in the file. */
  get writtenPoint(): ChainPoint {
    return this.#written;
  }

  /** The last frame known to be durable; undefined when it is no longer remembered. */
  get durablePoint(): ChainPoint | undefined {
    return this.#chain.find(this.#durable.position);
  }

  /** Offset behind the last whole frame. */
  get end(): number {
    return this.#scanned;
  }

  /** Frames below `position` are sealed in the index and need not be remembered. */
  forgetBelow(position: number): void {
    this.#chain.forgetBelow(Math.min(position, this.#durable.position));
  }

  async #sync(isRefusal: (error: unknown) => boolean): Promise<void> {
    const mark = this.#written;
    try {
      await this.file.dataSync();
    } catch (error) {
      if (isRefusal(error)) throw error;
      this.#failure = new StorageFailedError(
        `Syncing ${this.path} failed (${error instanceof Error ? error.message : String(error)}). Whether the last appends are stored is unknown, ` +
          'and this store takes no more. Close it, look after the disk, open it again, and repeat the appends with the same event ids.',
        'unknown',
        { file: this.path },
        error,
      );
      throw this.#failure;
    }
    // The frame may have been forgotten during the sync.
    if (mark.position > this.#durable.position && this.#chain.includes(mark)) this.#durable = mark;
  }

  #vanished(position: number): StorageFailedError {
    return new StorageFailedError(
      `Position ${position} is no longer in ${this.path}: a sync of another process failed, and the system lost what was not on the disk. ` +
        'Close the store, look after the disk, open it again, and repeat the last appends with the same event ids.',
      'unknown',
      { file: this.path, position },
    );
  }

  /** R11. */
  async #checkStart(scan: FrameScan, start: ChainPoint): Promise<CountedFrame> {
    const frame = await scan.next();
    if (!frame || frame.offset !== start.offset || frame.head.checksum !== start.checksum) {
      throw this.#corrupt(`lacks the frame of position ${start.position}, which the index knows to be durable`, start.offset);
    }
    this.#start = undefined;
    return { point: start, events: unreadFrame(frame) };
  }

  #count(frame: FoundFrame): CountedFrame {
    const point = chainPoint(frame);
    this.#chain.add(point);
    this.#written = point;
    if (frame.head.base.position > this.#durable.position) this.#durable = frame.head.base;
    return { point, events: unreadFrame(frame) };
  }

  #corrupt(problem: string, offset: number): LedgerCorruptError {
    return this.#damaged(
      new LedgerCorruptError(`${this.path} ${problem}. Run "opossum verify", then "opossum repair", or restore it from a backup.`, {
        file: this.path,
        offset,
        position: this.last + 1,
      }),
    );
  }

  /** Damage once seen stays: a later look must not take half a scan for the whole. */
  #damaged(error: LedgerCorruptError): LedgerCorruptError {
    this.#damage = error;
    return error;
  }
}
