/*
 * Two marks, kept beside the ledger: how far it was durable when the store was last idle or closed, and how far event files
 * are complete and durable. Both are only ever written after what they say is true; a missing or damaged checkpoint costs
 * time and a chance to notice damage, never correctness.
 */
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { ChainPoint } from '../core/stored.js';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';

export type Checkpoint = {
  readonly ledgerId: string;
  /** Last frame that was durable. */
  readonly durable: ChainPoint | undefined;
  /** Last frame up to which every event file is in place and durable. */
  readonly eventFiles: ChainPoint | undefined;
};

/** Undefined when there is none, when it is damaged, or when it belongs to another ledger (R12). */
export async function readCheckpoint(directory: string, ledgerId: Buffer, disk: Disk): Promise<Checkpoint | undefined> {
  return ownCheckpoint(await findCheckpoint(directory, disk), ledgerId);
}

/** The checkpoint if it belongs to this ledger. */
export function ownCheckpoint(checkpoint: Checkpoint | undefined, ledgerId: Buffer): Checkpoint | undefined {
  return checkpoint?.ledgerId === ledgerId.toString('hex') ? checkpoint : undefined;
}

/** The checkpoint if it belongs to another ledger. */
export function otherCheckpoint(checkpoint: Checkpoint | undefined, ledgerId: Buffer): Checkpoint | undefined {
  return checkpoint?.ledgerId === ledgerId.toString('hex') ? undefined : checkpoint;
}

/** The checkpoint in a folder, whatever ledger it belongs to. */
export async function findCheckpoint(directory: string, disk: Disk): Promise<Checkpoint | undefined> {
  const file = path.join(directory, 'checkpoint');
  const found = await disk.stat(file);
  // A folder or a pipe in its place says nothing: it is as good as damaged.
  return found?.kind === 'file' ? decodeCheckpoint(await disk.readFile(file)) : undefined;
}

/** Replaces the checkpoint in one step. */
export async function writeCheckpoint(directory: string, checkpoint: Checkpoint, token: string, disk: Disk): Promise<void> {
  try {
    await replace(directory, checkpoint, token, disk);
  } catch (error) {
    // Somebody who cleaned up, by a clock that jumped, took the temporary file for one that was left behind.
    if (codeOf(error) !== 'ENOENT') throw error;
    await replace(directory, checkpoint, token, disk);
  }
}

async function replace(directory: string, checkpoint: Checkpoint, token: string, disk: Disk): Promise<void> {
  const temporary = path.join(directory, `.checkpoint.${token}.tmp`);
  await disk.removeFile(temporary);
  try {
    await disk.createFile(temporary, encodeCheckpoint(checkpoint));
    await disk.rename(temporary, path.join(directory, 'checkpoint'));
  } catch (error) {
    await removeQuietly(temporary, disk);
    throw error;
  }
}

async function removeQuietly(temporary: string, disk: Disk): Promise<void> {
  try {
    await disk.removeFile(temporary);
  } catch {
    // The first error tells more; a leftover is removed later.
  }
}

export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const text = JSON.stringify(checkpoint);
  return Buffer.from(`${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
}

/** What the bytes of a checkpoint say, whatever ledger it belongs to; undefined when they are damaged. */
export function decodeCheckpoint(bytes: Buffer | undefined): Checkpoint | undefined {
  const [text = '', checksum, rest] = (bytes?.toString('utf8') ?? '').split('\n');
  if (checksum !== crc32(text).toString(16).padStart(8, '0') || rest !== '') return undefined;
  return JSON.parse(text) as Checkpoint;
}
