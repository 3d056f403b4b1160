/*
 * Who holds a lock, as a file beside it, and whether that process still lives. Process and start time together name a
 * process on one boot of one host; of other hosts nothing can be said.
 */
import os from 'node:os';
import path from 'node:path';
import type { Disk } from '../disk/disk.js';
import type { LockOwner } from './lock.js';

export const ownerPath = (directory: string): string => path.join(directory, 'ledger.lock.owner');

/** The owner file, or undefined when there is none or it is not whole. */
export async function readLockOwner(disk: Disk, directory: string): Promise<LockOwner | undefined> {
  try {
    const owner = JSON.parse((await disk.readFile(ownerPath(directory)))?.toString('utf8') ?? '') as Partial<LockOwner>;
    const { host, bootId, pid, startedAt, token } = owner;
    if (typeof host !== 'string' || typeof bootId !== 'string' || typeof startedAt !== 'string' || typeof token !== 'string') return undefined;
    return Number.isSafeInteger(pid) && pid! > 0 ? { host, bootId, pid: pid!, startedAt, token } : undefined;
  } catch {
    return undefined;
  }
}

/** Describes this process; `token` is random, one per hold. */
export async function describeOwner(disk: Disk, token: string): Promise<LockOwner> {
  return { host: os.hostname(), bootId: await readBootId(disk), pid: process.pid, startedAt: await readStartTime(disk, process.pid), token };
}

/** Whether the owner certainly no longer runs. False wherever that cannot be told. */
export async function isDead(owner: LockOwner, self: LockOwner, disk: Disk): Promise<boolean> {
  if (owner.host !== self.host) return false;
  if (owner.bootId !== self.bootId) return owner.bootId !== '' && self.bootId !== '';
  if (!processExists(owner.pid)) return true;
  const startedAt = await readStartTime(disk, owner.pid);
  return owner.startedAt !== '' && startedAt !== '' && startedAt !== owner.startedAt;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return (error as { code?: unknown }).code !== 'ESRCH';
  }
}

async function readBootId(disk: Disk): Promise<string> {
  return (await readSystemFile(disk, '/proc/sys/kernel/random/boot_id')).trim();
}

/** The process's start in ticks since boot, as Linux has it; empty elsewhere. A zombie counts as ended. */
async function readStartTime(disk: Disk, pid: number): Promise<string> {
  const stat = await readSystemFile(disk, `/proc/${pid}/stat`);
  // The name in parentheses may hold anything; the fields behind it are counted from its last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? 'ended' : (fields[19] ?? '');
}

async function readSystemFile(disk: Disk, file: string): Promise<string> {
  if (process.platform !== 'linux') return '';
  try {
    return (await disk.readFile(file))?.toString('utf8') ?? '';
  } catch {
    return '';
  }
}
