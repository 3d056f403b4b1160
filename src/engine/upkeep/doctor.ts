import { isOpossumError, StorageFailedError } from '../../core/errors.js';
import { codeOf, messageOf } from '../../disk/error-code.js';
import { checkLocation } from '../context-location.js';
import type { EnginePorts } from '../engine.js';
import { systemPorts } from '../system-ports.js';
import { gatherFacts } from './doctor-facts.js';
import { judge, type DoctorFinding } from './doctor-findings.js';

export type DoctorOptions = {
  /** Folder that holds the contexts. */
  directory: string;
  /** Name of the store within it; `default` when absent. */
  context?: string;
};

export type DoctorReport = {
  /** True when there are no warnings; there may be notes. */
  readonly ok: boolean;
  /** The context's folder. */
  readonly folder: string;
  readonly findings: readonly DoctorFinding[];
};

/**
 * Looks at where a store lies and what is beside its events: synchronised folders, file systems that do not keep the
 * promises a store needs, the clock, locks, what crashes left behind; and opens it as a reader does. Takes no lock and
 * changes nothing; it does not read the events, which `verifyContext` does.
 *
 * @example const { ok, findings } = await doctorContext({ directory: './data' })
 * @throws InvalidInputError when there is no such store; UnsupportedFormatError; StorageFailedError when it cannot be read.
 */
export function doctorContext(options: DoctorOptions): Promise<DoctorReport> {
  return doctorOn(options, systemPorts);
}

/** `doctorContext` on other ports. */
export async function doctorOn(options: DoctorOptions, ports: EnginePorts): Promise<DoctorReport> {
  const { folder } = checkLocation(options, [], 'the options of doctorContext');
  try {
    const findings = judge(await gatherFacts(folder, ports));
    return { ok: findings.every(({ level }) => level === 'note'), folder, findings };
  } catch (error) {
    if (isOpossumError(error)) throw error;
    throw new StorageFailedError(`${folder} cannot be looked at: ${messageOf(error)}.`, 'not-committed', { directory: folder, code: codeOf(error) }, error);
  }
}
