/*
 * Finds the order of calls that breaks a command handler. fast-check generates what is given, the commands and the schedule, and
 * shrinks them; then every simple schedule of few of those commands is tried, so that the race shown is the smallest one.
 */
import { systemDefaults } from '../../core/defaults.js';
import { Beginnings } from './beginnings.js';
import { checkOptions, type Settings } from './check-options.js';
import { asArbitrary, loadFastCheck, type FastCheck } from './fast-check.js';
import type { ExploreOptions, ExploreReport } from './options.js';
import { Patience } from './patience.js';
import { RaceFoundError } from './race-found-error.js';
import { failsAlike, runCommands, type Plan, type Rules, type Run } from './run-commands.js';
import { commandLists, formatPath, schedules, type ReplayPath } from './schedule.js';
import { findSimpleRace, findSmallestRace, type Found } from './smallest-race.js';
import { drawTimeline } from './timeline.js';
import { withVirtualTime } from './virtual-time.js';

/**
 * Runs commands at once against a store that lets their calls happen in every order, and checks the invariant on what they leave
 * behind. Resolves when nothing was found. Needs fast-check 4; time within handlers is virtual, so waiting costs nothing.
 *
 * @example
 * await explore({
 *   given: [{ type: 'CourseDefined', tags: ['course:c1'], data: { seats: 1 } }],
 *   commands: fc.record({ student: fc.constantFrom('s1', 's2', 's3') }),
 *   act: (store, { student }) => enrol(store, 'c1', student),
 *   invariant: (history) => history.filter(({ type }) => type === 'Enrolled').length <= 1 || 'more students than seats',
 * })
 * @throws RaceFoundError with the smallest race as a timeline, and the seed and path that repeat it; InvalidInputError; whatever
 *   the store factory throws, and what the store throws outside the handlers.
 */
export async function explore<Command, Result = unknown>(options: ExploreOptions<Command, Result>): Promise<ExploreReport> {
  const settings = checkOptions(options, process.env);
  const fc = await loadFastCheck();
  const rules: Rules<Command, Result> = { ...options, beginnings: new Beginnings(options.store), patience: new Patience(), maxSteps: settings.maxSteps };
  return withVirtualTime(async () => {
    const exploration = new Exploration(fc, options, settings, rules);
    return settings.replay ? exploration.replay(settings.replay) : exploration.explore();
  });
}

/** Real milliseconds after which shrinking by fast-check ends with what it has. */
const shrinkMs = 2000;
/** Runs between looks at the clock. */
const largestRound = 100;

class Exploration<Command, Result> {
  readonly #fc: typeof FastCheck;
  readonly #options: ExploreOptions<Command, Result>;
  readonly #settings: Settings;
  readonly #rules: Rules<Command, Result>;
  readonly #plans: FastCheck.Arbitrary<Plan<Command>>;
  /** What a run threw that is nobody's race: a store that cannot be opened, say. */
  #accident: { readonly error: unknown } | undefined;

  constructor(fc: typeof FastCheck, options: ExploreOptions<Command, Result>, settings: Settings, rules: Rules<Command, Result>) {
    this.#fc = fc;
    this.#options = options;
    this.#settings = settings;
    this.#rules = rules;
    this.#plans = plansFrom(fc, options, settings.concurrent);
  }

  async explore(): Promise<ExploreReport> {
    const { runs, timeLimitMs, seed } = this.#settings;
    const until = systemDefaults.now() + timeLimitMs;
    let done = 0;
    for (let round = 0; done < runs && (round === 0 || systemDefaults.now() < until); round++) {
      const roundRuns = Math.min(runs - done, largestRound, 10 * 2 ** round);
      const roundSeed = (seed + round) | 0;
      const found = await this.#check({ seed: roundSeed, numRuns: roundRuns });
      if (found) {
        const { path, race } = await this.#shrink(found, roundSeed);
        throw await this.#toError(race, roundSeed, path, done + found.runs);
      }
      done += roundRuns;
    }
    return { runs: done, seed };
  }

