import { checkFields, checkFunction } from '../../core/check-values.js';
import { retryDefaults } from '../../core/defaults.js';
import { InvalidInputError } from '../../core/errors.js';
import { describe } from '../../core/json.js';
import type { ExploreOptions } from './options.js';
import { parsePath, type ReplayPath } from './schedule.js';

export type Settings = {
  readonly concurrent: number;
  readonly runs: number;
  readonly timeLimitMs: number;
  readonly maxSteps: number;
  readonly width: number;
  readonly seed: number;
  readonly replay: ReplayPath | undefined;
};

/** The options with their defaults, and with what the environment says. @throws InvalidInputError */
export function checkOptions<Command, Result>(options: ExploreOptions<Command, Result>, environment: NodeJS.ProcessEnv): Settings {
  checkFields(options, 'options', optionKeys, 'the options of explore');
  const { concurrent = 3, runs = 1000, timeLimitMs = 2000, maxSteps = 2000, width = 120 } = options;
  checkWhole(concurrent, 'options.concurrent', 2, 8);
  checkWhole(runs, 'options.runs', 1);
  checkWhole(timeLimitMs, 'options.timeLimitMs', 0);
  checkWhole(maxSteps, 'options.maxSteps', 1);
  checkWhole(width, 'options.width', 40);
  for (const name of ['act', 'invariant'] as const) checkFunction(options[name], `options.${name}`);
  for (const name of ['store', 'mayFail', 'label', 'describeRead'] as const) if (options[name] !== undefined) checkFunction(options[name], `options.${name}`);
  checkValues(options.commands, 'options.commands', 1);
  if (options.given !== undefined) checkValues(options.given, 'options.given', 0);
  return { concurrent, runs, timeLimitMs, maxSteps, width, ...checkReplay(options, environment) };
}

const optionKeys = new Set([
  ...['given', 'commands', 'concurrent', 'act', 'invariant', 'checkEveryCommit', 'mayFail', 'store', 'runs', 'timeLimitMs', 'maxSteps'],
  ...['seed', 'path', 'label', 'describeRead', 'width'],
]);

function checkReplay({ seed, path }: Pick<ExploreOptions<unknown>, 'seed' | 'path'>, environment: NodeJS.ProcessEnv): Pick<Settings, 'seed' | 'replay'> {
  // A path means nothing without its seed: a path of the environment must not meet a seed of the options.
  const isGiven = seed !== undefined || path !== undefined;
  const [seedName, pathName] = isGiven ? ['options.seed', 'options.path'] : ['SEED', 'SEED_PATH'];
  const usedSeed = isGiven ? seed : numberIn(environment['SEED']);
  const usedPath = isGiven ? path : environment['SEED_PATH'] || undefined;
  if (usedSeed !== undefined) checkWhole(usedSeed, seedName, -(2 ** 31), 2 ** 32);
  if (usedPath === undefined) return { seed: (usedSeed ?? retryDefaults.random() * 2 ** 31) | 0, replay: undefined };
  if (usedSeed === undefined) throw new InvalidInputError(seedName, `is missing; a path is good only with the seed that it was printed with.`);
  const replay = typeof usedPath === 'string' ? parsePath(usedPath) : undefined;
  if (!replay) throw new InvalidInputError(pathName, `is ${describe(usedPath)}; it must be a path that explore printed, such as 12:0/0.1/3-1.`);
  return { seed: usedSeed | 0, replay };
}

function numberIn(text: string | undefined): number | undefined {
  return text === undefined || text === '' ? undefined : Number(text);
}

function checkWhole(value: unknown, path: string, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return;
  const bounds = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidInputError(path, `is ${describe(value)}; it must be a whole number ${bounds}.`);
}

function checkValues(value: unknown, path: string, least: number): void {
  if (Array.isArray(value)) {
    if (value.length < least) throw new InvalidInputError(path, 'is empty; give at least one, or better two: one alone cannot race.');
    return;
  }
  const generates = typeof value === 'object' && value !== null && 'generate' in value && typeof value.generate === 'function';
  if (!generates) throw new InvalidInputError(path, `is ${describe(value)}; it must be an array or an arbitrary of fast-check.`);
}
