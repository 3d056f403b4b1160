/*
 * What looks after a store, and which most programs never call: it is loaded with the first call, so that opening a store
 * does not wait for it.
 */
import { systemPorts } from '../system-ports.js';
import type { BackupOptions, BackupReport } from './backup.js';
import type { DoctorOptions, DoctorReport } from './doctor.js';
import type { RepairOptions, RepairReport } from './repair.js';
import type { VerifyOptions, VerifyReport } from './verify.js';

/**
 * Copies a context while processes go on appending, continues an earlier backup of it, and verifies the copy at the end.
 * The copy is a store: `openStore({ directory: destination, context })` opens it. What it holds is durable when this resolves.
 *
 * @example await backupContext({ directory: './data', destination: '/media/backup/data' })
 * @throws InvalidInputError when there is no such store, or the destination is another store's backup, has diverged or is ahead;
 *   LedgerCorruptError when the store or the earlier backup is damaged; LockTimeoutError when somebody writes to the copy; StorageFailedError.
 */
export async function backupContext(options: BackupOptions): Promise<BackupReport> {
  const { backupOn } = await import('./backup.js');
  return backupOn(options, systemPorts);
}

/**
 * Looks at where a store lies and what is beside its events: synchronised folders, file systems that do not keep the
 * promises a store needs, the clock, locks, what crashes left behind; and opens it as a reader does. Takes no lock and
 * changes nothing; it does not read the events, which `verifyContext` does.
 *
 * @example const { ok, findings } = await doctorContext({ directory: './data' })
 * @throws InvalidInputError when there is no such store; UnsupportedFormatError; StorageFailedError when it cannot be read.
 */
export async function doctorContext(options: DoctorOptions): Promise<DoctorReport> {
  const { doctorOn } = await import('./doctor.js');
  return doctorOn(options, systemPorts);
}

/**
 * Heals a context: event files, index and checkpoint from the ledger, and a damaged or lost ledger from what is left of it
 * and from the event files. Without `apply` it only says what it would do. What was there is moved to `quarantine/` in the
 * context's folder. A new ledger is durable before it gets its name; a rebuilt one has a new id, and stores that still have
 * the old one open must be opened again.
 *
 * @example const { ok, lost } = await repairContext({ directory: './data', apply: true })
 * @throws InvalidInputError when there is no store or this process has it open; LockTimeoutError when another process
 *   appends to it; LedgerCorruptError when nothing is left to tell which positions there were, or the ledger seems to be another
 *   store's and `trust` does not say what to believe; StorageFailedError;
 *   UnsupportedFormatError.
 */
export async function repairContext(options: RepairOptions): Promise<RepairReport> {
  const { repairOn } = await import('./repair.js');
  return repairOn(options, systemPorts);
}

/**
 * Checks every byte that a context stores and changes nothing. Safe while other processes append.
 *
 * @example if (!(await verifyContext({ directory: './data' })).ok) console.error('run "opossum repair"')
 * @throws InvalidInputError when there is no store; StorageFailedError when it cannot be read; UnsupportedFormatError.
 *   What is damaged is in the report.
 */
export async function verifyContext(options: VerifyOptions): Promise<VerifyReport> {
  const { verifyOn } = await import('./verify.js');
  return verifyOn(options, systemPorts);
}
