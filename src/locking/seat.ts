/*
 * The seat of a process that waits for the lock: a small file of its own, made once and then only written in place, since
 * making and removing files while others sync the ledger makes everybody wait for the file system. It says which
 * wait is going on, who waits, and which wait was answered by a holder that passed the lock on. What it says is a hint: the
 * lock is had by whom the owner file names.
 */
import type { Disk, DiskFile } from '../disk/disk.js';
import type { LockOwner } from './lock.js';
import { parseOwner, removeQuietly } from './owner.js';

/** Enough for every number that a wait can have. */
const digits = 15;
const passedAt = digits + 1;
const ownerAt = passedAt + digits + 1;

/** A seat is waited on while the number of waits is above that of the last one answered. */
export type SeatState = { readonly wait: number; readonly passed: number };

/** Makes the seat `path` of `owner`, whose token tells it from every other. */
export async function makeSeat(path: string, owner: LockOwner, disk: Disk): Promise<Seat> {
  try {
    await disk.createFile(path, Buffer.from(`${numeral(0)} ${numeral(0)}\n${JSON.stringify(owner)}\n`));
    return new Seat(await disk.open(path, 'update'), owner, true);
  } catch (error) {
    await removeQuietly(disk, path);
    throw error;
  }
}

/** Opens another's seat, for reading alone when it is another user's; undefined when it is gone, or not whole yet. */
export async function openSeat(path: string, disk: Disk): Promise<Seat | undefined> {
  const owner = await readSeatOwner(path, disk);
  if (!owner) return undefined;
  try {
    return new Seat(await disk.open(path, 'update'), owner, true);
  } catch {
    return new Seat(await disk.open(path, 'read'), owner, false);
  }
}

export async function readSeatOwner(path: string, disk: Disk): Promise<LockOwner | undefined> {
  return parseOwner((await disk.readFile(path))?.toString('utf8', ownerAt) ?? '');
}

export class Seat {
  readonly owner: LockOwner;
  /** Whether `setPassed` can succeed. */
  readonly isWritable: boolean;
  readonly #file: DiskFile;
  readonly #bytes = Buffer.alloc(ownerAt);
  #state: SeatState = { wait: 0, passed: 0 };

  constructor(file: DiskFile, owner: LockOwner, isWritable: boolean) {
    this.#file = file;
    this.owner = owner;
    this.isWritable = isWritable;
  }

  /** What it says, or said when it was last looked at if the disk answers only later. Never fails. */
  look(): SeatState {
    try {
      const reading = this.#file.read(this.#bytes, 0);
      if (reading instanceof Promise) void reading.then(() => this.#parse(), () => undefined);
      else this.#parse();
    } catch {
      // Whoever appends next learns what is wrong with the disk.
    }
    return this.#state;
  }

  /** What it says now, however long the disk takes: for decisions that rest on it. @throws what the disk throws. */
  async read(): Promise<SeatState> {
    await this.#file.read(this.#bytes, 0);
    this.#parse();
    return this.#state;
  }

  isWaitedOn(): boolean {
    const { wait, passed } = this.look();
    return wait > passed;
  }

  /** The token of the hold that answers this wait. */
  tokenOf(wait: number): string {
    return `${this.owner.token}-${wait}`;
  }

  /** Says which wait is going on; 0 for none. Only by whom the seat belongs to. */
  async setWait(wait: number): Promise<void> {
    await this.#file.writeAt(Buffer.from(numeral(wait), 'latin1'), 0);
  }

  /** Says that this wait is answered. */
  async setPassed(wait: number): Promise<void> {
    await this.#file.writeAt(Buffer.from(numeral(wait), 'latin1'), passedAt);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #parse(): void {
    this.#state = { wait: Number(this.#bytes.toString('latin1', 0, digits)), passed: Number(this.#bytes.toString('latin1', passedAt, passedAt + digits)) };
  }
}

const numeral = (value: number): string => String(value).padStart(digits, '0');
