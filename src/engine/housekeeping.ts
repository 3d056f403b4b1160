/*
 * What an engine does when no append came for a while, and when it closes: makes event files durable, moves the marks of the
 * checkpoint (that of what is durable now and then under constant load, too), removes what dead processes left. Nothing of it fails a call: what does not succeed is left to the next idle
 * moment, or to the next process.
 */
import { isOpossumError } from '../core/errors.js';
import type { ChainPoint } from '../core/stored.js';
import type { Clock } from '../disk/clock.js';
import type { DiskFile } from '../disk/disk.js';
import { messageOf } from '../disk/error-code.js';
import type { EventFileWriter } from '../eventfiles/event-file-writer.js';
import { holdsFrame } from '../ledger/holds-frame.js';
import type { Ledger } from '../ledger/ledger.js';
import { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.js';
import type { LedgerPlace } from './ledger-place.js';
import { removeLeftovers } from './leftovers.js';

export type HousekeepingOptions = {
  /** The context's folder. */
  readonly directory: string;
  readonly ledger: Ledger;
  readonly file: DiskFile;
  readonly place: LedgerPlace;
  readonly clock: Clock;
  /** The checkpoint as it was when the store was opened. */
  readonly checkpoint: Checkpoint | undefined;
  /** Part of temporary names: unique to this engine. */
  readonly token: () => string;
  /** Undefined when the store has no event files. */
  readonly eventFiles: EventFileWriter | undefined;
  readonly isBusy: () => boolean;
  /** False when the folder is not to be written to, or no longer. */
  readonly mayWrite: () => boolean;
  readonly warn: (message: string) => void;
};

/** Work begins when no append came for so long. */
const idleMs = 1000;
/** While appends never pause, the durable mark moves so often: it is what tells of a ledger that lost its end. */
const busySaveMs = 5000;
/**
 * How long `finish` compares event files that others may have left undone, and how long it makes files durable: programs that only
 * ever run for a moment get on too, and one that ran for longer may take half of that time again. The next writer does the rest.
 */
const finishMs = { least: 50, most: 5000 };

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #openedMs: number;
  #saveAgainMs = 0;
  #cancelIdle: (() => void) | undefined;
  #tidying: Promise<void> | undefined;
  #closed = false;
  #hasCommitted = false;
  #mayHaveLeftovers = true;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#openedMs = options.clock.monotonic();
  }

  /** Notes a commit: there will be something to do. */
  onCommitted(): void {
    this.#hasCommitted = true;
    this.#watchIdle();
  }

  /** Notes that a process died: it may have left temporary files. */
  onProcessDied(): void {
    this.#mayHaveLeftovers = true;
  }

  /** Begins nothing new; resolves when nothing is going on. */
  async stop(): Promise<void> {
    this.#closed = true;
    this.#cancelIdle?.();
    await this.#tidying;
  }

  /** The last work, after `stop`: writes the event files that are owed, and goes on healing for a moment. Gives up with a warning when that fails. */
  async finish(): Promise<void> {
    const { eventFiles, clock, directory, mayWrite, warn } = this.#options;
    if (mayWrite() && (await this.#isInPlace())) {
      try {
        const boundMs = Math.min(finishMs.most, Math.max(finishMs.least, (clock.monotonic() - this.#openedMs) / 2));
        const healEnd = clock.monotonic() + boundMs;
        await eventFiles?.flush(() => clock.monotonic() < healEnd);
        const end = clock.monotonic() + boundMs;
        await eventFiles?.syncFiles(() => clock.monotonic() < end);
      } catch (error) {
        warn(
          isOpossumError(error)
            ? error.message
            : `Some event files in ${directory} could not be written (${messageOf(error)}). The events are safe in the ledger; ` +
                'the next process that appends writes the files.',
        );
      }
      await this.#tidyFolder();
    }
    await eventFiles?.stop();
  }

  /** Another's folder is left alone without a word: whoever appended was told. */
  async #isInPlace(): Promise<boolean> {
    try {
      return await this.#options.place.isOurs();
    } catch {
      // What cannot be looked at cannot be written either, and that is said then.
      return true;
    }
  }

  #watchIdle(): void {
    if (this.#cancelIdle || this.#closed) return;
    const { clock, eventFiles, isBusy, mayWrite } = this.#options;
    this.#cancelIdle = clock.timer(
      idleMs,
      () => {
        this.#cancelIdle = undefined;
        if (this.#closed || !mayWrite()) return;
        if (isBusy() || eventFiles?.idle === false) {
          this.#saveNowAndThen();
          return this.#watchIdle();
        }
        this.#tidying ??= this.#tidyUp().finally(() => (this.#tidying = undefined));
      },
      false,
    );
  }

  #saveNowAndThen(): void {
    const now = this.#options.clock.monotonic();
    if (this.#tidying || now < this.#saveAgainMs) return;
    this.#saveAgainMs = now + busySaveMs;
    this.#tidying = this.#saveCheckpoint()
      // A checkpoint that lags behind costs only time.
      .catch(() => undefined)
      .finally(() => (this.#tidying = undefined));
  }

  async #tidyUp(): Promise<void> {
    const { eventFiles, isBusy } = this.#options;
    try {
      await eventFiles?.syncFiles(() => !this.#closed && !isBusy());
      await this.#tidyFolder();
    } catch {
      // Nothing depends on it, and the next idle moment tries again.
    }
    if (isBusy() && !this.#closed) this.#watchIdle();
  }

  /** Never fails. */
  async #tidyFolder(): Promise<void> {
    const { directory, place, clock } = this.#options;
    try {
      await this.#saveCheckpoint();
    } catch {
      // A checkpoint that lags behind costs only time.
    }
    if (!this.#hasCommitted || !this.#mayHaveLeftovers) return;
    try {
      await removeLeftovers(directory, place.disk, clock);
      this.#mayHaveLeftovers = false;
    } catch {
      // They only take up room.
    }
  }

  async #saveCheckpoint(): Promise<void> {
    const { directory, ledger, place, token, eventFiles: files } = this.#options;
    const { disk } = place;
    const { ledgerId } = ledger.header;
    if (this.#saysAll()) return;
    // Another process may have got further; marks never go back.
    const before = await readCheckpoint(directory, ledgerId, disk).catch(() => undefined);
    // It is the only witness of a last frame that was damaged beneath open stores: whoever opens the folder next is told (R10).
    if (before?.durable && ledger.contradicts(before.durable)) return;
    const durable = further(before?.durable, ledger.durablePoint);
    const eventFiles = further(await this.#inLedger(before?.eventFiles), files?.complete);
    const isTrue = eventFiles !== undefined && eventFiles.position <= (durable?.position ?? 0);
    const checkpoint = { ledgerId: ledgerId.toString('hex'), durable, eventFiles: isTrue ? eventFiles : undefined };
    if (checkpoint.durable?.position === 0 || JSON.stringify(checkpoint) === JSON.stringify(before)) return;
    await writeCheckpoint(directory, checkpoint, token(), disk);
  }

  /** Whether the checkpoint said all there is to say when the store was opened: whoever only read leaves it alone. */
  #saysAll(): boolean {
    const { checkpoint, ledger, eventFiles } = this.#options;
    const { durablePoint } = ledger;
    const isSame = checkpoint?.durable?.position === durablePoint?.position && checkpoint?.durable?.checksum === durablePoint?.checksum;
    // A mark that is not in the ledger was not taken over, and is set right.
    return isSame && eventFiles?.complete === checkpoint?.eventFiles;
  }

  async #inLedger(mark: ChainPoint | undefined): Promise<ChainPoint | undefined> {
    const { file, ledger } = this.#options;
    return mark && (await holdsFrame(file, ledger.header, mark)) ? mark : undefined;
  }
}

function further(a: ChainPoint | undefined, b: ChainPoint | undefined): ChainPoint | undefined {
  return (a?.position ?? -1) > (b?.position ?? -1) ? a : b;
}
