/*
 * When full blocks of the index move from memory into files, and are merged: in a pause between appends, since a block costs them several
 * milliseconds and one more sync on the same disk; or when so many have gathered that opening after a crash would take long.
 */
import type { Clock } from '../disk/clock.js';
import { maxUnsealedBlocks, type LedgerView } from './ledger-view.js';

export type SealingOptions = {
  readonly view: LedgerView;
  readonly clock: Clock;
  /** Whether appends are going on. */
  readonly isBusy: () => boolean;
};

/** So many full blocks are not kept waiting: whoever opens the folder after a crash reads their events from the ledger. */
const patientBlocks = 4;
/** So many sealed blocks are not kept waiting to be merged: every query asks each of them. */
const patientMerges = 16;
const lookMs = 20;

export class Sealing {
  readonly #options: SealingOptions;
  #running: Promise<void> | undefined;
  #cancelLook: (() => void) | undefined;
  #closed = false;

  constructor(options: SealingOptions) {
    this.#options = options;
  }

  /** Notes that blocks may be full: they are sealed soon. */
  onFilled(): void {
    const { unsealed } = this.#options.view.index;
    if (unsealed >= patientBlocks) this.start();
    else if (unsealed > 0) this.#lookLater();
  }

  /** Begins to seal what is full. */
  start(): void {
    if (this.#running || this.#closed) return;
    if (this.#options.view.index.unsealed === 0) return this.#merge();
    this.#running = this.#sealAll().finally(() => {
      this.#running = undefined;
      this.#merge();
    });
  }

  /** Makes a flood of appends wait for the index, so that memory stays bounded. */
  keepUp(): Promise<void> | void {
    if (this.#options.view.index.unsealed > maxUnsealedBlocks) return this.#running;
  }

  /** Seals the rest, and waits until it is merged; nothing is begun afterwards. */
  async finish(): Promise<void> {
    this.#closed = true;
    this.#cancelLook?.();
    await this.#running;
    await this.#sealAll(true);
    await this.#options.view.index.merge();
  }

  /** Appends never wait for it, but are slower while it goes on. */
  #merge(): void {
    const { view, isBusy } = this.#options;
    if (view.index.unmerged === 0 || this.#closed) return;
    if (view.index.unmerged < patientMerges && isBusy()) this.#lookLater();
    else void view.index.merge();
  }

  #lookLater(): void {
    if (this.#cancelLook || this.#running || this.#closed) return;
    const { clock, isBusy } = this.#options;
    const look = (): void => {
      this.#cancelLook = undefined;
      if (isBusy()) this.#lookLater();
      else this.start();
    };
    this.#cancelLook = clock.timer(lookMs, look, false);
  }

  /** Seals for as long as it gets on: appends may fill further blocks meanwhile. */
  async #sealAll(isLast = false): Promise<void> {
    const { view } = this.#options;
    for (let left = view.index.unsealed, before = Infinity; left > 0 && left < before; [before, left] = [left, view.index.unsealed]) await view.seal(isLast);
  }
}
