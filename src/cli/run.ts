import { addAppendCommand } from './append-command.js';
import { addBackupCommand } from './backup-command.js';
import { addContextsCommand } from './contexts-command.js';
import { addDemoCommand } from './demo-command.js';
import { addDoctorCommand } from './doctor-command.js';
import { exitCodeHelp, exitCodeOf, exitCodes, Interrupted, OutputClosed } from './exit-codes.js';
import { addExportCommand } from './export-command.js';
import { addImportCommand } from './import-command.js';
import { CommanderError, newProgram } from './program.js';
import { addReadCommand } from './read-command.js';
import { addRepairCommand } from './repair-command.js';
import { addStatsCommand } from './stats-command.js';
import { addTailCommand } from './tail-command.js';
import { Terminal } from './terminal.js';
import { visible } from './text.js';
import { addVerifyCommand } from './verify-command.js';

/** Runs one command; resolves to its exit code. Commands load the library only when they run: help and usage errors are instant. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const terminal = new Terminal();
  let help = '';
  const program = newProgram((text) => (help += text)).addHelpText('after', exitCodeHelp);
  for (const add of [
    addAppendCommand,
    addReadCommand,
    addTailCommand,
    addStatsCommand,
    addContextsCommand,
    addImportCommand,
    addExportCommand,
    addVerifyCommand,
    addRepairCommand,
    addBackupCommand,
    addDoctorCommand,
    addDemoCommand,
  ]) {
    add(program, terminal);
  }
  try {
    const ended = await program.parseAsync(args, { from: 'user' }).then(() => undefined, asEnd);
    if (help !== '') await terminal.out.write(help);
    if (ended) return ended.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return terminal.exitCode;
  } catch (error) {
    await report(error, terminal);
    return exitCodeOf(error);
  }
}

/** commander ends with an error when it showed help, too. */
function asEnd(error: unknown): CommanderError {
  if (error instanceof CommanderError) return error;
  throw error;
}

async function report(error: unknown, { err, afterInterrupt }: Terminal): Promise<void> {
  if (error instanceof OutputClosed) return;
  if (error instanceof Interrupted) return afterInterrupt === undefined ? undefined : err.line(`Interrupted: ${afterInterrupt}`);
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  const message = visible((error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' '));
  // Node's own errors begin with their code already.
  const isNamed = typeof code !== 'string' || message.startsWith(`${code}:`);
  await err.line(err.style('red', `opossum: ${isNamed ? '' : `${code}: `}${message}`));
  if (process.env['OPOSSUM_DEBUG'] === '1' && error instanceof Error) {
    await err.line(error.stack ?? '');
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) await err.line(`caused by ${cause.stack ?? cause.message}`);
  }
}
