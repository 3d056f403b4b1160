import fs from 'node:fs';
import path from 'node:path';
import type { Output } from '../terminal.js';
import { number, seconds, table } from '../text.js';
import { school, type Audit } from './enrolment.js';
import type { Race } from './workers.js';

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`.trimEnd());

export function introduction(folder: string, processes: number, out: Output): string[] {
  const applications = school.students * school.applicationsEach;
  return [
    out.style('bold', 'Opossum demo: one folder, several processes, no server'),
    '',
    ...indent([
      `${school.students} students apply for ${school.courses} courses of ${school.seats} seats: each for ${school.applicationsEach}, and may get ${school.coursesEach}.`,
      `${number(processes)} processes answer the ${applications} applications at the same time. For each, a process reads the events it needs`,
      'to know, decides, and appends the answer on the condition that nothing it relied on has changed.',
      'Where another process was faster, that is a conflict: it reads, decides and appends again.',
      '',
      `Folder: ${folder}`,
    ]),
    '',
  ];
}

export function seats({ courses }: Audit, out: Output): string[] {
  const rows = courses.map(({ course, taken, turnedAway }) => [course, bar(taken), `${taken} of ${school.seats}`, `${turnedAway} turned away`]);
  return [out.style('bold', 'Seats taken'), ...indent(table(rows, [2, 3])), ''];
}

function bar(taken: number): string {
  return '#'.repeat(Math.min(taken, 40)).padEnd(school.seats, '.');
}

export function figures({ results, ms }: Race, out: Output): string[] {
  const sum = (of: (tally: Race['results'][number]['tally']) => number): number => results.reduce((total, { tally }) => total + of(tally), 0);
  const latencies = results.flatMap(({ latenciesMs }) => latenciesMs);
  const decided = sum((tally) => tally.decided);
  const rows = [
    ['applications answered', number(decided), `${number(sum((tally) => tally.enrolled))} enrolled, ${number(decided - sum((tally) => tally.enrolled))} turned away`],
    ['conflicts met', number(sum((tally) => tally.conflicts)), `each followed by a retry; at most ${Math.max(...results.map(({ tally }) => tally.triesMax))} tries for one application`],
    ['appends a second', number((decided / ms) * 1000), `in ${seconds(ms)}, every one durable on disk when it was acknowledged`],
    ['append latency p50', milliseconds(percentile(latencies, 50)), 'half of the appends were faster, waiting for other processes included'],
    ['append latency p99', milliseconds(percentile(latencies, 99)), '99 of 100 were faster'],
  ];
  const perProcess = [
    ['process', 'answered', 'enrolled', 'conflicts', 'p50', 'p99'],
    ...results.map(({ pid, tally, latenciesMs }) => [
      String(pid),
      number(tally.decided),
      number(tally.enrolled),
      number(tally.conflicts),
      milliseconds(percentile(latenciesMs, 50)),
      milliseconds(percentile(latenciesMs, 99)),
    ]),
  ];
  return [
    out.style('bold', 'What happened'),
    ...indent(table(rows, [1])),
    '',
    out.style('bold', 'By process'),
    ...indent(table(perProcess, [0, 1, 2, 3, 4, 5])),
    '',
  ];
}

export function rules({ rules: checked, events }: Audit, out: Output): string[] {
  return [
    out.style('bold', `Rules, checked by reading all ${number(events)} events back`),
    ...indent(
      checked.map(({ rule, broken }) =>
        broken.length === 0 ? `${out.style('green', 'OK')}      ${rule}` : `${out.style('red', 'BROKEN')}  ${rule}: ${broken.slice(0, 5).join(', ')}${broken.length > 5 ? ', …' : ''}`,
      ),
    ),
    '',
  ];
}

/** What to look at in the folder: only what is really there. */
export function whatToLookAt(folder: string, context: string, enrolledAt: number | undefined, out: Output): string[] {
  const within = path.join(folder, context);
  const eventFile = enrolledAt === undefined ? undefined : findEventFile(within, enrolledAt);
  const hasIndex = fs.existsSync(path.join(within, 'index')) && fs.readdirSync(path.join(within, 'index')).length > 0;
  const command = `${commandName()} read --dir ${folder}${context === 'default' ? '' : ` --context ${context}`}`;
  return [
    out.style('bold', 'Have a look'),
    ...indent(
      table([
        ['everything is in', within],
        ['ledger', 'the append-only log: order, content and conditions, each batch with its checksum'],
        ...(eventFile ? [[eventFile, 'an event as a file of its own: read it, grep it, diff it']] : []),
        hasIndex ? ['index/', 'blocks of tags, types and ids, rebuilt from the ledger when they are lost'] : ['index/', 'comes with the 4,096th event; until then memory is enough'],
        ['', ''],
        ['who is in course c01', `${command} --tag course:c01 --type StudentEnrolled`],
        ['all about a student', `${command} --tag student:s001`],
      ]),
    ),
  ];
}

function findEventFile(within: string, position: number): string | undefined {
  const folder = path.join('events', String(Math.floor((position - 1) / 1000) + 1).padStart(7, '0'));
  const file = path.join(folder, `${String(position).padStart(9, '0')}.json`);
  return fs.existsSync(path.join(within, file)) ? file : undefined;
}

/** How this very command was called, so that what is printed can be pasted. */
function commandName(): string {
  const script = process.argv[1] ?? '';
  if (path.basename(script) !== 'main.js') return 'opossum';
  const relative = path.relative(process.cwd(), script);
  return `node ${relative.startsWith('..') ? script : relative}`;
}

/** Nearest rank; 0 when there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}

const milliseconds = (ms: number): string => `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
