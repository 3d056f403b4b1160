import { exitCodeOf, Interrupted, OutputClosed, type ExitCode } from './exit-codes.js';
import { plainReading } from './plain-reading.js';
import { readEvents } from './read-events.js';
import { Terminal } from './terminal.js';
import { visible } from './text.js';

/** Runs one command; resolves to its exit code. */
export async function runCommandLine(args: readonly string[]): Promise<ExitCode> {
  const terminal = new Terminal();
  try {
    const reading = plainReading(args, process.env);
    if (!reading) return await (await import('./commands.js')).runCommand(args, terminal);
    await readEvents(reading, terminal);
    return terminal.exitCode;
  } catch (error) {
    await report(error, terminal);
    return exitCodeOf(error);
  }
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
