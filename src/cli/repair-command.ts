import path from 'node:path';
import type { RepairAction, RepairReport } from '../index.js';
import { exitCodes } from './exit-codes.js';
import { choice, withJson, withStore, type Command, type StoreLocation } from './program.js';
import { startProgress } from './progress-bar.js';
import { checkExists } from './stores.js';
import type { Output, Terminal } from './terminal.js';
import { count, number, visible } from './text.js';

type Options = StoreLocation & { apply?: boolean; acceptLoss?: boolean; trust?: 'ledger' | 'event-files'; json?: boolean };

const help = `
Without --apply nothing is changed: it says what would be done, and ends with 5 when there is something to heal.
With --apply no process may be appending. Nothing is deleted: what is damaged or replaced is moved to the folder
quarantine beside the ledger. Events that can be restored from nothing are listed by position; the ledger is rebuilt
without them only with --accept-loss, and placeholders of type "opossum.lost" keep their positions.
A ledger that is not the one the checkpoint belongs to, beside event files of other events, is left alone until
--trust says which of the two to believe.`;

export function addRepairCommand(program: Command, terminal: Terminal): void {
  withJson(withStore(program.command('repair').description('Heal a damaged context from its other copy of every event. Says what it would do, until told to do it.')), 'the report as JSON')
    .option('--apply', 'do it')
    .option('--accept-loss', 'rebuild the ledger even where events cannot be restored')
    .addOption(choice('--trust <copy>', 'what to believe when the ledger seems to be another store’s', ['ledger', 'event-files']))
    .addHelpText('after', help)
    .action((options: Options) => repair(options, terminal));
}

async function repair(options: Options, terminal: Terminal): Promise<void> {
  await checkExists(options);
  const report = await runRepair(options, terminal);
  await terminal.out.write(options.json ? `${JSON.stringify(report)}\n` : `${describeReport(report, options, terminal.out).join('\n')}\n`);
  if (!report.ok) terminal.exitCode = exitCodes.corrupt;
}

async function runRepair({ dir, context, apply = false, acceptLoss = false, trust }: Options, terminal: Terminal): Promise<RepairReport> {
  const { repairContext } = await import('../index.js');
  const progress = await startProgress(terminal, 'repair', 1);
  try {
    return await repairContext({
      directory: dir,
      context,
      apply,
      acceptLoss,
      ...(trust === undefined ? {} : { trust }),
      signal: terminal.interruptible(apply ? 'nothing was lost, and what is done is done. Run the same repair again: it goes on from there.' : 'nothing was changed. Run the same repair again to see all of it.'),
      onProgress: ({ done, total }) => progress.update(total === 0 ? 1 : done / total, ''),
    });
  } finally {
    progress.stop();
  }
}

/** More than this is counted for people; `--json` has a thousand. */
const maxShown = 50;

function describeReport(report: RepairReport, options: Options, out: Output): string[] {
  const { actions, actionCount, lost } = report;
  const groups = groupActions(actions).slice(0, maxShown);
  const rest = actionCount - groups.reduce((sum, group) => sum + group.length, 0);
  return [
    headline(report, options, out),
    ...groups.map((group) => `  ${visible(describeActions(group))}`),
    ...(rest > 0 ? [`  … and ${number(rest)} more; --json lists the first thousand.`] : []),
    ...lost.slice(0, maxShown).map(({ first, last, message }) => `  ${out.style('red', 'lost')} ${first === last ? `event ${first}` : `events ${first} to ${last}`}: ${visible(message)}`),
    ...(lost.length > maxShown ? [`  … and ${number(lost.length - maxShown)} more stretches of lost events; --json lists all.`] : []),
    ...nextStep(report, options, out),
  ];
}

/** Actions that differ in their numbers only, together, in the order of the first of each. */
function groupActions(actions: readonly RepairAction[]): RepairAction[][] {
  const groups = new Map<string, RepairAction[]>();
  for (const action of actions) {
    const key = `${action.what} ${action.message.replace(/\d+/g, '#')}`;
    const group = groups.get(key);
    if (group) group.push(action);
    else groups.set(key, [action]);
  }
  return [...groups.values()];
}

function describeActions([first, ...others]: readonly RepairAction[]): string {
  if (!first) return '';
  const { what, where, message } = first;
  const line = `${what === where ? '' : `${what} `}${where}: ${message}`;
  const last = others.at(-1);
  if (!last) return line;
  return `${line} Likewise ${number(others.length)} more${describeOthers(others, last)}.`;
}

function describeOthers(others: readonly RepairAction[], last: RepairAction): string {
  if (last.what === 'event file') return `: ${describePositions(others.flatMap(({ position }) => position ?? []))}`;
  return last.where === 'ledger' ? `, the last from position ${last.position} on` : `, up to ${last.where}`;
}

/** More stretches than this are left out. */
const maxStretches = 10;

function describePositions(positions: readonly number[]): string {
  const stretches: { first: number; last: number }[] = [];
  for (const position of positions) {
    const open = stretches.at(-1);
    if (open?.last === position - 1) open.last = position;
    else stretches.push({ first: position, last: position });
  }
  const shown = stretches.slice(0, maxStretches).map(({ first, last }) => (first === last ? `${first}` : `${first} to ${last}`));
  return `position${positions.length === 1 ? '' : 's'} ${shown.join(', ')}${stretches.length > maxStretches ? ', …' : ''}`;
}

function headline({ ok, applied, head, actionCount, lost }: RepairReport, { acceptLoss }: Options, out: Output): string {
  const things = count(actionCount, 'thing');
  if (ok && applied) return `${out.style('green', 'HEALED')}  ${things} done: the store is sound and ends with position ${head}.`;
  if (ok) return `${out.style('green', 'OK')}  The store is sound and ends with position ${head}: ${actionCount === 0 ? 'nothing to repair' : `${things} to tidy up`}.`;
  if (applied) return `${out.style('red', 'DAMAGED')}  ${things} done, but not all is healed: the store ends with position ${head}.`;
  if (lost.length > 0 && !acceptLoss) return `${out.style('red', 'DAMAGED')}  Some events cannot be restored from anything in the folder.`;
  return `${out.style('red', 'DAMAGED')}  ${things} to do: then the store ends with position ${head}.`;
}

function nextStep({ ok, applied, actionCount, lost, quarantine }: RepairReport, { dir, context, acceptLoss, trust }: Options, out: Output): string[] {
  const aside = applied && quarantine !== undefined ? [`What was moved aside lies in ${visible(path.join(dir, context, quarantine))}.`] : [];
  const chosen = trust === undefined ? '' : ` --trust ${trust}`;
  const options = `${acceptLoss ? ' --accept-loss' : ''}${chosen}`;
  if (applied) return ok ? aside : [...aside, 'Run "opossum verify" to see what is left, and restore the folder from a backup.'];
  const command = (flags: string): string => out.style('bold', `opossum repair ${flags}`);
  if (lost.length > 0 && !acceptLoss) {
    return [`Nothing was changed. Restore the folder from a backup, or give these events up with ${command(`--apply --accept-loss${chosen}`)}: the others keep their positions.`];
  }
  return actionCount === 0 ? [] : [`Nothing was changed. To do it, run ${command(`--apply${options}`)}.`];
}
