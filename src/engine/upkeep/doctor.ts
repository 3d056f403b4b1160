import { isOpossumError, StorageFailedError } from '../../core/errors.js';
import { codeOf, messageOf } from '../../disk/error-code.js';
import { checkLocation } from '../context-location.js';
import type { EnginePorts } from '../engine.js';
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
