import path from 'node:path';
import type { Clock } from '../disk/clock.js';
import type { Disk } from '../disk/disk.js';
import type { LockFiles } from './lock-files.js';
import { openSeat, type Seat } from './seat.js';

export type WaitingRoomOptions = {
  readonly files: LockFiles;
  readonly disk: Disk;
  readonly clock: Clock;
  /** Name of the own seat, which is not looked at. */
  readonly ownName: string;
};

/** A seat, and the wait that goes on there. */
export type Turn = { readonly seat: Seat; readonly wait: number };

/** How often it is looked for seats that came or went; those that are known are looked at whenever somebody asks. */
const listEveryMs = 5;
/** For how long a seat that cannot be answered counts as answered: whose it is may be dead. */
const yieldedMs = 1000;

/** The seats of all others that may wait for the lock. */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #seats = new Map<string, Seat>();
  /** Until when seats count as answered, by the tokens of their owners. */
  readonly #yielded = new Map<string, number>();
  #listedMs = -Infinity;
  #listing: Promise<void> | undefined;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  /** Whether anybody waits, as far as is known: who came just now is seen a moment later. */
  isAnybodyWaiting(): boolean {
    if (this.#options.clock.monotonic() - this.#listedMs >= listEveryMs) void this.list().catch(() => undefined);
    for (const seat of this.#seats.values()) if (seat.isWaitedOn() && !this.#isYielded(seat)) return true;
    return false;
  }

  /** Whose turn it is: that of the next that waits behind the own seat, in the order of names, round and round. */
  async next(): Promise<Turn | undefined> {
    const { ownName } = this.#options;
    const seats = [...this.#seats].sort(([a], [b]) => (a < b ? -1 : 1));
    const behind = seats.filter(([name]) => name > ownName);
    for (const [, seat] of [...behind, ...seats.slice(0, seats.length - behind.length)]) {
      const { wait, passed } = await seat.read();
      if (wait > passed && !this.#isYielded(seat)) return { seat, wait };
    }
    return undefined;
  }

  /** Notes that the lock was given back for the one who waits there, whom it cannot be passed on to. */
  async yieldTo({ seat, wait }: Turn): Promise<void> {
    if (seat.isWritable) await seat.setPassed(wait);
    else this.#yielded.set(seat.owner.token, this.#options.clock.monotonic() + yieldedMs);
  }

  /** Looks for seats that came or went. */
  list(): Promise<void> {
    return (this.#listing ??= this.#list().finally(() => (this.#listing = undefined)));
  }

  async close(): Promise<void> {
    await this.#listing?.catch(() => undefined);
    for (const seat of this.#seats.values()) await seat.close();
    this.#seats.clear();
    this.#listedMs = -Infinity;
  }

  #isYielded(seat: Seat): boolean {
    return this.#options.clock.monotonic() < (this.#yielded.get(seat.owner.token) ?? -Infinity);
  }

  async #list(): Promise<void> {
    const { files, disk, clock, ownName } = this.#options;
    this.#listedMs = clock.monotonic();
    const directory = path.dirname(files.waiting);
    const prefix = path.basename(files.waiting);
    const names = ((await disk.list(directory)) ?? []).filter((name) => name.startsWith(prefix) && name !== ownName);
    for (const [name, seat] of this.#seats) {
      if (names.includes(name)) continue;
      this.#seats.delete(name);
      await seat.close();
    }
    for (const name of names) {
      if (this.#seats.has(name)) continue;
      // One that cannot be opened is another user's, or gone.
      const seat = await openSeat(path.join(directory, name), disk).catch(() => undefined);
      if (seat) this.#seats.set(name, seat);
    }
  }
}
