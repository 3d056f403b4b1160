import type { DoctorFinding, DoctorReport } from '../index.js';
import { exitCodes } from './exit-codes.js';
import { withJson, withStore, type Command, type StoreLocation } from './program.js';
import { checkExists } from './stores.js';
import type { Output, Terminal } from './terminal.js';
import { count, visible } from './text.js';

type Options = StoreLocation & { json?: boolean };

export function addDoctorCommand(program: Command, terminal: Terminal): void {
  withJson(withStore(program.command('doctor').description('Look for what endangers a store: where it lies, clock, locks, leftovers, room on the disk. Changes nothing.')), 'the report as JSON').action((options: Options) =>
    doctor(options, terminal),
  );
}

async function doctor(options: Options, terminal: Terminal): Promise<void> {
  await checkExists(options);
  const { doctorContext } = await import('../index.js');
  const report = await doctorContext({ directory: options.dir, context: options.context });
  await terminal.out.write(options.json ? `${JSON.stringify(report)}\n` : `${describeReport(report, terminal.out).join('\n')}\n`);
  if (!report.ok) terminal.exitCode = exitCodes.warnings;
}

function describeReport({ ok, folder, findings }: DoctorReport, out: Output): string[] {
  const warnings = findings.filter(({ level }) => level === 'warning');
  return [
    ok ? `${out.style('green', 'OK')}  ${visible(folder)}: no warnings.` : `${out.style('yellow', 'WARNING')}  ${visible(folder)}: ${count(warnings.length, 'warning')}.`,
    ...findings.flatMap((finding) => describeFinding(finding, out)),
    'It did not read the events: whether they are sound, "opossum verify" tells.',
  ];
}

function describeFinding({ level, code, message, advice }: DoctorFinding, out: Output): string[] {
  const label = out.style(level === 'warning' ? 'yellow' : 'bold', level);
  return [`  ${label} ${code}: ${visible(message)}`, `    ${visible(advice)}`];
}