  /** Exactly the run that the path names. It resolves when that one is in order now. */
  async replay({ generated, exactly }: ReplayPath): Promise<ExploreReport> {
    const { seed } = this.#settings;
    const plan = await this.#generate(seed, generated);
    const kept = (exactly?.kept ?? plan.commands.map((_, index) => index)).filter((index) => index < plan.commands.length);
    const replayed = { ...plan, commands: kept.map((index) => plan.commands[index] as Command), schedule: exactly?.schedule ?? plan.schedule };
    const run = await runCommands(replayed, this.#rules);
    if (run.failure) throw await this.#toError({ plan: replayed, run, kept }, seed, generated, 1);
    return { runs: 1, seed };
  }

  async #shrink({ plan, path, run }: Failed<Command, Result>, seed: number): Promise<{ path: string; race: Found<Command, Result> }> {
    const race = await findSmallestRace(plan, run, this.#rules);
    if (race.kept.length <= 2) return { path, race };
    // fast-check got no further because each simpler value needs another schedule: so it goes on, and simple ones are tried with each.
    const simpler = await this.#check({ seed, path }, (shrunk) => findSimpleRace(shrunk, run, this.#rules));
    const simplerRace = simpler && (await findSmallestRace(simpler.plan, simpler.run, this.#rules));
    return simplerRace && simplerRace.kept.length < race.kept.length ? { path: simpler.path, race: simplerRace } : { path, race };
  }

  /** `tryToo` is given what went well by its own schedule, and may find a run of it that does not. */
  async #check(
    parameters: FastCheck.Parameters<[Plan<Command>]>,
    tryToo: (plan: Plan<Command>) => Promise<Run<Command, Result> | undefined> = async () => undefined,
  ): Promise<Failed<Command, Result> | undefined> {
    let first: Run<Command, Result> | undefined;
    let last: Run<Command, Result> | undefined;
    let shrinkUntil = Infinity;
    const property = this.#fc.asyncProperty(this.#plans, async (plan) => {
      if (this.#accident || systemDefaults.now() > shrinkUntil) return true;
      const run = (await this.#tryOnce(plan, first)) ?? (await tryToo(plan));
      if (!run) return true;
      last = run;
      if (!first) shrinkUntil = systemDefaults.now() + shrinkMs;
      first ??= run;
      return false;
    });
    const details = await this.#fc.check(property, { ...parameters, endOnFailure: false });
    if (this.#accident) throw this.#accident.error;
    if (!details.failed || !details.counterexample || !last) return undefined;
    return { plan: details.counterexample[0], path: details.counterexamplePath ?? '0', runs: details.numRuns, run: last };
  }

  /** The run when it fails, as `first` does. */
  async #tryOnce(plan: Plan<Command>, first: Run<Command, Result> | undefined): Promise<Run<Command, Result> | undefined> {
    try {
      const run = await runCommands(plan, this.#rules);
      return run.failure && (!first || failsAlike(run, first)) ? run : undefined;
    } catch (error) {
      this.#accident = { error };
      return undefined;
    }
  }

  /** What fast-check generates for a path, without running it. */
  async #generate(seed: number, path: string): Promise<Plan<Command>> {
    let generated: Plan<Command> | undefined;
    const property = this.#fc.asyncProperty(this.#plans, async (plan) => {
      generated ??= plan;
      return true;
    });
    await this.#fc.check(property, { seed, path, numRuns: 1, endOnFailure: true });
    if (!generated) throw new Error(`The path ${path} leads nowhere: the options of explore are others than those it was printed for.`);
    return generated;
  }

  /** Runs it once more, to see what the models of its decisions answered. */
  async #toError({ plan, run: found, kept }: Found<Command, Result>, seed: number, generated: string, runs: number): Promise<Error> {
    const again = await runCommands(plan, { ...this.#rules, noteAnswers: true });
    const repeats = failsAlike(again, found);
    const run = repeats ? again : found;
    const { history, results } = run;
    const failure = run.failure!;
    const { label, describeRead } = this.#options;
    const look = { width: this.#settings.width, ...(label && { label }), ...(describeRead && { describeRead }) };
    const timeline = await drawTimeline(plan.commands, run, this.#rules, look);
    const path = formatPath(generated, kept, plan.schedule);
    const { words, cause } = failure;
    const { commands, given, schedule } = plan;
    return new RaceFoundError({ words, timeline, commands, results, history, given: given.length, switches: schedule.length, runs, repeats, seed, path, cause });
  }
}

/** A plan that failed, with the run that did, and how many runs there were before. */
type Failed<Command, Result> = { readonly plan: Plan<Command>; readonly path: string; readonly runs: number; readonly run: Run<Command, Result> };

function plansFrom<Command, Result>(fc: typeof FastCheck, { given = [], commands }: ExploreOptions<Command, Result>, concurrent: number): FastCheck.Arbitrary<Plan<Command>> {
  return fc.record({
    given: 'generate' in given ? asArbitrary(given) : fc.constant(given),
    commands: 'generate' in commands ? commandLists(fc, commands, concurrent) : fc.constant(commands),
    schedule: schedules(fc, 'generate' in commands ? concurrent : commands.length),
    chance: fc.nat(),
  });
}
