/*
 * Makes a race as small as it gets: the fewest commands, then the fewest switches between them. It tries every schedule with few
 * switches, the simplest first, so whatever run it begins with, it ends with the same race.
 */
import { systemDefaults } from '../../core/defaults.js';
import { failsAlike, runCommands, type Plan, type Rules, type Run } from './run-commands.js';
import type { Schedule } from './schedule.js';

export type Found<Command, Result> = {
  readonly plan: Plan<Command>;
  readonly run: Run<Command, Result>;
  /** Which commands of the first plan it has, by their index. */
  readonly kept: readonly number[];
};

/** `run` is how the plan failed; the smallest race fails in the same way. */
export async function findSmallestRace<Command, Result>(plan: Plan<Command>, run: Run<Command, Result>, rules: Rules<Command, Result>): Promise<Found<Command, Result>> {
  const search = { like: run, left: mostRuns, until: systemDefaults.now() + longestMs, switches: mostSwitches };
  const found = await searchSubsets(plan, rules, subsets(plan.commands.length), search);
  if (found) return found;
  // Not among the simple ones, or there are too many of those: it stays as it came.
  const schedule = plan.schedule.filter(({ at }) => (run.choices[at] ?? 1) > 1);
  return { plan: { ...plan, schedule }, run, kept: plan.commands.map((_, index) => index) };
}

/** A race of two of the commands, with one switch at the most, that fails like `run`. */
export async function findSimpleRace<Command, Result>(plan: Plan<Command>, run: Run<Command, Result>, rules: Rules<Command, Result>): Promise<Run<Command, Result> | undefined> {
  const search = { like: run, left: mostRuns, until: systemDefaults.now() + longestMs, switches: 1 };
  return (await searchSubsets(plan, rules, combinations(plan.commands.length, 2, 0), search))?.run;
}

type Search = { readonly like: Run<unknown, unknown>; left: number; readonly until: number; readonly switches: number };

async function searchSubsets<Command, Result>(
  plan: Plan<Command>,
  rules: Rules<Command, Result>,
  subsetsToTry: Iterable<readonly number[]>,
  search: Search,
): Promise<Found<Command, Result> | undefined> {
  for (const kept of subsetsToTry) {
    const commands = kept.map((index) => plan.commands[index] as Command);
    const found = await searchSchedules({ ...plan, commands, schedule: [] }, rules, search);
    if (found) return { ...found, kept };
    if (search.left <= 0) break;
  }
  return undefined;
}

/** What a search may cost: a shrunk race is no use to somebody who has gone home. */
const mostRuns = 3000;
const longestMs = 3000;
const mostSwitches = 3;

/**
 * Indices of the commands to try: each pair, then each three, and so on. Not fewer than a race needs: an invariant may well say
 * that somebody wins.
 */
function* subsets(length: number): Generator<readonly number[]> {
  for (let size = Math.min(2, length); size <= length; size++) yield* combinations(length, size, 0);
}

function* combinations(length: number, size: number, from: number): Generator<readonly number[]> {
  if (size === 0) yield [];
  for (let first = from; first <= length - size && size > 0; first++) {
    for (const rest of combinations(length, size - 1, first + 1)) yield [first, ...rest];
  }
}

async function searchSchedules<Command, Result>(
  plan: Plan<Command>,
  rules: Rules<Command, Result>,
  search: Search,
): Promise<Omit<Found<Command, Result>, 'kept'> | undefined> {
  let schedules: Schedule[] = [[]];
  for (let switches = 0; switches <= search.switches; switches++) {
    const next: Schedule[] = [];
    for (const schedule of schedules) {
      if (search.left-- <= 0 || systemDefaults.now() > search.until) {
        search.left = 0;
        return undefined;
      }
      const tried = { ...plan, schedule };
      const run = await runCommands(tried, rules);
      if (failsAlike(run, search.like)) return { plan: tried, run };
      if (switches < search.switches) next.push(...withOneMore(schedule, run.choices));
    }
    schedules = next;
  }
  return undefined;
}

/** The schedule with one more switch, behind its last one: so each comes once. */
function withOneMore(schedule: Schedule, choices: readonly number[]): Schedule[] {
  const from = (schedule.at(-1)?.at ?? -1) + 1;
  return choices.slice(from).flatMap((candidates, i) => Array.from({ length: candidates - 1 }, (_, to) => [...schedule, { at: from + i, to: to + 1 }]));
}
