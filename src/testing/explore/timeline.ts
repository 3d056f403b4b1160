/* A run as a table: time goes down, each handler has a column, and the row that breaks the invariant says so. */
import type { SequencedEvent } from '../../core/event.js';
import { describeEntry, oneLine, type Entry, type ReadAnswer } from './entry.js';
import type { DescribedRead, ExploreOptions } from './options.js';
import { checkInvariant, letterOf, type Rules, type Run } from './run-commands.js';

type Look<Command> = Pick<ExploreOptions<Command>, 'label' | 'describeRead'> & { readonly width: number };

/** The last row of a timeline, and what is wrong with it. */
type Mark = { readonly row: number; readonly words: string };

export async function drawTimeline<Command, Result>(commands: readonly Command[], run: Run<Command, Result>, rules: Rules<Command, Result>, look: Look<Command>): Promise<string> {
  const mark = await findMark(run, rules);
  const heads = commands.map((command, handler) => `${letterOf(handler)}: ${oneLine(look.label?.(command) ?? brief(command))}`);
  const cells = run.entries.map((entry) => oneLine(describeIn(look, commands[entry.handler] as Command, entry)));
  const widths = fitWidths(heads.map((head, handler) => Math.max(head.length, ...cells.filter((_, row) => run.entries[row]!.handler === handler).map((cell) => cell.length))), look.width, mark);
  const line = (time: string, texts: readonly string[], end = ''): string =>
    [time.padEnd(timeWidth), ...texts.map((text, i) => cut(text, widths[i]!).padEnd(widths[i]! + gap)), end].join('').trimEnd();

  const rows = cells.map((cell, row) => {
    const texts = heads.map((_, handler) => (handler === run.entries[row]!.handler ? cell : ''));
    return line(`T${row + 1}`, texts, row === mark?.row ? ` ${cut(`✗ ${mark.words}`, Math.max(look.width - timeWidth - sum(widths) - gap * widths.length - 1, markLeast))}` : '');
  });
  const end = mark && mark.row < 0 ? [`✗ ${mark.words}`] : [];
  return [line('time', heads), ...shorten(rows), ...end].join('\n');
}

const timeWidth = 6;
const gap = 2;
/** So much of what is wrong is shown, however wide the columns are. */
const markLeast = 24;
const columnLeast = 12;
const askedLeast = 4;

/** Where it went wrong: behind that commit the invariant is broken and stays so. */
async function findMark<Command, Result>({ failure, entries, history, results }: Run<Command, Result>, rules: Rules<Command, Result>): Promise<Mark | undefined> {
  if (!failure) return undefined;
  if (failure.kind !== 'invariant') return { row: failure.kind === 'error' ? entries.length - 1 : -1, words: failure.words };
  let mark: Mark = { row: -1, words: failure.words };
  for (let row = entries.length - 1; row >= 0; row--) {
    const last = committedUpTo(entries[row]!);
    if (last === undefined) continue;
    const broken = await checkInvariant(rules, upTo(history, last), results);
    if (!broken) break;
    mark = { row, words: broken.words };
  }
  return mark;
}

function committedUpTo({ call, answer, error }: Entry): number | undefined {
  if (call.kind !== 'append' || error !== undefined) return undefined;
  const { last, duplicate } = answer as { last: number; duplicate: boolean };
  return duplicate ? undefined : last;
}

function upTo(history: readonly SequencedEvent[], last: number): SequencedEvent[] {
  return history.filter(({ position }) => position <= last);
}

function describeIn<Command>({ describeRead }: Look<Command>, command: Command, entry: Entry): string {
  const { call, answer, error } = entry;
  if (describeRead && call.kind === 'read' && error === undefined) {
    const read: DescribedRead<Command> = { command, query: call.query, ...(answer as ReadAnswer) };
    const words = describeRead(read);
    if (words !== undefined) return `read ${words}`;
  }
  return describeEntry(entry);
}

function brief(command: unknown): string {
  if (typeof command === 'string') return command;
  try {
    return JSON.stringify(command) ?? String(command);
  } catch {
    return String(command);
  }
}

/** The widest columns give way until all of them fit. */
function fitWidths(wanted: readonly number[], width: number, mark: Mark | undefined): number[] {
  const widths = [...wanted];
  const room = width - timeWidth - gap * widths.length - (mark && mark.row >= 0 ? Math.min(mark.words.length + 3, markLeast + 1) : 0);
  while (sum(widths) > room) {
    const widest = Math.max(...widths);
    if (widest <= columnLeast) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What was answered matters more than what was asked in full. */
function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const answer = text.indexOf(' → ');
  const room = width - (text.length - answer) - 1;
  const short = answer > 0 && room >= askedLeast ? `${text.slice(0, room)}…${text.slice(answer)}` : `${text.slice(0, width - 1)}…`;
  return short.toWellFormed();
}

/** A run that never ends is no help in full. */
function shorten(rows: readonly string[]): readonly string[] {
  return rows.length <= 2 * rowsShown ? rows : [...rows.slice(0, rowsShown), `…     (${rows.length - 2 * rowsShown} rows left out)`, ...rows.slice(-rowsShown)];
}

const rowsShown = 30;
