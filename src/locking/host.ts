/*
 * This process and its host, and what can be known here of the holder of a lock. Anything short of proof that a process
 * ended counts as not ended: a holder wrongly called dead loses its lock, one wrongly called alive costs a few seconds.
 */
import os from 'node:os';
import type { Disk } from '../disk/disk.js';
import { codeOf } from '../disk/error-code.js';
import type { LockOwner } from './lock.js';

/** `'unknown'`: not of this host, or it did not say. */
export type ProcessState = 'alive' | 'dead' | 'unknown';

export interface Host {
  /** This process, as the owner of a lock. */
  readonly self: Omit<LockOwner, 'token'>;
  /** Costs about ten microseconds. */
  stateOf(owner: LockOwner): Promise<ProcessState>;
}

export async function openHost(disk: Disk): Promise<Host> {
  const self = {
    host: os.hostname() + (await containerSuffix(disk)),
    bootId: (await readText(disk, '/proc/sys/kernel/random/boot_id')).trim(),
    pid: process.pid,
    startedAt: (await readProcess(disk, process.pid)).startedAt,
  };
  return { self, stateOf: (owner) => stateOf(owner, self, disk) };
}

async function stateOf(owner: LockOwner, self: Host['self'], disk: Disk): Promise<ProcessState> {
  if (owner.host !== self.host) return 'unknown';
  if (owner.bootId !== self.bootId) return owner.bootId !== '' && self.bootId !== '' ? 'dead' : 'unknown';
  if (!exists(owner.pid)) return 'dead';
  const found = await readProcess(disk, owner.pid);
  if (found.ended) return 'dead';
  // The same pid with another start is another process: systems use pids again. A worker thread of this process has both in
  // common with it, so a worker that ended without release looks alive, and its lock is had when it becomes stale.
  if (owner.startedAt !== '' && found.startedAt !== '' && owner.startedAt !== found.startedAt) return 'dead';
  return 'alive';
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    return codeOf(error) !== 'ESRCH';
  }
}

/** What Linux tells of a process; elsewhere nothing, and its pid must do. */
async function readProcess(disk: Disk, pid: number): Promise<{ startedAt: string; ended: boolean }> {
  const stat = await readText(disk, `/proc/${pid}/stat`);
  // The name, in parentheses, may hold anything: fields are counted from behind it. 0 is the state, 19 the start in ticks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { startedAt: fields[19] ?? '', ended: fields[0] === 'Z' || fields[0] === 'X' };
}

/** Containers may share the host's name and boot, but each counts its own pids: those of another say nothing here. */
async function containerSuffix(disk: Disk): Promise<string> {
  const initialNamespace = 0xeffffffc;
  try {
    const namespace = (await disk.stat('/proc/self/ns/pid'))?.ino;
    return namespace === undefined || namespace === initialNamespace ? '' : `#pids-${namespace}`;
  } catch {
    return '';
  }
}

async function readText(disk: Disk, file: string): Promise<string> {
  try {
    return (await disk.readFile(file))?.toString('latin1') ?? '';
  } catch {
    return '';
  }
}
