import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { SequencedEvent } from '../index.js';
import { audit, makeApplications, openingEvents, type Application } from './demo/enrolment.js';
import { figures, introduction, rules, seats, whatToLookAt } from './demo/report.js';
import { race, type Race } from './demo/workers.js';
import { exitCodes, inputError } from './exit-codes.js';
import type { Command } from './program.js';
import { startProgress } from './progress-bar.js';
import { hasStore, withOwn } from './stores.js';
import type { Terminal } from './terminal.js';
import { number } from './text.js';
import { describeReport, runVerify } from './verify-command.js';

type Options = { dir?: string; context: string; keep: boolean };

const processes = 4;
const seed = 20;

export function addDemoCommand(program: Command, terminal: Terminal): void {
  program
    .command('demo')
    .description('Let four processes race for the seats of ten courses, and check that nobody got a seat too many.')
    // OPOSSUM_DIR is not asked: it names a store that is in use.
    .option('--dir <dir>', 'folder to use; must not hold events (default: a fresh temporary one)')
    .option('--context <name>', 'name of the store within it', 'default')
    .option('--keep', 'keep the folder, which is the default', true)
    .option('--no-keep', 'remove the folder in the end')
    .action((options: Options) => demo(options, terminal));
}

async function demo({ dir, context, keep }: Options, terminal: Terminal): Promise<void> {
  const signal = terminal.interruptible();
  const folder = dir === undefined ? fs.mkdtempSync(path.join(os.tmpdir(), 'opossum-demo-')) : path.resolve(dir);
  const isNew = dir === undefined || !hasStore({ dir: folder, context });
  const { out } = terminal;
  const print = (lines: readonly string[]): Promise<void> => out.write(`${lines.join('\n')}\n`);
  try {
    const applications = makeApplications(seed);
    await prepare({ dir: folder, context });
    await print(introduction(folder, processes, out));
    const result = await runRace({ dir: folder, context }, applications, terminal, signal);
    const events = await readAll({ dir: folder, context });
    const checked = audit(events, applications);
    await print([...seats(checked, out), ...figures(result, out), ...rules(checked, out), out.style('bold', 'Verify: every checksum, chain link, event file and index block')]);
    const report = await runVerify({ dir: folder, context }, terminal);
    await print([...describeReport(report, out).map((line) => `  ${line}`), '']);
    if (keep) await print(whatToLookAt(folder, context, events.find(({ type }) => type === 'StudentEnrolled')?.position, out));
    if (checked.rules.some(({ broken }) => broken.length > 0)) terminal.exitCode = exitCodes.unexpected;
    else if (!report.ok) terminal.exitCode = exitCodes.corrupt;
  } finally {
    // A folder that the caller named loses only what the demo put there.
    if (!keep && isNew) fs.rmSync(dir === undefined ? folder : path.join(folder, context), { recursive: true, force: true });
  }
}

type Place = { readonly dir: string; readonly context: string };

async function prepare(place: Place): Promise<void> {
  await withOwn(place, async (store) => {
    if ((await store.head()) > 0) throw inputError(`${path.join(place.dir, place.context)} holds events already. The demo wants a folder of its own.`);
    await store.append(openingEvents());
  });
}

async function runRace({ dir, context }: Place, applications: readonly Application[], terminal: Terminal, signal: AbortSignal): Promise<Race> {
  const progress = await startProgress(terminal, 'answering', applications.length, 250);
  const shares = Array.from({ length: processes }, (_, i) => applications.filter((_one, index) => index % processes === i));
  try {
    return await race({ directory: dir, context, shares }, signal, (tallies) => {
      const sum = (key: 'decided' | 'enrolled' | 'conflicts'): number => tallies.reduce((total, tally) => total + tally[key], 0);
      progress.update(sum('decided'), `${sum('decided')} of ${applications.length} answered, ${sum('enrolled')} enrolled, ${number(sum('conflicts'))} conflicts`);
    });
  } finally {
    progress.stop();
  }
}

async function readAll(place: Place): Promise<SequencedEvent[]> {
  return withOwn(place, (store) => store.read().toArray());
}
