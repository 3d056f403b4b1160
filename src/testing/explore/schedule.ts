/*
 * Which call goes next. Handlers run one after another unless the schedule switches, so an empty schedule is the simplest run,
 * and the number of switches says how tangled a race is: that is what shrinking makes small. fast-check's own scheduler would
 * reach the same orders, but it cannot shrink one.
 */
import { asArbitrary, type ArbitraryOf, type FastCheck } from './fast-check.js';

/** At step `at` (from 0) not the call that goes next by itself, but the `to`-th of the others (from 1, counted round and round). */
export type Switch = { readonly at: number; readonly to: number };
export type Schedule = readonly Switch[];

/** Which of `candidates` calls goes at `step`; the first one goes by itself. */
export function choose(schedule: ReadonlyMap<number, number>, step: number, candidates: number): number {
  const to = schedule.get(step);
  if (to === undefined || candidates === 1) return 0;
  return 1 + ((to - 1) % (candidates - 1));
}

/** How many steps go by since the last switch, so that fewer and earlier ones are simpler. */
type Move = { readonly after: number; readonly to: number };

/**
 * Most races need one or two switches at the right places, so many schedules have few. The others go anywhere at each step, or to
 * and fro. Every order of calls can come, of as many commands as there are at once.
 */
export function schedules(fc: typeof FastCheck, commands: number): FastCheck.Arbitrary<Schedule> {
  const others = Math.max(commands, 4);
  const few = (maxLength: number, longest: number): FastCheck.Arbitrary<Schedule> =>
    fc.array(fc.record({ after: fc.nat(longest), to: fc.integer({ min: 1, max: others }) }), { minLength: 1, maxLength, size: 'max' }).map(toSchedule);
  const anywhere = fc.array(fc.nat(others - 1), { maxLength: patternLength, size: 'max' }).map((picks) => repeated(picks).flatMap((to, at) => (to === 0 ? [] : [{ at, to }])));
  const toAndFro = fc.constantFrom(...[0, 1].map((after) => toSchedule(Array.from({ length: longRun / (after + 1) }, () => ({ after, to: 1 })))));
  return fc.oneof(
    { weight: 2, arbitrary: few(1, 6) },
    { weight: 2, arbitrary: few(2, 6) },
    { weight: 2, arbitrary: few(4, 20) },
    { weight: 3, arbitrary: anywhere },
    { weight: 1, arbitrary: toAndFro },
  );
}

/** Steps that are drawn; a run that is longer goes on in the same pattern. */
const patternLength = 40;
/** Steps from which on nothing switches by itself. */
const longRun = 400;

function repeated(picks: readonly number[]): number[] {
  return picks.length < patternLength ? [...picks] : Array.from({ length: longRun }, (_, at) => picks[at % patternLength]!);
}

function toSchedule(moves: readonly Move[]): Schedule {
  let at = -1;
  return moves.map(({ after, to }) => ({ at: (at += after + 1), to }));
}

/** Lists of commands that run at once. Often one command twice: what a double click or a repeated message does. */
export function commandLists<Command>(fc: typeof FastCheck, command: ArbitraryOf<Command>, most: number): FastCheck.Arbitrary<readonly Command[]> {
  const one = asArbitrary(command);
  return fc.oneof(
    { weight: 4, arbitrary: fc.array(one, { minLength: 2, maxLength: most, size: 'max' }) },
    { weight: 1, arbitrary: one.map((same) => [same, same]) },
  );
}

/** The run that `SEED_PATH` names: what fast-check generated, the commands kept of it, and the schedule. */
export type ReplayPath = {
  readonly generated: string;
  /** Absent: as generated. */
  readonly exactly: { readonly kept: readonly number[]; readonly schedule: Schedule } | undefined;
};

export function formatPath(generated: string, kept: readonly number[], schedule: Schedule): string {
  return `${generated}/${kept.join('.')}/${schedule.map(({ at, to }) => `${at}-${to}`).join(',')}`;
}

/** Undefined when it is no such path. A path of fast-check itself will do too. */
export function parsePath(path: string): ReplayPath | undefined {
  if (!/^\d+(:\d+)*(\/(\d+(\.\d+)*)?\/(\d+-[1-9]\d*(,\d+-[1-9]\d*)*)?)?$/.test(path)) return undefined;
  const [generated = '', kept, switches] = path.split('/');
  if (kept === undefined) return { generated, exactly: undefined };
  const numbers = (text: string, separator: string): number[] => (text === '' ? [] : text.split(separator).map(Number));
  const toSwitch = (text: string): Switch => {
    const [at = 0, to = 1] = numbers(text, '-');
    return { at, to };
  };
  return { generated, exactly: { kept: numbers(kept, '.'), schedule: switches ? switches.split(',').map(toSwitch) : [] } };
}
