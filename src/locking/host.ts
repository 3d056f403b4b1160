/*
 * This process and its host, and what can be known here of the holder of a lock. Anything short of proof that a process
 * ended counts as not ended: a holder wrongly called dead loses its lock, one wrongly called alive costs a few seconds.
 */
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
  const { thread, startedAt } = await readSelf(disk);
  const self = {
    host: process.getBuiltinModule('node:os').hostname() + (await containerSuffix(disk)),
    bootId: (await readText(disk, '/proc/sys/kernel/random/boot_id')).trim(),
    pid: process.pid,
    startedAt,
    ...(thread > 0 ? { thread } : {}),
  };
  return { self, stateOf: (owner) => stateOf(owner, self, disk) };
}

async function stateOf(owner: LockOwner, self: Host['self'], disk: Disk): Promise<ProcessState> {
  if (owner.host !== self.host) return 'unknown';
  if (owner.bootId !== self.bootId) return owner.bootId !== '' && self.bootId !== '' ? 'dead' : 'unknown';
  if (!exists(owner.pid)) return 'dead';
  const process = await readStat(disk, `/proc/${owner.pid}/stat`);
  if (process.ended) return 'dead';
  const thread = owner.thread === undefined ? undefined : `/proc/${owner.pid}/task/${owner.thread}`;
  // A worker thread may end alone: its process, of which the system tells, has it no more.
  if (thread !== undefined && process.startedAt !== '' && (await isAbsent(disk, thread))) return 'dead';
  const found = thread === undefined ? process : await readStat(disk, `${thread}/stat`);
  // The same number with another start is another process or thread: systems use numbers again. Where the system tells no
  // start, whoever has the number counts as the owner, and the lock is had when it becomes stale.
  return owner.startedAt !== '' && found.startedAt !== '' && owner.startedAt !== found.startedAt ? 'dead' : 'alive';
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

/** The thread that runs this, which asks for itself: nothing of this is read on another thread. */
async function readSelf(disk: Disk): Promise<{ thread: number; startedAt: string }> {
  const { id, startedAt } = await readStat(disk, '/proc/thread-self/stat');
  return id > 0 ? { thread: id, startedAt } : { thread: 0, startedAt: (await readStat(disk, `/proc/${process.pid}/stat`)).startedAt };
}

/** What Linux tells of a process or thread; elsewhere nothing, and the process's number must do. */
async function readStat(disk: Disk, file: string): Promise<{ id: number; startedAt: string; ended: boolean }> {
  const stat = await readText(disk, file);
  // The name, in parentheses, may hold anything: fields are counted from behind it. 0 is the state, 19 the start in ticks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { id: Number.parseInt(stat, 10) || 0, startedAt: fields[19] ?? '', ended: fields[0] === 'Z' || fields[0] === 'X' };
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

async function isAbsent(disk: Disk, directory: string): Promise<boolean> {
  try {
    return (await disk.stat(directory)) === undefined;
  } catch {
    return false;
  }
}

async function readText(disk: Disk, file: string): Promise<string> {
  try {
    return (await disk.readFile(file))?.toString('latin1') ?? '';
  } catch {
    return '';
  }
}
