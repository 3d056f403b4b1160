import { systemError } from '../support/faulty-disk.js';
import type { DiskFile, FileStat } from '../../src/disk/disk.js';

/** A source of small numbers in which every run of a step is the same. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0;
  }

  /** A whole number from 0 (inclusive) to `end` (exclusive). */
  roll(end: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * end);
  }
}

const capacity = 24 * 1024;

/**
 * One file as processes see it (`cache`) and as it would be after a power cut (`disk`), by sectors. A sector is dirty
 * until a sync that succeeds; after one that failed it is lost: the cache has it, the disk has not, and no sync brings it
 * there any more, unless it is written again.
 */
export class Medium {
  readonly #sector: number;
  readonly #dirty = new Set<number>();
  readonly #lost = new Set<number>();
  readonly #handles = new Set<Handle>();
  #cache: Buffer = Buffer.alloc(capacity);
  #disk: Buffer = Buffer.alloc(capacity);
  #diskSize = 0;
  size = 0;

  constructor(sector: number) {
    this.#sector = sector;
  }

  open(): Handle {
    const handle = new Handle(this);
    this.#handles.add(handle);
    return handle;
  }

  close(handle: Handle): void {
    this.#handles.delete(handle);
  }

  read(target: Uint8Array, offset: number): number {
    return this.#cache.copy(target, 0, offset, Math.min(this.size, offset + target.length));
  }

  append(bytes: Uint8Array): void {
    if (this.size + bytes.length > capacity) throw new Error('the model wants a larger file');
    this.#cache.set(bytes, this.size);
    this.size += bytes.length;
    this.#touch(this.size - bytes.length, this.size);
  }

  sync(): void {
    for (const sector of this.#dirty) this.#toDisk(sector);
    this.#dirty.clear();
    this.#diskSize = this.size;
  }

  /** A sync that fails: what was dirty is lost, and everybody who has the file open is told once, at the next sync. */
  failSync(handle: Handle): never {
    for (const sector of this.#dirty) this.#lost.add(sector);
    this.#dirty.clear();
    for (const other of this.#handles) other.willFail = other !== handle;
    throw systemError('EIO');
  }

  /** Lost sectors leave the cache; who reads them next gets what the disk has. */
  evict(dice: Dice): void {
    for (const sector of this.#lost) {
      if (dice.roll(2) === 0) continue;
      this.#toCache(sector);
      this.#lost.delete(sector);
    }
  }

  /** What is in the cache from `offset` on is written once more in place, and synced. */
  rewrite(offset: number): void {
    this.#touch(offset, this.size);
    this.sync();
  }

  /** What was not synced is there, or not, or zeros, sector by sector; the file ends anywhere between its lengths. */
  cutPower(dice: Dice): void {
    const keepsAll = dice.roll(3) === 0;
    for (const sector of this.#dirty) {
      const fate = dice.roll(4);
      if (keepsAll || fate < 2) this.#toDisk(sector);
      else if (fate === 2 && sector * this.#sector >= this.#diskSize) this.#disk.fill(0, sector * this.#sector, (sector + 1) * this.#sector);
    }
    const added = Math.max(0, this.size - this.#diskSize);
    this.size = this.#diskSize += keepsAll || dice.roll(2) === 0 ? added : dice.roll(added + 1);
    this.#disk.fill(0, this.size);
    this.#disk.copy(this.#cache);
    this.#dirty.clear();
    this.#lost.clear();
    this.#handles.clear();
  }

  /** The medium spoils a byte that it had kept. */
  damage(offset: number): void {
    this.#cache[offset]! ^= 0x55;
    this.#disk[offset]! ^= 0x55;
  }

  /** A copy of what the disk holds. */
  onDisk(): Medium {
    const copy = new Medium(this.#sector);
    this.#disk.copy(copy.#cache);
    copy.size = this.#diskSize;
    return copy;
  }

  #touch(from: number, to: number): void {
    for (let sector = Math.floor(from / this.#sector); sector * this.#sector < to; sector++) {
      this.#dirty.add(sector);
      this.#lost.delete(sector);
    }
  }

  #toDisk(sector: number): void {
    this.#cache.copy(this.#disk, sector * this.#sector, sector * this.#sector, (sector + 1) * this.#sector);
  }

  #toCache(sector: number): void {
    this.#disk.copy(this.#cache, sector * this.#sector, sector * this.#sector, (sector + 1) * this.#sector);
  }
}

/** What becomes of the next write: how many of its bytes get through (all when undefined), and whether the writer is told that it failed. */
export type WriteFault = { readonly bytes?: number; readonly fails: boolean };

/** The file as one process has it open. */
export class Handle implements DiskFile {
  readonly #medium: Medium;
  /** Somebody else's sync failed; ours will say so. */
  willFail = false;
  nextSyncFails = false;
  nextWrite: WriteFault | undefined;

  constructor(medium: Medium) {
    this.#medium = medium;
  }

  read(target: Uint8Array, offset: number): number {
    return this.#medium.read(target, offset);
  }

  append(bytes: Uint8Array): number {
    const fault = this.nextWrite;
    this.nextWrite = undefined;
    const written = bytes.subarray(0, Math.min(bytes.length, fault?.bytes ?? bytes.length));
    this.#medium.append(written);
    if (fault?.fails) throw systemError('EIO');
    return written.length;
  }

  writeAt(): never {
    throw new Error('the model writes in place itself');
  }

  stat(): FileStat {
    return { size: this.#medium.size, kind: 'file', dev: 1, ino: 1, modifiedMs: 0, bornMs: 0, allocated: 0 };
  }

  dataSync(): void {
    if (this.nextSyncFails) this.#medium.failSync(this);
    if (this.willFail) {
      this.willFail = false;
      throw systemError('EIO');
    }
    this.#medium.sync();
  }

  close(): void {
    this.#medium.close(this);
  }
}
