/*
 * Reads a ledger on a medium of which parts cannot be read any more: they read as zeros, which no frame survives, and are
 * noted. What fails is looked at again after a moment, since scanners and busy buses fail for a moment too; whoever rests a
 * lasting decision on it asks `findReadable` before it acts, so that an error that passed takes no event away.
 */
import { sleep, type Clock } from '../../disk/clock.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { messageOf } from '../../disk/error-code.js';
import { lookAgainMs } from '../look-again.js';

/** Bytes from `from` (inclusive) to `to` (exclusive). */
export type UnreadableStretch = { readonly from: number; readonly to: number; readonly reason: string };

/** What a disk fails to read together. */
const blockLength = 4096;
/** So often a failure is given time to pass; a medium that fails everywhere is not waited for a million times. */
const maxWaits = 20;

export class PatchyFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #clock: Clock;
  readonly #unreadable: UnreadableStretch[];
  #waits = 0;

  /** Notes what cannot be read in `unreadable`, rising. */
  constructor(file: DiskFile, unreadable: UnreadableStretch[], clock: Clock) {
    this.#file = file;
    this.#unreadable = unreadable;
    this.#clock = clock;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    try {
      return await this.#file.read(target, offset);
    } catch {
      if (this.#waits++ < maxWaits) await sleep(this.#clock, lookAgainMs);
      return this.#readBlocks(target, offset);
    }
  }

  async #readBlocks(target: Uint8Array, offset: number): Promise<number> {
    const { size } = await this.#file.stat();
    const length = Math.max(0, Math.min(target.length, size - offset));
    for (let done = 0; done < length; ) {
      const end = Math.min(length, done + blockLength - ((offset + done) % blockLength));
      const block = target.subarray(done, end);
      try {
        await this.#file.read(block, offset + done);
      } catch (error) {
        block.fill(0);
        this.#note({ from: offset + done, to: offset + end, reason: messageOf(error) });
      }
      done = end;
    }
    return length;
  }

  /** The same stretch may be read several times, in other pieces. */
  #note({ from, to, reason }: UnreadableStretch): void {
    const isApart = (one: UnreadableStretch): boolean => one.to < from || one.from > to;
    const touching = this.#unreadable.filter((one) => !isApart(one));
    const merged = { from: Math.min(from, ...touching.map((one) => one.from)), to: Math.max(to, ...touching.map((one) => one.to)), reason };
    const apart = this.#unreadable.filter(isApart);
    this.#unreadable.splice(0, Infinity, ...[...apart, merged].sort((a, b) => a.from - b.from));
  }

  append(bytes: Uint8Array): ReturnType<DiskFile['append']> {
    return this.#file.append(bytes);
  }

  writeAt(bytes: Uint8Array, offset: number): ReturnType<DiskFile['writeAt']> {
    return this.#file.writeAt(bytes, offset);
  }

  stat(): ReturnType<DiskFile['stat']> {
    return this.#file.stat();
  }

  dataSync(): ReturnType<DiskFile['dataSync']> {
    return this.#file.dataSync();
  }

  close(): ReturnType<DiskFile['close']> {
    return this.#file.close();
  }
}

/** The disk, on which files that are opened for reading are patchy ones; all of them note into `unreadable`. */
export function patchyDisk(disk: Disk, unreadable: UnreadableStretch[], clock: Clock): Disk {
  return {
    ...disk,
    open: async (file, mode) => {
      const opened = await disk.open(file, mode);
      return mode === 'read' ? new PatchyFile(opened, unreadable, clock) : opened;
    },
  };
}

/** The first of these stretches that can be read all the same, at least in part; `file` is the plain one. */
export async function findReadable(file: DiskFile, unreadable: readonly UnreadableStretch[]): Promise<UnreadableStretch | undefined> {
  const block = Buffer.alloc(blockLength);
  for (const stretch of unreadable) {
    for (let offset = stretch.from; offset < stretch.to; offset += blockLength) {
      try {
        await file.read(block.subarray(0, Math.min(blockLength, stretch.to - offset)), offset);
        return stretch;
      } catch {
        // Still so.
      }
    }
  }
  return undefined;
}
