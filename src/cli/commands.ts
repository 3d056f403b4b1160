import { addAppendCommand } from './append-command.js';
import { addBackupCommand } from './backup-command.js';
import { addContextsCommand } from './contexts-command.js';
import { addDemoCommand } from './demo-command.js';
import { addDoctorCommand } from './doctor-command.js';
import { exitCodeHelp, exitCodes, type ExitCode } from './exit-codes.js';
import { addExportCommand } from './export-command.js';
import { addImportCommand } from './import-command.js';
import { CommanderError, newProgram, type Command } from './program.js';
import { addReadCommand } from './read-command.js';
import { addRepairCommand } from './repair-command.js';
import { addStatsCommand } from './stats-command.js';
import { addTailCommand } from './tail-command.js';
import type { Terminal } from './terminal.js';
import { addVerifyCommand } from './verify-command.js';

/** All commands. They load the library only when they run: help and usage errors are instant. */
export function declareCommands(terminal: Terminal, writeOut: (text: string) => void): Command {
  const program = newProgram(writeOut).addHelpText('after', exitCodeHelp);
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
  return program;
}

/** Runs the command that `args` name; resolves to its exit code. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let help = '';
  const program = declareCommands(terminal, (text) => (help += text));
  const ended = await program.parseAsync(args, { from: 'user' }).then(() => undefined, asEnd);
  if (help !== '') await terminal.out.write(help);
  if (ended) return ended.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  return terminal.exitCode;
}

/** commander ends with an error when it showed help, too. */
function asEnd(error: unknown): CommanderError {
  if (error instanceof CommanderError) return error;
  throw error;
}
