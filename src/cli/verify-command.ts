import type { VerifyProblem, VerifyReport } from '../index.js';
import { exitCodes } from './exit-codes.js';
import { withJson, withStore, type Command, type StoreLocation } from './program.js';
import { startProgress } from './progress-bar.js';
import { checkExists } from './stores.js';
import type { Output, Terminal } from './terminal.js';
import { bytes, count, number, visible } from './text.js';

type Options = StoreLocation & { json?: boolean };

export function addVerifyCommand(program: Command, terminal: Terminal): void {
  withJson(withStore(program.command('verify').description('Check every checksum, chain link, event file and index block. Changes nothing.')), 'the report as JSON').action((options: Options) =>
    verify(options, terminal),
  );
}

async function verify(options: Options, terminal: Terminal): Promise<void> {
  await checkExists(options);
  const report = await runVerify(options, terminal);
  await terminal.out.write(options.json ? `${JSON.stringify(report)}\n` : `${describeReport(report, terminal.out).join('\n')}\n`);
  if (!report.ok) terminal.exitCode = exitCodes.corrupt;
}

/** Verifies a context and shows how far it is. */
export async function runVerify({ dir, context }: StoreLocation, terminal: Terminal): Promise<VerifyReport> {
  const { verifyContext } = await import('../index.js');
  const progress = await startProgress(terminal, 'verify', 1);
  try {
    return await verifyContext({
      directory: dir,
      context,
      signal: terminal.interruptible('nothing was changed. Verify again to look at everything.'),
      onProgress: ({ done, total }) => progress.update(total === 0 ? 1 : done / total, `${bytes(done)} of ${bytes(total)}`),
    });
  } finally {
    progress.stop();
  }
}

/** More problems, and more notes, than this are counted for people; `--json` has a thousand. */
const maxShown = 20;

/** The report for people, a line an item. */
export function describeReport(report: VerifyReport, out: Output): string[] {
  const checked = `${count(report.events, 'event')} in ${bytes(report.bytes)} of ledger checked`;
  const notes = [
    ...(report.voidFrames > 0 ? [`${count(report.voidFrames, 'frame')} lost a race or never became durable: harmless.`] : []),
    ...(report.scarBytes > 0 ? [`${number(report.scarBytes)} bytes belong to no frame${report.ok ? ', left by crashes: harmless' : ''}.`] : []),
    ...(report.pendingEventFiles > 0 ? [`${count(report.pendingEventFiles, 'event file')} still to be written, by a running process or the next one that appends.`] : []),
    ...shown(report.notes.map(({ where, message }) => visible(`${where}: ${message}`)), report.noteCount),
  ].map((note) => `  note: ${note}`);
  if (report.ok) return [`${out.style('green', 'OK')}  ${checked}: ledger, event files and index agree.`, ...notes];
  return [
    `${out.style('red', 'DAMAGED')}  ${checked}: ${count(report.problemCount, 'problem')} found.`,
    ...shown(report.problems.map(describeProblem), report.problemCount).map((line) => `  ${line}`),
    ...notes,
    'Run "opossum repair" to see what can be healed: it changes nothing until it is told to.',
  ];
}

function shown(lines: readonly string[], all: number): string[] {
  const rest = all - Math.min(lines.length, maxShown);
  return [...lines.slice(0, maxShown), ...(rest > 0 ? [`… and ${number(rest)} more; --json lists the first thousand.`] : [])];
}

function describeProblem({ what, where, position, offset, message }: VerifyProblem): string {
  const place = [...(position === undefined ? [] : [`position ${position}`]), ...(offset === undefined ? [] : [`byte ${offset}`])].join(', ');
  return visible(`${what === where ? '' : `${what} `}${where}${place === '' ? '' : ` (${place})`}: ${message}`);
}
