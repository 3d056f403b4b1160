import type { StateLease } from '../core/state-store.js';
import type { Clock } from '../disk/clock.js';
import type { LockHold } from '../locking/lock.js';

export type FileLeaseOptions = {
  readonly name: string;
  readonly hold: LockHold;
  readonly clock: Clock;
  /** Called once, when the lock was given back. */
  readonly onReleased: () => void;
};

/** How often the holder looks whether it still holds: one that stood still for long finds out soon after. */
const lookEveryMs = 250;

export class FileLease implements StateLease {
  readonly #options: FileLeaseOptions;
  readonly #ended = new AbortController();
  #cancelLook: () => void = () => undefined;
  #released: Promise<void> | undefined;

  constructor(options: FileLeaseOptions) {
    this.#options = options;
    this.#lookLater();
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  release(): Promise<void> {
    return this.end(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Releases the lease; `reason` is what the signal tells, a plain abort when it is undefined. */
  end(reason: unknown): Promise<void> {
    return (this.#released ??= this.#end(reason));
  }

  async #end(reason: unknown): Promise<void> {
    this.#cancelLook();
    // First the signal: nobody may go on with what the lease protects while another takes it.
    this.#ended.abort(reason);
    await this.#options.hold.release({ cleanly: true });
    this.#options.onReleased();
  }

  #lookLater(): void {
    const { clock, hold, name } = this.#options;
    const look = (): void => {
      if (!hold.lost) return this.#lookLater();
      this.#ended.abort(
        new DOMException(`The lease ${JSON.stringify(name)} was lost: this process stood still for too long, and another may hold it now.`, 'AbortError'),
      );
    };
    this.#cancelLook = clock.timer(lookEveryMs, look, false);
  }
}
