import type { Disk } from '../disk/disk.js';
import type { LockOwner } from './lock.js';
import { identityOf, lockFilesOf, type LockFiles } from './lock-files.js';

/** What the owner file holds. */
export type OwnerRecord = {
  readonly owner: LockOwner;
  /** When the lock was taken, RFC 3339. */
  readonly since: string;
  /** Identity of the lock directory that the owner made: the file of an earlier holder may outlive its directory. */
  readonly lock: string;
};

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

/** Replaces the owner file in one step, so that nobody reads half of it. */
export async function writeOwnerRecord(disk: Disk, files: LockFiles, record: OwnerRecord): Promise<void> {
  const temporary = `${files.owner}.${record.owner.token}`;
  const { owner, since, lock } = record;
  try {
    await disk.createFile(temporary, Buffer.from(`${JSON.stringify({ ...owner, since, lock })}\n`));
    await disk.rename(temporary, files.owner);
  } catch (error) {
    // On a full disk every attempt would leave another file behind.
    await removeQuietly(disk, temporary);
    throw error;
  }
}

async function removeQuietly(disk: Disk, file: string): Promise<void> {
  try {
    await disk.removeFile(file);
  } catch {
    // The first error tells more; the next process removes leftovers.
  }
}

export function parseOwnerRecord(text: string): OwnerRecord | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { host, bootId, pid, startedAt, thread, token, since, lock } = parsed as Record<string, unknown>;
  // 0 and negative numbers name groups of processes.
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (!isText(host) || !isText(bootId) || !isText(startedAt) || !isText(token) || !isText(since) || !isText(lock)) return undefined;
  const isThread = typeof thread === 'number' && Number.isSafeInteger(thread) && thread > 0;
  return { owner: { host, bootId, pid, startedAt, ...(isThread ? { thread } : {}), token }, since, lock };
}

const isText = (value: unknown): value is string => typeof value === 'string';
