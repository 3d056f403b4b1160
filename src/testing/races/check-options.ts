import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkFields, checkFunction } from '../../core/check-values.js';
import { retryDefaults } from '../../core/defaults.js';
import { InvalidInputError } from '../../core/errors.js';
import { describe } from '../../core/json.js';
import type { RaceOptions } from './options.js';

/** A command, and the number of the worker that gets it, from 1. */
export type Assignment<Command> = { readonly command: Command; readonly worker: number };

export type RaceSettings<Command> = {
  readonly module: string;
  readonly exportName: string;
  readonly workers: number;
  readonly atOnce: number;
  readonly assignments: readonly Assignment<Command>[];
  readonly kill: { readonly times: number; readonly seed: number } | undefined;
  readonly timeoutMs: number;
};

/** The options with their defaults. @throws InvalidInputError */
export function checkRaceOptions<Command, Result>(options: RaceOptions<Command, Result>): RaceSettings<Command> {
  checkFields(options, 'options', optionKeys, 'the options of raceProcesses');
  const { exportName = 'act', workers = 4, atOnce = 1, timeoutMs = 30_000, directory, storeOptions, execArgv } = options;
  checkText(exportName, 'options.exportName', 'the name of an export');
  checkWhole(workers, 'options.workers', 2, 32);
  checkWhole(atOnce, 'options.atOnce', 1, 64);
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0 && timeoutMs < 2 ** 31)) throw new InvalidInputError('options.timeoutMs', `is ${describe(timeoutMs)}; it must be a number of milliseconds above 0.`);
  checkFunction(options.invariant, 'options.invariant');
  if (options.mayFail !== undefined) checkFunction(options.mayFail, 'options.mayFail');
  if (directory !== undefined) checkText(directory, 'options.directory', 'the path of a folder');
  if (storeOptions !== undefined) checkFields(storeOptions, 'options.storeOptions', storeOptionKeys, 'the options of a store in a race');
  for (const [name, list] of [['given', options.given], ['execArgv', execArgv]] as const) {
    if (list !== undefined && !Array.isArray(list)) throw new InvalidInputError(`options.${name}`, `is ${describe(list)}; it must be an array.`);
  }
  const module = moduleUrl(options.module);
  const assignments = assign(options.commands, workers);
  return { module, exportName, workers, atOnce, assignments, kill: checkKill(options.kill, assignments.length), timeoutMs };
}

const optionKeys = new Set(['module', 'exportName', 'workers', 'atOnce', 'commands', 'given', 'invariant', 'mayFail', 'kill', 'directory', 'storeOptions', 'timeoutMs', 'execArgv']);
const storeOptionKeys = new Set(['context', 'durability', 'eventFiles', 'lockTimeout']);
const killKeys = new Set(['times', 'seed']);

function moduleUrl(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module === 'string' && module.startsWith('file:')) return module;
  if (typeof module === 'string' && path.isAbsolute(module)) return pathToFileURL(module).href;
  throw new InvalidInputError('options.module', `is ${describe(module)}; it must be new URL('./your-handler.mjs', import.meta.url), or an absolute path.`);
}

function assign<Command>(commands: RaceOptions<Command>['commands'], workers: number): Assignment<Command>[] {
  const isDealt = typeof commands !== 'function';
  const assignments = isDealt
    ? checkCommands<Command>(commands, 'options.commands').map((command, i) => ({ command, worker: (i % workers) + 1 }))
    : Array.from({ length: workers }, (_, i) => checkCommands<Command>(commands(i + 1), `options.commands(${i + 1})`).map((command) => ({ command, worker: i + 1 }))).flat();
  if (new Set(assignments.map(({ worker }) => worker)).size < 2) {
    throw new InvalidInputError('options.commands', `gives commands to ${assignments.length === 0 ? 'no worker' : 'one worker'}; it takes two to race.`);
  }
  try {
    structuredClone(assignments);
  } catch (error) {
    throw new InvalidInputError('options.commands', `cannot be sent to another process: ${(error as Error).message} Give plain data.`, error);
  }
  return assignments;
}

function checkCommands<Command>(commands: unknown, where: string): readonly Command[] {
  if (Array.isArray(commands)) return commands as readonly Command[];
  throw new InvalidInputError(where, `is ${describe(commands)}; it must be an array${where === 'options.commands' ? ', or a function that gives each worker one' : ''}.`);
}

function checkKill(kill: RaceOptions<unknown>['kill'], commands: number): RaceSettings<unknown>['kill'] {
  if (kill === undefined) return undefined;
  checkFields(kill, 'options.kill', killKeys, 'the kills of a race');
  checkWhole(kill.times, 'options.kill.times', 1, commands);
  const { times, seed = Math.floor(retryDefaults.random() * 2 ** 31) } = kill;
  checkWhole(seed, 'options.kill.seed', 0, 2 ** 32 - 1);
  return { times, seed };
}

function checkWhole(value: unknown, where: string, least: number, most: number): void {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new InvalidInputError(where, `is ${describe(value)}; it must be a whole number from ${least} to ${most}${where.endsWith('times') ? ', the number of commands' : ''}.`);
}

function checkText(value: unknown, where: string, what: string): void {
  if (typeof value !== 'string' || value === '') throw new InvalidInputError(where, `is ${describe(value)}; it must be ${what}.`);
}
