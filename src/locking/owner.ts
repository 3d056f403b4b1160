import { crc32 } from 'node:zlib';
import type { Disk, DiskFile } from '../disk/disk.js';
import type { LockOwner } from './lock.js';
import { identityOf, lockFilesOf, type LockFiles } from './lock-files.js';

/** What the owner file holds. */
export type OwnerRecord = {
  readonly owner: LockOwner;
  /** When the lock was taken or offered, RFC 3339. */
  readonly since: string;
  /** Identity of the lock directory that it speaks of: the file of an earlier holder may outlive its directory. */
  readonly lock: string;
  /** True from when the last holder passed the lock on to this owner until that one has noticed. */
  readonly offered?: boolean;
};

/** Every record has this length, so that one can be written over another in place. */
const recordLength = 1024;

/** Who holds the lock of the context in `directory`; undefined when nobody does, or the holder has not said yet. */
export async function readLockOwner(disk: Disk, directory: string): Promise<LockOwner | undefined> {
  return (await readHolder(disk, lockFilesOf(directory)))?.owner;
}

/** The record of the lock that is there now, not one left over from an earlier holder. */
export async function readHolder(disk: Disk, files: LockFiles): Promise<OwnerRecord | undefined> {
  const lock = await disk.stat(files.lock);
  const record = lock && (await readOwnerRecord(disk, files));
  return record?.lock === (lock && identityOf(lock)) ? record : undefined;
}

/** The owner file, whoever's it is; undefined when it is absent or not one of ours. */
export async function readOwnerRecord(disk: Disk, files: LockFiles): Promise<OwnerRecord | undefined> {
  const bytes = await disk.readFile(files.owner);
  return bytes && parseOwnerRecord(bytes.toString('utf8'));
}

/** The same from a file that is open. */
export async function readOpenRecord(file: DiskFile): Promise<OwnerRecord | undefined> {
  const bytes = Buffer.alloc(recordLength);
  const count = await file.read(bytes, 0);
  return parseOwnerRecord(bytes.toString('utf8', 0, count));
}

/** Replaces the owner file in one step, so that nobody reads half of it. */
export async function writeOwnerRecord(disk: Disk, files: LockFiles, record: OwnerRecord): Promise<void> {
  const temporary = `${files.owner}.${record.owner.token}`;
  try {
    await disk.createFile(temporary, encode(record));
    await disk.rename(temporary, files.owner);
  } catch (error) {
    // On a full disk every attempt would leave another file behind.
    await removeQuietly(disk, temporary);
    throw error;
  }
}

/** Writes over the record that is there; whoever reads half of each sees by the checksum that it is none. */
export async function overwriteOwnerRecord(file: DiskFile, record: OwnerRecord): Promise<void> {
  await file.writeAt(encode(record), 0);
}

function encode({ owner, since, lock, offered }: OwnerRecord): Buffer {
  const covered = JSON.stringify({ ...owner, since, lock, ...(offered ? { offered } : {}) });
  return Buffer.from(`${covered.slice(0, -1)},"checksum":${crc32(covered)}}`.padEnd(recordLength - 1) + '\n');
}

export async function removeQuietly(disk: Disk, file: string): Promise<void> {
  try {
    await disk.removeFile(file);
  } catch {
    // The error that came first tells more; the next process removes leftovers.
  }
}

export function parseOwnerRecord(text: string): OwnerRecord | undefined {
  const fields = parseFields(text);
  const owner = fields && ownerOf(fields);
  if (!owner) return undefined;
  const { since, lock, offered, checksum } = fields;
  if (!isText(since) || !isText(lock)) return undefined;
  if (checksum !== undefined && checksum !== crc32(`${text.slice(0, text.lastIndexOf(',"checksum":'))}}`)) return undefined;
  return { owner, since, lock, ...(offered === true ? { offered } : {}) };
}

/** An owner alone. */
export function parseOwner(text: string): LockOwner | undefined {
  const fields = parseFields(text);
  return fields && ownerOf(fields);
}

function parseFields(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function ownerOf({ host, bootId, pid, startedAt, thread, token }: Record<string, unknown>): LockOwner | undefined {
  // 0 and negative numbers name groups of processes.
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (!isText(host) || !isText(bootId) || !isText(startedAt) || !isText(token)) return undefined;
  const isThread = typeof thread === 'number' && Number.isSafeInteger(thread) && thread > 0;
  return { host, bootId, pid, startedAt, ...(isThread ? { thread } : {}), token };
}

const isText = (value: unknown): value is string => typeof value === 'string';
